/** Instructions on memory with rules of their own: atomics, ordered loads and stores, loads from the packet by offset. */
import type { Atomic, LoadAcquire, LoadPacket, StoreRelease } from "../../isa/index.ts";
import type { ProgramType } from "../../kernel/index.ts";
import { regOf, reject, setReg, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import type { RegKind } from "../state/index.ts";
import { checkNothingHeld, clearCallerSaved, isHidden, needValue, unknown } from "../step/index.ts";
import { accessMemory, touchMemory } from "./access.ts";
import { describe } from "./describe.ts";
import { checkFixedOffset } from "./fixed-offset.ts";

/** What atomic operations may not be done on. Source: the verifier's list. */
// prettier-ignore
const NOT_ATOMIC: ReadonlySet<RegKind> = new Set([
  "ctx", "packet", "packet_meta", "flow_keys", "socket", "sock_common", "tcp_sock", "xdp_sock",
]);

function checkAtomicPointer(env: Env, register: number): void {
  const reg = regOf(env, register);
  if (reg.kind === "arena") unsupported("arena");
  if (NOT_ATOMIC.has(reg.kind)) reject(env, "atomic_target", { register, kind: describe(reg) });
}

/** Read-modify-write: the place is read (and the old value loaded), then written. */
export function accessAtomic(env: Env, insn: Atomic): void {
  needValue(env, insn.src);
  needValue(env, insn.base);
  if (insn.op === "cmpxchg") {
    needValue(env, 0);
    checkOperand(env, 0);
  }
  checkOperand(env, insn.src);
  checkAtomicPointer(env, insn.base);
  const loaded = loadedRegister(insn);
  if (loaded === 10) reject(env, "frame_pointer_write", {});
  // The result is there before the memory is looked at: an operation on memory behind its own result register fails.
  if (loaded >= 0) setReg(env, loaded, unknown(env));
  const base = regOf(env, insn.base);
  touchMemory(env, "read", insn.base, base, insn.off, insn.size, -1, { strict: true });
  if (loaded >= 0) touchMemory(env, "read", insn.base, base, insn.off, insn.size, loaded, { strict: true });
  touchMemory(env, "write", insn.base, regOf(env, insn.base), insn.off, insn.size, -1, { strict: true });
}

/** The register that takes the old value, or -1. */
function loadedRegister(insn: Atomic): number {
  if (insn.op === "cmpxchg") return 0;
  return insn.op === "xchg" || insn.op.startsWith("fetch_") ? insn.src : -1;
}

function checkOperand(env: Env, register: number): void {
  if (isHidden(env, regOf(env, register))) reject(env, "pointer_leak", { register, where: "memory" });
}

export function loadAcquire(env: Env, insn: LoadAcquire): void {
  needValue(env, insn.base);
  if (insn.dst === 10) reject(env, "frame_pointer_write", {});
  accessMemory(env, "read", insn.base, insn.off, insn.size, insn.dst, { strict: true });
  // Looked at after the load, so a load over its own base passes.
  checkAtomicPointer(env, insn.base);
}

export function storeRelease(env: Env, insn: StoreRelease): void {
  needValue(env, insn.src);
  needValue(env, insn.base);
  accessMemory(env, "write", insn.base, insn.off, insn.size, insn.src, { strict: true });
  checkAtomicPointer(env, insn.base);
}

/** Program types with a socket buffer whose bytes may be loaded by offset. */
const PACKET_LOADERS: ReadonlySet<ProgramType> = new Set(["socket_filter", "sched_cls", "sched_act"]);

/**
 * LD_ABS, LD_IND: the packet of the context in r6, as a call without saying so. It ends the program when the packet is too
 * short, so nothing may be held: in a subprogram whoever calls this walks that way out, too.
 */
export function loadPacket(env: Env, insn: LoadPacket): void {
  if (!PACKET_LOADERS.has(env.request.type))
    reject(env, "legacy_packet_load", { what: `by programs of type ${env.request.type}` });
  if (env.state.frames.some(({ callback }) => callback !== null))
    reject(env, "legacy_packet_load", { what: "in a callback" });
  const context = needValue(env, 6);
  checkNothingHeld(env, "packet_load");
  if (context.kind !== "ctx" || context.flags !== 0)
    reject(env, "legacy_packet_load", { what: `r6 is ${describe(context)}, not the context` });
  if (insn.src !== null) needValue(env, insn.src);
  checkFixedOffset(env, context, 6, false);
  clearCallerSaved(env);
  setReg(env, 0, unknown(env));
}
