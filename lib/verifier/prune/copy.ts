/** Copies of states: the frame that is executed is new, the others are shared (state/own.ts). */
import { shareFrames } from "../state/index.ts";
import type { State } from "../state/index.ts";

/** A copy to walk another branch with, or to store. */
export function copyState(state: State): State {
  return {
    frames: shareFrames(state.frames),
    held: state.held,
    activeLocks: state.activeLocks,
    activeIrq: state.activeIrq,
    activeLock: state.activeLock,
    preempt: state.preempt,
    rcu: state.rcu,
    speculative: state.speculative,
    sleepable: state.sleepable,
    branches: state.branches,
    parent: state.parent,
    firstSlot: state.firstSlot,
    lastSlot: state.lastSlot,
    history: state.history,
    depth: state.depth,
    callbackUnroll: state.callbackUnroll,
    mayGoto: state.mayGoto,
    slot: state.slot,
    stored: null,
    marks: null,
  };
}
