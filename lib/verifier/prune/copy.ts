/** Copies of states: arrays are new, what they hold is shared. */
import type { Frame, State } from "../state/index.ts";

/** A copy to walk another branch with, or to store. */
export function copyState(state: State): State {
  return {
    frames: state.frames.map(copyFrame),
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

function copyFrame(frame: Frame): Frame {
  return {
    regs: frame.regs.slice(),
    slots: frame.slots.slice(),
    subprogram: frame.subprogram,
    number: frame.number,
    callSite: frame.callSite,
    callback: frame.callback,
    async: frame.async,
    exception: frame.exception,
    callbackDepth: frame.callbackDepth,
    asyncEntries: frame.asyncEntries,
  };
}
