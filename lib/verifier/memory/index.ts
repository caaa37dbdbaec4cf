/** What may be read and written through a pointer, and what a load gives. OWNER: core. */
import type { Atomic, LoadAcquire, LoadPacket, Size, StoreRelease } from "../../isa/index.ts";
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

/** Instructions with rules of their own, operands included (that registers have values is checked here). */
export declare function accessAtomic(env: Env, insn: Atomic): void;
export declare function loadAcquire(env: Env, insn: LoadAcquire): void;
export declare function storeRelease(env: Env, insn: StoreRelease): void;
/** LD_ABS, LD_IND. In a subprogram the caller of this also walks the hidden exit that they take when the packet is too short. */
export declare function loadPacket(env: Env, insn: LoadPacket): void;

/** What a callee does with memory that an argument points to. */
export interface Region {
  /** `uninit`: need not be initialised, is filled by the callee: see `fillRegions`. `both`: read and written. */
  readonly access: Access | "uninit" | "both";
  /** A size of 0 is allowed (with a null pointer, too). */
  readonly zeroAllowed: boolean;
  /** Null, and pointers that may be null, are fine, too (kernel functions, global functions). */
  readonly nullable?: boolean;
}
/** Checks that `size` bytes from where `register` points are there to be read or written by a callee; marks what it writes. */
export declare function checkRegion(env: Env, register: number, size: number, region: Region): void;
/** The same with a size in a register: its bounds are proven and it becomes precise. */
export declare function checkSizedRegion(env: Env, register: number, sizeRegister: number, region: Region): void;
/** After all arguments have been checked: `uninit` regions of this call hold something now. */
export declare function fillRegions(env: Env): void;
/** A pointer without a variable part and (unless `offAllowed`) without an offset. */
export declare function checkFixedOffset(env: Env, reg: Reg, register: number, offAllowed: boolean): void;
/** All packet pointers of the path lose what was proven. */
export declare function invalidatePackets(env: Env): void;
