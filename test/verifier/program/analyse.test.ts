/** Before the walk: what is refused, and what is marked. Facts seen with Linux 6.18 (log level 2 prints live registers and loops). */
import { describe, expect, test } from "vitest";
import type { Btf } from "../../../lib/btf/index.ts";
import { Rejection, Unsupported } from "../../../lib/verifier/outcome.ts";
import { ROOT } from "../../../lib/verifier/privileges.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { analyse } from "../../../lib/verifier/program/index.ts";
import type { MapSpec } from "../../../lib/object/index.ts";
import type { LoadRequest } from "../../../lib/verifier/request.ts";
import { requestOf } from "../request.ts";

const profile = profileOf("6.18") as KernelProfile;
const WHO = { profile, privileges: ROOT };
const NOBODY = { profile, privileges: { bpf: false, perfmon: false } };

function complaintOf(request: LoadRequest, who = WHO): string {
  try {
    analyse(request, who);
    return "fine";
  } catch (error) {
    if (error instanceof Unsupported) return "unsupported";
    if (error instanceof Rejection) return `${error.code} ${error.slot ?? ""}`.trim();
    throw error;
  }
}

// prettier-ignore
const SHAPES: readonly [name: string, text: string, complaint: string][] = [
  ["a plain program",                  "r0 = 0\nexit",                                            "fine"],
  ["code that nothing leads to",       "r0 = 0\nexit\nr0 = 1\nexit",                              "unreachable_code 2"],
  ["an end without exit",              "r0 = 0\nr1 = 1",                                          "no_exit 1"],
  ["an end with a goto",               "a: r0 = 0\nif r1 == 0 goto b\ngoto a\nb: exit",           "fine"],
  ["a function that is called",        "call f\nexit\nf: r0 = 0\nexit",                           "fine"],
  ["a jump into another function",     "if r1 == 0 goto f\ncall f\nexit\nf: r0 = 0\nexit",        "jump_out_of_range 0"],
  ["a function that runs on",          "call f\ncall g\nexit\nf: r0 = 0\ng: r0 = 1\nexit",        "no_exit 3"],
  ["a jump into a wide load",          "if r1 == 0 goto +1\nr0 = 0x123456789a ll\nexit",          "jump_into_wide_load 1"],
];

test.each(SHAPES)("%s", (_, text, complaint) => {
  expect(complaintOf(requestOf(text))).toBe(complaint);
});

// prettier-ignore
const ADDRESSES: readonly [name: string, type: MapSpec["type"], maxEntries: number, offset: number, complaint: string][] = [
  ["in the value",              "array", 1, 63,      "fine"],
  ["behind the value",          "array", 1, 64,      "map_address 2"],
  ["of an array of two values", "array", 2, 0,       "map_address 2"],
  ["of a hash",                 "hash",  1, 0,       "map_address 2"],
  ["far away",                  "array", 1, 1 << 29, "map_address 2"],
];

test.each(ADDRESSES)("an address %s, in code that is never walked", (_, type, maxEntries, offset, complaint) => {
  // prettier-ignore
  const spec = {
    name: "m", type, keySize: 4, valueSize: 64, maxEntries, flags: 0, keyType: 0, valueType: 0, initial: null, frozen: false, inner: null,
  };
  const request = requestOf(`r0 = 0\nif r0 == 0 goto +2\nr1 = map[id:0][0]+${offset}\nexit`, {
    maps: [{ spec, btf: null, contents: null, inner: null }],
    mapReferences: new Map([[2, { map: 0, kind: "map_value", offset }]]),
  });
  expect(complaintOf(request)).toBe(complaint);
});

const KERNEL: Btf = {
  types: [
    { kind: "void" },
    { kind: "func_proto", result: 0, params: [] },
    { kind: "func", name: "f", type: 1, linkage: "global" },
  ],
};
// prettier-ignore
const KERNEL_CALLS: readonly [name: string, id: number, license: string, kernel: Btf | null, complaint: string][] = [
  ["a function",                      2, "GPL",         KERNEL, "fine"],
  ["what is no function",             1, "GPL",         KERNEL, "unknown_kfunc 2"],
  ["what is not there",               9, "GPL",         KERNEL, "unknown_kfunc 2"],
  ["what was not found when loading", 0, "GPL",         KERNEL, "fine"],
  ["a function, without the right",   2, "proprietary", KERNEL, "kfunc_needs_gpl 2"],
  ["a function that nobody knows",    2, "GPL",         null,   "unsupported"],
];

