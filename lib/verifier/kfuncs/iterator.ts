/**
 * Iterators: made, advanced and destroyed in slots of the stack. Advancing one walks on in two ways: at the end (here, the result
 * is null), and with an element (a path that waits, on which numbers that matter to nobody are forgotten so that the loop ends).
 */
import type { TypeId } from "../../btf/index.ts";
import type { Env } from "../env.ts";
import { frameOf, reject } from "../env.ts";
import { previousEntry, widen } from "../prune/index.ts";
import { ZERO } from "../scalar/index.ts";
import { BYTE, change, FLAG, NONE, ownFrame, ownSlots, pointer, scalar, topFrame } from "../state/index.ts";
import type { Extra, Frame, Reg, State } from "../state/index.ts";
import { acquire, notNull, pushPath, releaseReference } from "../step/index.ts";
import { inRcuSection } from "../types/index.ts";
import { typeAt } from "../types/lookup.ts";
import type { CallFacts } from "./facts.ts";
import { KF } from "./flags.ts";
import type { Pointer } from "./prototype.ts";
import { areFree, changeSlot, clearSlots, fillSlots, heldIn, readSlots, slotsAt, writeSlots } from "./slots.ts";

type Iterator = Extract<Extra, { kind: "iterator" }>;

/** Checks an iterator argument; makes or destroys the iterator where that is what the function does. */
export function useIterator(env: Env, facts: CallFacts, param: Pointer, reg: Reg, register: number): void {
  const argument = register - 1;
  const { flags, btf } = facts.prototype;
  if (reg.kind !== "stack") reject(env, "iterator_place", { argument });
  const struct = typeAt(btf, param.type);
  if (struct.kind !== "struct" || !/^bpf_iter_./.test(struct.name) || struct.size === 0 || struct.size % 8 !== 0)
    reject(env, "iterator_place", { argument });
  const count = struct.size / 8;
  const kind = struct.name.replace("bpf_iter_", "iter_");
  const first = slotsAt(reg, count);
  if ((flags & KF.iter_new) !== 0) {
    if (first === null || !areFree(env, reg, first, count, BYTE.iterator))
      return reject(env, "iterator_started_already", { argument, kind });
    writeSlots(env, register, count);
    fillSlots(env, reg.frame, first, BYTE.iterator, newIterator(env, facts, param.type, count));
    return;
  }
  const held = first === null ? null : heldIn(env, reg, first, count, BYTE.iterator);
  if (first === null || held === null) return reject(env, "iterator_expected", { argument, kind });
  for (const [i, { extra, flags: known, ref }] of held.entries()) {
    if ((known & FLAG.untrusted) !== 0) reject(env, "iterator_scope", { kind: facts.prototype.name });
    if (extra?.kind !== "iterator" || extra.type !== param.type || (i === 0) !== (ref !== 0))
      reject(env, "iterator_expected", { argument, kind });
  }
  readSlots(env, reg.frame, first, count);
  facts.iterator = { frame: reg.frame, slot: first };
  facts.ref = (held[0] as Reg).ref;
  if ((flags & KF.iter_destroy) === 0) return;
  releaseReference(env, facts.ref);
  clearSlots(env, reg.frame, first, count);
}

/** Only the first slot holds the reference. Those that need an RCU section are of no use when they were made outside of one. */
function newIterator(env: Env, { prototype }: CallFacts, type: TypeId, count: number): Reg[] {
  const ref = acquire(env, "reference");
  const isProtected = (prototype.flags & KF.rcu_protected) !== 0;
  const flags = isProtected ? (inRcuSection(env) ? FLAG.rcu : FLAG.untrusted) : 0;
  const extra: Iterator = { kind: "iterator", type, state: "active", depth: 0 };
  const rest = pointer("stack", flags, { btf: prototype.btf, extra });
  return Array.from({ length: count }, (_, i) => (i === 0 ? change(rest, { ref }) : rest));
}

/** The register in an iterator's first slot. */
export function iteratorIn(state: State, { frame, slot }: NonNullable<CallFacts["iterator"]>): Reg {
  return (state.frames[frame] as Frame).slots[slot]?.reg ?? NONE;
}

/** After the result (of an element) was put into r0: both ways on. */
export function advance(env: Env, facts: CallFacts): void {
  const at = facts.iterator as NonNullable<CallFacts["iterator"]>;
  const { state } = env;
  const { extra } = iteratorIn(state, at);
  if (extra?.kind === "iterator" && extra.state === "active") {
    const before = state.parent === null ? null : previousEntry(env, state.parent, env.slot);
    const element = pushPath(env, env.slot + 1);
    setIterator(element, at, { ...extra, depth: extra.depth + 1 });
    if (before !== null) widen(env, before, element);
    const { regs } = topFrame(element);
    regs[0] = notNull(regs[0] as Reg);
  }
  if (extra?.kind === "iterator") setIterator(state, at, { ...extra, state: "drained" });
  frameOf(env).regs[0] = scalar(ZERO, !env.privileges.bpf);
}

function setIterator(state: State, { frame, slot }: NonNullable<CallFacts["iterator"]>, extra: Iterator): void {
  changeSlot(ownSlots(ownFrame(state, frame)), slot, (reg) => change(reg, { extra }));
}
