/** Branches that cannot be taken: what is left of a number then is what Linux 6.18 leaves of it. */
import { expect, test } from "vitest";
import {
  copied,
  deduce,
  forgetLow,
  printScalar,
  refine,
  sameScalar,
  unsignedRange,
} from "../../../lib/verifier/scalar/index.ts";

const bit = unsignedRange(0n, 1n);

test("a register that is below itself keeps its known bits, and no range", () => {
  // The kernel's log of `r0 &= 1; if w0 < w0 goto x`, on the way to x.
  const [left, right] = refine("lt", 32, bit, bit, true).taken;
  expect([printScalar(left), sameScalar(left, right)]).toEqual(["var_off=(0x0; 0x1)", true]);
});

test("views that speculation leaves apart: deduced again by arithmetic, forgotten by a copy", () => {
  const apart = forgetLow(unsignedRange(0n, 0n));
  expect([apart.isConst, apart.u32max, apart.umax]).toEqual([true, 0xffff_ffff, 0n]);
  expect([deduce(apart).u32max, copied(apart).umax]).toEqual([0, 0xffff_ffff_ffff_ffffn]);
  expect([deduce(bit), copied(bit)]).toEqual([bit, bit]);
});