test.each(KERNEL_CALLS)(
  "a call of %s of the kernel, in code that is never walked",
  (_, id, license, kernel, complaint) => {
    const request = requestOf(`r0 = 0\nif r0 == 0 goto +1\ncall kernel-function#${id}\nexit`, { license, kernel });
    expect(complaintOf(request)).toBe(complaint);
  },
);

// prettier-ignore
const UNPRIVILEGED: readonly [name: string, text: string, complaint: string][] = [
  ["a loop",     "r0 = 0\na: r0 += 1\nif r0 < 9 goto a\nexit", "back_edge 2"],
  ["a function", "call f\nexit\nf: r0 = 0\nexit",              "calls_not_allowed 0"],
  ["neither",    "r0 = 0\nexit",                               "fine"],
];

test.each(UNPRIVILEGED)("without CAP_BPF: %s", (_, text, complaint) => {
  expect(complaintOf(requestOf(text), NOBODY)).toBe(complaint);
});

// prettier-ignore
const BYTES: readonly [name: string, hex: string, complaint: string][] = [
  ["no code",                                  "",                                                  "empty_program"],
  ["an opcode that is none",                   "ff00000000000000 9500000000000000",                 "bad_instruction 0"],
  ["a call through a register",                "8d01000000000000 9500000000000000",                 "bad_instruction 0"],
  ["half a wide load",                         "1800000000000000 9500000000000000",                 "broken_wide_load 0"],
  ["a wide load of no kind",                   "1870000000000000 0000000000000000 9500000000000000", "bad_instruction 0"],
  ["a map that is not there",                  "1811000000000000 0000000000000000 9500000000000000", "bad_map 0"],
  ["an immediate in a load",                   "7901000001000000 9500000000000000",                 "reserved_field 0"],
  ["a reserved field: not before the walk",    "b700010000000000 9500000000000000",                 "fine"],
  ["register 11: not before the walk",         "b70b000000000000 9500000000000000",                 "fine"],
  ["an address with an upper half",            "1841000003000000 0000000007000000 b700000000000000 9500000000000000 9500000000000000", "fine"],
  ["an exit with an offset",                   "b700000000000000 9500050000000000",                 "fine"],
];

test.each(BYTES)("%s", (_, hex, complaint) => {
  const code = Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (byte) => parseInt(byte, 16));
  expect(complaintOf(requestOf("", { code }))).toBe(complaint);
});

describe("marks", () => {
  const text = `
    r6 = r1
    r7 = 0
  a: r7 += 1
    call 7
    if r7 < 9 goto a
    r1 = r6
    call f
    exit
  f: r0 = r1
    exit`;
  const program = analyse(requestOf(text), WHO);
  const where = (marks: ArrayLike<number>): number[] => [...Array.from(marks).keys()].filter((i) => marks[i] !== 0);

  test("states are compared at jumps, their targets, behind calls and around calls of functions", () => {
    expect(where(program.prunePoint)).toEqual([2, 4, 6, 7, 8]);
    expect(where(program.jumpPoint)).toEqual([2, 4, 7, 8]);
    expect(where(program.checkpoint)).toEqual([]);
  });

  test("a loop is what can come back", () => {
    expect(where(program.loop)).toEqual([2, 3, 4]);
  });

  test("live registers", () => {
    const names = (mask: number): string => [...Array(10).keys()].map((r) => (mask & (1 << r) ? r : ".")).join("");
    expect(Array.from(program.liveRegisters, names)).toEqual([
      ".1........",
      "......6...",
      "......67..",
      "......67..",
      "..234567..",
      "..23456...",
      ".12345....",
      "0.........",
      ".1........",
      "0.........",
    ]);
  });
});
