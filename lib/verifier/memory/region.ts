/** Memory that a callee reads or writes: what an argument points to, with a size that is known or in a register. */
import type { ProgramType } from "../../kernel/index.ts";
import { FLAG, withFlags } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { regOf, reject } from "../env.ts";
import type { Env } from "../env.ts";
import { markPrecise } from "../prune/index.ts";
import { accessObject } from "../types/index.ts";
import { touchMemory } from "./access.ts";
import type { Access } from "./access.ts";
import { VARIABLE_LIMIT, checkBounds } from "./bounds.ts";
import { checkBuffer } from "./buffer.ts";
import { describe } from "./describe.ts";
import { checkMapRights, checkMapValue } from "./map.ts";
import { checkPacket } from "./packet.ts";
import { isZero } from "./registers.ts";
import { checkStackBounds, leastOffset } from "./stack/bounds.ts";
import { checkRange, readRange } from "./stack/range.ts";
import { fillStack, holdsDynptr } from "./stack/fill.ts";

/** What a callee does with memory that an argument points to. */
export interface Region {
  /** `uninit`: need not be initialised, is filled by the callee: see `fillRegions`. `both`: read and written. */
  readonly access: Access | "uninit" | "both";
  /** A size of 0 is allowed (with a null pointer, too). */
  readonly zeroAllowed: boolean;
  /** Null, and pointers that may be null, are fine, too (kernel functions, global functions). */
  readonly nullable?: boolean;
}

/**
 * Types whose context the kernel does not rewrite, so that a callee may be given all of it.
 * Source: the program types' operations without convert_ctx_access.
 */
const PLAIN_CONTEXTS: ReadonlySet<ProgramType> = new Set([
  "syscall",
  "kprobe",
  "tracepoint",
  "raw_tracepoint",
  "raw_tracepoint_writable",
  "tracing",
  "struct_ops",
  "lsm",
  "ext",
  "lirc_mode2",
  "cgroup_device",
  "netfilter",
]);

/** Checks that `size` bytes from where `register` points are there to be read or written by a callee; marks what it writes. */
export function checkRegion(env: Env, register: number, size: number, region: Region): void {
  const given = regOf(env, register);
  if (region.nullable && isZero(given)) return;
  const reg = region.nullable ? withFlags(given, given.flags & ~FLAG.maybe_null) : given;
  if (region.access === "both") {
    checkOne(env, register, reg, size, "read", region.zeroAllowed, false);
    checkOne(env, register, reg, size, "write", region.zeroAllowed, false);
    return;
  }
  const uninit = region.access === "uninit";
  checkOne(env, register, reg, size, region.access === "read" ? "read" : "write", region.zeroAllowed, uninit);
}

/** The same with a size in a register: its bounds are proven and it becomes precise. */
export function checkSizedRegion(env: Env, register: number, sizeRegister: number, region: Region): void {
  const { num } = regOf(env, sizeRegister);
  if (num.sminHi < 0) reject(env, "negative_size", { register: sizeRegister });
  if ((num.uminHi | num.uminLo) === 0 && !region.zeroAllowed) reject(env, "zero_sized", { register: sizeRegister });
  const size = num.umaxRounded;
  if (size >= VARIABLE_LIMIT) reject(env, "unbounded_size", { register: sizeRegister });
  // With a size that is not known exactly, some of the region may be left as it was.
  const access = region.access === "uninit" && !num.isConst ? "write" : region.access;
  const given = regOf(env, register);
  if (region.nullable && isZero(given)) checkOne(env, register, given, size, "read", region.zeroAllowed, false);
  else checkRegion(env, register, size, { ...region, access });
  markPrecise(env, sizeRegister);
}

function checkOne(
  env: Env,
  register: number,
  reg: Reg,
  size: number,
  access: Access,
  zeroAllowed: boolean,
  uninit: boolean,
): void {
  const write = access === "write";
  switch (reg.kind) {
    case "stack":
      checkStackRegion(env, register, reg, size, write, zeroAllowed, uninit);
      return;
    case "packet":
    case "packet_meta":
      checkPacket(env, register, reg, reg.off, size, zeroAllowed);
      return;
    case "map_key":
      if (write) reject(env, "read_only", { register, kind: describe(reg) });
      checkBounds(env, register, reg, reg.off, size, reg.map?.map.spec.keySize ?? 0, false, "out_of_map_key");
      return;
    case "map_value":
      if (reg.map !== null) checkMapRights(env, register, reg.map, access);
      checkMapValue(env, register, reg, reg.off, size, zeroAllowed, false);
      return;
    case "mem":
      if (write && reg.flags & FLAG.rdonly) reject(env, "read_only", { register, kind: describe(reg) });
      checkBounds(env, register, reg, reg.off, size, reg.size, zeroAllowed, "out_of_region");
      return;
    case "buf":
      if (write && reg.flags & FLAG.rdonly) reject(env, "read_only", { register, kind: describe(reg) });
      checkBuffer(env, register, reg, reg.off, size);
      return;
    case "object":
      accessObject(env, "read", register, reg, reg.off, size);
      return;
    case "ctx":
      if (!PLAIN_CONTEXTS.has(env.request.type)) break;
      if (size > 0) touchMemory(env, access, register, reg, size - 1, 1, -1);
      else if (!zeroAllowed) reject(env, "zero_sized", { register });
      return;
    default:
  }
  if (zeroAllowed && size === 0 && isZero(reg)) return;
  reject(env, "argument_type", { register, found: describe(reg), wanted: "memory" });
}

function checkStackRegion(
  env: Env,
  register: number,
  reg: Reg,
  size: number,
  write: boolean,
  zeroAllowed: boolean,
  uninit: boolean,
): void {
  // Where the place is not known exactly, nobody can say which bytes the callee has filled.
  if (!uninit || !reg.num.isConst) {
    const clobber = write || !env.profile.has("read_only_regions");
    readRange(env, register, reg, reg.off, size, { zeroAllowed, write: clobber });
    return;
  }
  checkRange(env, register, reg, reg.off, size, { zeroAllowed, write });
  if (holdsDynptr(env, reg, size)) reject(env, "dynptr_overwritten", { register, size });
  env.notes.set(FILL, { register, size });
}

const FILL = "region that the callee fills";

/** After all arguments have been checked: the `uninit` region of this call holds something now. */
export function fillRegions(env: Env): void {
  const fill = env.notes.get(FILL) as { readonly register: number; readonly size: number } | undefined;
  if (fill === undefined) return;
  env.notes.delete(FILL);
  const reg = regOf(env, fill.register);
  const off = leastOffset(reg, reg.off);
  if (fill.size > 0) checkStackBounds(env, fill.register, reg, reg.off, fill.size, "write");
  fillStack(env, reg, off, fill.size);
}
