/**
 * What is known at one instruction on one path: frames of registers and stack, what is held, and where in the tree of
 * explored states it stands.
 *
 * The state's own fields change in place, and the frame that is executed; the frames of callers are shared with other states until
 * they change (state/own.ts), and what frames hold (`Reg`, `Slot`) is shared and never changes. A state that has been stored
 * at a prune point changes only by marks (`marks`), by cleaning, and in `branches`.
 */
import type { Reg } from "./reg.ts";
import type { Slot } from "./slot.ts";

/** A frame to read: states share frames (state/own.ts). */
export interface Frame {
  /** r0 to r10. */
  readonly regs: readonly Reg[];
  /** Slot 0 is fp-8 to fp-1, slot 1 fp-16 to fp-9, ...; as long as the lowest byte touched. */
  readonly slots: readonly Slot[];
  /** More than one state has the frame. */
  readonly shared: boolean;
  /** More than one frame has the list of slots. */
  readonly slotsShared: boolean;
  /** Index of the subprogram. */
  readonly subprogram: number;
  /** 0 for the main program. */
  readonly number: number;
  /** Slot of the call that made the frame; -1 in frame 0. */
  readonly callSite: number;
  /** Set in the frame of a callback: what it may return, and how deep (nested calls of the same site) it is. */
  readonly callback: Callback | null;
  /** Run by a timer or workqueue: starts with nothing held. */
  readonly async: boolean;
  /** The exception callback. */
  readonly exception: boolean;
  /** How often the callback of the call at the current slot ran on this path. */
  readonly callbackDepth: number;
  /** Incremented for each async callback pushed, as the kernel's async_entry_cnt. */
  readonly asyncEntries: number;
}

/** A frame that one state has for itself, to change. */
export interface OwnFrame extends Frame {
  readonly regs: Reg[];
  slots: readonly Slot[];
  shared: boolean;
  slotsShared: boolean;
  callbackDepth: number;
}

export interface Callback {
  /** Values that it may return, both inclusive. */
  readonly returns: readonly [min: number, max: number];
}

/** Something acquired that must be given back. */
export interface Held {
  readonly kind: "reference" | "lock" | "res_lock" | "res_lock_irq" | "irq";
  /** Unique on the path. A reference's is `Reg.ref`. */
  readonly id: number;
  /** Slot of the instruction that acquired it. */
  readonly slot: number;
  /** Locks: what the lock is in (a map, or an object's BTF), null otherwise. */
  readonly of: object | null;
}

export interface State {
  frames: Frame[];
  /** In order of acquisition; a change is another list. */
  held: readonly Held[];
  /** Locks held (of kind lock, res_lock, res_lock_irq); also in `held`. */
  activeLocks: number;
  /** id of the innermost irq section, or 0. */
  activeIrq: number;
  /** id and object of the lock acquired last. */
  activeLock: { readonly id: number; readonly of: object } | null;
  /** Nested bpf_preempt_disable. */
  preempt: number;
  /** Nested bpf_rcu_read_lock. */
  rcu: number;
  /** On a path that only speculation takes (unprivileged). */
  speculative: boolean;
  /** May sleep: the program, and not within a callback that may not. */
  sleepable: boolean;

  // ---- the tree of states (prune/)
  /** Paths below that are not at their end; 0: all explored. */
  branches: number;
  /** The stored state that this one goes on from. */
  parent: State | null;
  /** First slot after the parent, last slot walked before `slot`. */
  firstSlot: number;
  lastSlot: number;
  /** The last instruction since the parent that a walk backwards needs to know about (prune/history.ts). */
  history: HistoryEntry | null;
  /** Length of the path in stored states; iterations of callbacks and may_goto on this path. */
  depth: number;
  callbackUnroll: number;
  mayGoto: number;
  /** Slot at which it was stored, -1 while walking. */
  slot: number;
  /** Its entry in the list of stored states; null while walking. */
  stored: Stored | null;
  /** Stored states: the numbers whose bounds matter (prune/marks.ts); null where none does. */
  marks: number[] | null;
}

/** What is known of a stored state, as a state to compare with. */
export interface Stored {
  readonly state: State;
  /** How often it covered a later state, and how often it was compared in vain. */
  hits: number;
  misses: number;
  /** Dropped from its list, but states that go on from it are still being walked. */
  evicted: boolean;
  /** Registers and slots that nobody reads any more have been forgotten. */
  cleaned: boolean;
  /** The loop that it was stored in, as walked with these callers (prune/loops.ts), null outside. */
  readonly loop: LoopVisit | null;
}

/** A loop as walked from one chain of callers, from the first state stored in it until all paths from there are explored. */
export interface LoopVisit {
  readonly loop: number;
  /** Call sites that lead to the frame that the loop is in. */
  readonly callers: readonly number[];
  /** The first stored state; null when all was explored. */
  entry: State | null;
  /** Ends of turns: states that were found equal to one (`equal`) whose marks were not complete yet. */
  readonly backEdges: { readonly state: State; readonly equal: State }[];
}

/** An instruction whose effect cannot be seen from the instruction alone when walking backwards. */
export interface HistoryEntry {
  /** The entry before it on the path, null for the first since the parent; and how many there are up to this one. */
  readonly before: HistoryEntry | null;
  readonly count: number;
  readonly slot: number;
  readonly previous: number;
  /** The stack slot that a load or store of a register went to, or null. */
  stack: { readonly frame: number; readonly slot: number } | null;
  /** Operands of a conditional jump that are pointers to the stack: bit 0 the left one, bit 1 the right one. */
  stackOperands: number;
  /** Registers and stack slots that a conditional jump bounded together (linked scalars). */
  linked: readonly Linked[];
}
export type Linked =
  | { readonly frame: number; readonly reg: number }
  | { readonly frame: number; readonly slot: number };
