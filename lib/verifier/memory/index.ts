/** What may be read and written through a pointer, and what a load gives. OWNER: core. */
import type { Size } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import type { Reg } from "../state/reg.ts";

export type Access = "read" | "write";

/** Checks a load or store of the current instruction through `base`; a load's result goes to `dst` (-1: thrown away). */
export declare function accessMemory(
  env: Env,
  access: Access,
  base: number,
  off: number,
  size: Size,
  value: number,
  options?: { signed?: boolean; atomic?: boolean; strict?: boolean },
): void;

/** What a callee does with memory that an argument points to. */
export interface Region {
  readonly access: Access | "uninit" | "both";
  /** A size of 0 is allowed (with a null pointer, too). */
  readonly zeroAllowed: boolean;
}
/** Checks that `size` bytes from where `register` points are there to be read or written by a callee; marks what it writes. */
export declare function checkRegion(env: Env, register: number, size: number, region: Region): void;
/** The same with a size in a register: its bounds are proven and it becomes precise. */
export declare function checkSizedRegion(env: Env, register: number, sizeRegister: number, region: Region): void;
/** A pointer without a variable part and (unless `offAllowed`) without an offset. */
export declare function checkFixedOffset(env: Env, reg: Reg, register: number, offAllowed: boolean): void;
/** All packet pointers of the path lose what was proven. */
export declare function invalidatePackets(env: Env): void;
