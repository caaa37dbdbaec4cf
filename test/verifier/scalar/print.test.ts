/** Scalars in the kernel's notation. */
import { expect, test } from "vitest";
// prettier-ignore
import { UNKNOWN, alu, constant, printScalar, signExtend, unsignedRange, withinInt32, zeroExtend } from "../../../lib/verifier/scalar/index.ts";

// prettier-ignore
test.each<[string, string, string]>([
  ["nothing known",        printScalar(UNKNOWN),                                       ""],
  ["a constant",           printScalar(constant(-5n)),                                 "-5"],
  ["a large constant",     printScalar(constant(0x8000)),                              "0x8000"],
  ["a byte",               printScalar(zeroExtend(UNKNOWN, 1)),                        "smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff)"],
  ["an int8",              printScalar(signExtend(UNKNOWN, 1, 64)),                    "smin=smin32=-128,smax=smax32=127"],
  ["an error or a size",   printScalar(withinInt32(UNKNOWN, -4095, 64)),               "smin=smin32=-4095,smax=smax32=64"],
  ["far out",              printScalar(unsignedRange(0x10000n, 0xffff_ffff_0000_0000n)), "umin=0x10000,umax=0xffffffff00000000"],
  ["a sum that may wrap",  printScalar(alu("add", 64, unsignedRange(0n, 1n << 63n), constant(1))), "umin=1,umax=0x8000000000000001"],
  ["all sums wrap",        printScalar(alu("add", 64, unsignedRange(0xffff_ffff_ffff_fffdn, 0xffff_ffff_ffff_fffen), constant(9))), "smin=umin=smin32=umin32=6,smax=umax=smax32=umax32=7,var_off=(0x6; 0x1)"],
  ["division",             printScalar(alu("div", 32, constant(9), constant(3))),      ""],
])("%s", (_, printed, expected) => {
  expect(printed).toBe(expected);
});
