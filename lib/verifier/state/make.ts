/** Registers to start from. Others are changed from these, so that all share one hidden class. */
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

type Draft = { -readonly [Fact in keyof Reg]: Reg[Fact] };

/** A copy to be changed before anybody else sees it. Written out: a spread of what came out of a spread takes two microseconds. */
function draft(reg: Reg): Draft {
  return {
    kind: reg.kind,
    flags: reg.flags,
    off: reg.off,
    range: reg.range,
    id: reg.id,
    ref: reg.ref,
    link: reg.link,
    num: reg.num,
    precise: reg.precise,
    frame: reg.frame,
    map: reg.map,
    mapUid: reg.mapUid,
    btf: reg.btf,
    type: reg.type,
    size: reg.size,
    dynptr: reg.dynptr,
    extra: reg.extra,
  };
}

/**
 * The register with some of its facts changed. What is changed at almost every instruction has functions of its own below: a
 * partial register is an object of another shape for each set of facts, and reading it is slow.
 */
export function change(reg: Reg, to: Partial<Reg>): Reg {
  return Object.assign(draft(reg), to);
}

export function withNumber(reg: Reg, num: Scalar): Reg {
  if (reg.num === num) return reg;
  const changed = draft(reg);
  changed.num = num;
  return changed;
}

/** A number that shares its id with nobody, nor differs from another by a constant. */
export function ownNumber(reg: Reg, num: Scalar): Reg {
  const changed = draft(reg);
  changed.num = num;
  changed.id = 0;
  changed.link = 0;
  changed.off = 0;
  return changed;
}

export function withOffset(reg: Reg, off: number): Reg {
  const changed = draft(reg);
  changed.off = off;
  return changed;
}

export function withId(reg: Reg, id: number): Reg {
  const changed = draft(reg);
  changed.id = id;
  return changed;
}

export function withFlags(reg: Reg, flags: number): Reg {
  const changed = draft(reg);
  changed.flags = flags;
  return changed;
}

export function withRange(reg: Reg, range: number): Reg {
  const changed = draft(reg);
  changed.range = range;
  return changed;
}

export function withPrecise(reg: Reg, precise: boolean): Reg {
  const changed = draft(reg);
  changed.precise = precise;
  return changed;
}

/** A number; a new one shares its id with nobody. */
export function scalar(num: Scalar = UNKNOWN, precise = false): Reg {
  const made = draft(NONE);
  made.kind = "scalar";
  made.num = num;
  made.precise = precise;
  return made;
}

/** A pointer of a kind, offset 0. */
export function pointer(kind: RegKind, flags = 0, more: Partial<Reg> = {}): Reg {
  const made = draft(NONE);
  made.kind = kind;
  made.flags = flags;
  made.num = ZERO;
  return Object.assign(made, more);
}
