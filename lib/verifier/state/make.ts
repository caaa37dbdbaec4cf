/** Registers to start from. Others are spread from these, so that all share one hidden class. */
import type { Scalar } from "../scalar/index.ts";
import { ZERO, UNKNOWN } from "../scalar/index.ts";
import type { Reg, RegKind } from "./reg.ts";

/** No value. */
export const NONE: Reg = {
  kind: "none",
  flags: 0,
  off: 0,
  range: 0,
  id: 0,
  ref: 0,
  link: 0,
  num: UNKNOWN,
  precise: false,
  frame: 0,
  map: null,
  mapUid: 0,
  btf: null,
  type: 0,
  size: 0,
  dynptr: 0,
  extra: null,
};

/** A number; a new one shares its id with nobody. */
export function scalar(num: Scalar = UNKNOWN, precise = false): Reg {
  return { ...NONE, kind: "scalar", num, precise };
}

/** A pointer of a kind, offset 0. */
export function pointer(kind: RegKind, flags = 0, more: Partial<Reg> = {}): Reg {
  return { ...NONE, kind, flags, num: ZERO, ...more };
}
