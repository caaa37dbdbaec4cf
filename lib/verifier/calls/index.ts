/**
 * Calls of helpers, as Linux 6.18 judges them. What must hold: that the program may make the call (availability), that the
 * arguments are what the prototype wants (arguments, by the tables in kinds and prototypes), that the map fits. What is known
 * next: r1 to r5 are gone, r0 is the result, packets may have moved, things are held or given back, callbacks are walked.
 */
import type { Env } from "../env.ts";
import { reject, regOf, unsupported } from "../env.ts";
import { fillRegions, invalidatePackets, describe } from "../memory/index.ts";
import { markPrecise } from "../prune/index.ts";
import { dynptrKind, removeDynptr } from "../state/dynptr.ts";
import { FLAG, change, changeRegs } from "../state/index.ts";
import { checkNothingHeld, clearCallerSaved, goneReg, releaseById, releaseReference } from "../step/index.ts";
import { inRcuSection } from "../types/index.ts";
import { checkArgument, isNull } from "./arguments.ts";
import { availablePrototype, checkPlace } from "./availability.ts";
import { walkFindVma, walkForEach, walkLoop, walkTimer, walkUserRing } from "./callbacks.ts";
import type { CallFacts } from "./facts.ts";
import { newFacts } from "./facts.ts";
import { checkMap } from "./maps.ts";
import { setResult } from "./results.ts";
import { isFormat, stringAt } from "./strings.ts";

export { changeLock, inTreeCallback } from "./locks.ts";
export type { LockKind } from "./locks.ts";
export { checkMapField } from "./fields.ts";
export { checkString } from "./strings.ts";
export { makeDynptr } from "./dynptrs.ts";
export { prototypeOf } from "./prototypes.ts";

/** The call instruction at `env.slot` of helper `id`. */
export function callHelper(env: Env, id: number): void {
  const prototype = availablePrototype(env, id);
  checkPlace(env, prototype);
  const facts = newFacts(prototype);
  for (let i = 0; i < prototype.args.length; i++) checkArgument(env, facts, i);
  checkMap(env, facts);
  if (prototype.name === "tail_call") noteTailCallIndex(env, facts);
  fillRegions(env);
  if (facts.release !== 0) release(env, facts);
  const moves = special(env, facts) || prototype.moves;
  clearCallerSaved(env);
  setResult(env, facts);
  if (moves) invalidatePackets(env);
}

/** A constant index within the map is written into the program. */
function noteTailCallIndex(env: Env, { map }: CallFacts): void {
  const { num } = regOf(env, 3);
  if (num.isConst && map !== null && num.value < BigInt(map.map.spec.maxEntries)) markPrecise(env, 3);
}

function release(env: Env, facts: CallFacts): void {
  const reg = regOf(env, facts.release);
  if (facts.dynptr.kind === "dynptr") {
    const { ref } = facts.dynptr;
    if (ref !== 0) releaseReference(env, ref);
    removeDynptr(env, reg);
  } else if (facts.ref !== 0) {
    if (facts.prototype.name === "kptr_xchg") giveAway(env, facts.ref);
    else releaseReference(env, facts.ref);
  } else if (!isNull(reg)) {
    reject(env, "argument_not_released", { register: facts.release });
  }
}

/** What is put into a map stays there for an RCU section: per-CPU objects may still be used in it. */
function giveAway(env: Env, ref: number): void {
  if (!releaseById(env.state, ref)) reject(env, "argument_not_released");
  const inRcu = inRcuSection(env);
  const gone = goneReg(env);
  const ours = FLAG.alloc | FLAG.percpu;
  changeRegs(env.state, (reg) => {
    if (reg.ref !== ref) return reg;
    if (!inRcu || (reg.flags & ours) !== ours) return gone;
    return change(reg, { ref: 0, flags: (reg.flags & ~FLAG.alloc) | FLAG.rcu });
  });
}

/** Rules of single helpers. True when this call moves the packet. */
function special(env: Env, facts: CallFacts): boolean {
  switch (facts.prototype.name) {
    case "tail_call":
      checkNothingHeld(env, "tail_call");
      return false;
    case "get_local_storage":
      if (!isNull(regOf(env, 2))) reject(env, "helper_flags", { helper: "get_local_storage" });
      return false;
    case "for_each_map_elem":
      walkForEach(env, facts);
      return false;
    case "timer_set_callback":
      walkTimer(env, facts);
      return false;
    case "find_vma":
      walkFindVma(env, facts);
      return false;
    case "loop":
      walkLoop(env, facts);
      return false;
    case "user_ringbuf_drain":
      walkUserRing(env, facts);
      return false;
    case "snprintf":
      checkFormat(env);
      return false;
    case "dynptr_from_mem": {
      const reg = regOf(env, 1);
      if (reg.kind !== "map_value" || reg.flags !== 0) reject(env, "dynptr_memory", { found: describe(reg) });
      return false;
    }
    case "dynptr_write": {
      const kind = dynptrKind(facts.dynptr);
      return kind === "skb" || kind === "skb_meta";
    }
    case "get_func_ip":
      if (env.request.type !== "kprobe" && !isTrampoline(env))
        reject(env, "helper_not_here", { helper: "get_func_ip" });
      return false;
    case "set_retval":
      if (env.request.type === "lsm") unsupported("helper set_retval in LSM programs");
      return false;
    default:
      return false;
  }
}

function isTrampoline({ request: { type, attach } }: Env): boolean {
  return type === "tracing" && (attach === "trace_fentry" || attach === "trace_fexit" || attach === "modify_return");
}

/** snprintf(buffer, size, format, data, bytes of data): an array of 64-bit numbers, one for each specifier. */
function checkFormat(env: Env): void {
  const [format, size] = [regOf(env, 3), regOf(env, 5)];
  const bytes = Number(size.num.bits);
  if (bytes % 8 !== 0) reject(env, "format_string", { what: "the data is not a multiple of 8 bytes" });
  if (!isFormat(stringAt(format), bytes / 8)) reject(env, "format_string");
}
