/**
 * Loads and stores: what must hold for the kind of pointer, then what a load gives.
 *
 * Each kind's rule is in a file of its own; here is only the choice between them, and what holds for all: alignment before,
 * the loaded value cut to its size after.
 */
import type { Size } from "../../isa/index.ts";
import { FLOW_KEYS_SIZE } from "../../kernel/index.ts";
import { signExtend, zeroExtend } from "../scalar/index.ts";
import { regOf, reject, setReg, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, withNumber } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { loaded, mayBeNull, unknown } from "../step/index.ts";
import { accessContext, accessObject, accessSocket } from "../types/index.ts";
import { checkAlignment } from "./alignment.ts";
import { checkBounds, within } from "./bounds.ts";
import { checkBuffer } from "./buffer.ts";
import { needRule } from "../release.ts";
import { describe } from "./describe.ts";
import { checkFixedOffset } from "./fixed-offset.ts";
import { seePointer } from "./kinds-seen.ts";
import { accessMapStructure, accessMapValue, checkLeak } from "./map.ts";
import { checkPacket, packetAllowed } from "./packet.ts";

import { checkStackBounds } from "./stack/bounds.ts";
import { readStack } from "./stack/read.ts";
import { storedImmediate, writeStack } from "./stack/write.ts";

export type Access = "read" | "write";

export interface AccessOptions {
  /** The loaded value is sign-extended. */
  readonly signed?: boolean;
  /** Alignment matters whatever the pointer (atomics). */
  readonly strict?: boolean;
}

/**
 * Checks a load or store of the current instruction through register `base`, which has a value; a load's result goes to
 * register `value` (-1: thrown away), a store takes it from there (-1: an immediate, or what a callee writes).
 */
export function accessMemory(
  env: Env,
  access: Access,
  base: number,
  off: number,
  size: Size,
  value: number,
  options: AccessOptions = {},
): void {
  const reg = regOf(env, base);
  touchMemory(env, access, base, reg, off, size, value, options);
  seePointer(env, reg, access === "read" && !options.strict);
}

/** The same without the rule that an instruction goes through one kind of pointer: for callees, and parts of instructions. */
export function touchMemory(
  env: Env,
  access: Access,
  base: number,
  reg: Reg,
  off: number,
  size: Size,
  value: number,
  { signed = false, strict = false }: AccessOptions = {},
): void {
  checkAlignment(env, base, reg, off, size, strict);
  const result = throughPointer(env, access, base, reg, off + reg.off, size, value, signed);
  if (access === "read" && value >= 0) setReg(env, value, cut(env, result, size, signed));
}

/** A load takes `size` bytes; the bits above are zero, or copies of the sign. */
function cut(env: Env, result: Reg, size: Size, signed: boolean): Reg {
  if (size === 8 || result.kind !== "scalar") return result;
  if (result === env.unknown && !signed) return loaded(env, size);
  const num = signed ? signExtend(result.num, size, 64) : zeroExtend(result.num, size);
  return withNumber(result, num);
}

/** What a load gives, whole; of a store the result means nothing. `off` includes the pointer's own constant. */
function throughPointer(
  env: Env,
  access: Access,
  base: number,
  reg: Reg,
  off: number,
  size: Size,
  value: number,
  signed: boolean,
): Reg {
  if (mayBeNull(reg)) reject(env, "null_access", { register: base, kind: describe(reg) });
  const write = access === "write";
  switch (reg.kind) {
    case "stack":
      checkStackBounds(env, base, reg, off, size, access);
      if (!write) return readStack(env, base, reg, off, size, value >= 0);
      writeStack(env, reg, off, size, value);
      break;
    case "packet":
    case "packet_meta":
      if (write && !packetAllowed(env, "write")) reject(env, "packet_write", { type: env.request.type });
      if (write) checkStored(env, value, "the packet");
      checkPacket(env, base, reg, off, size, false);
      break;
    case "map_value":
      if (write) checkStored(env, value, "a map");
      return accessMapValue(env, access, base, reg, off, size, value, signed);
    case "map_key":
      if (write) reject(env, "read_only", { register: base, kind: describe(reg) });
      checkBounds(env, base, reg, off, size, reg.map?.map.spec.keySize ?? 0, false, "out_of_map_key");
      break;
    case "mem":
      if (write && reg.flags & FLAG.rdonly) reject(env, "read_only", { register: base, kind: describe(reg) });
      if (write) checkStored(env, value, "memory");
      // Untrusted read-only memory is read with a guard, wherever it points.
      if ((reg.flags & FLAG.rdonly) === 0 || (reg.flags & FLAG.untrusted) === 0)
        checkBounds(env, base, reg, off, size, reg.size, false, "out_of_region");
      break;
    case "ctx":
      if (write) checkStored(env, value, "the context");
      if (write && storedImmediate(env) !== null) needRule(env, "context_immediates");
      checkFixedOffset(env, reg, base, false);
      return accessContext(env, access, off, size);
    case "object":
      return accessObject(env, access, base, reg, off, size);
    case "map":
      return accessMapStructure(env, access, base, reg, off, size);
    case "socket":
    case "sock_common":
    case "tcp_sock":
    case "xdp_sock":
      if (write) reject(env, "read_only", { register: base, kind: describe(reg) });
      return accessSocket(env, access, reg, off, size);
    case "flow_keys":
      if (write) checkStored(env, value, "flow keys");
      if (!within(off, size, FLOW_KEYS_SIZE, false))
        reject(env, "out_of_flow_keys", { offset: off, size, limit: FLOW_KEYS_SIZE });
      break;
    case "tp_buffer":
      checkBuffer(env, base, reg, off, size);
      break;
    case "buf":
      if (write && reg.flags & FLAG.rdonly) reject(env, "read_only", { register: base, kind: describe(reg) });
      checkBuffer(env, base, reg, off, size);
      break;
    case "arena":
      return unsupported("arena");
    case "scalar":
      return reject(env, "number_access", { register: base });
    default:
      return reject(env, "kind_access", { register: base, kind: describe(reg) });
  }
  return unknown(env);
}

function checkStored(env: Env, value: number, into: string): void {
  if (value >= 0) checkLeak(env, value, regOf(env, value), into);
}
