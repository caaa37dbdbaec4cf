/**
 * Copies of frames, made when one changes. The frame that is executed is its state's own; those of its callers, which seldom
 * change, are shared by the states that were copied from one another, and so are lists of slots. Whoever changes a frame asks for it
 * here; one that was asked for stays the state's own until the state is copied.
 */
import type { Slot } from "./slot.ts";
import type { Frame, OwnFrame, State } from "./state.ts";

/** The frame that is executed. */
export function topFrame({ frames }: State): OwnFrame {
  return frames[frames.length - 1] as OwnFrame;
}

/** A frame of a state, to change its registers. */
export function ownFrame({ frames }: State, number: number): OwnFrame {
  const frame = frames[number] as OwnFrame;
  return frame.shared ? (frames[number] = copyFrame(frame)) : frame;
}

/** The slots of a frame, to change them. */
export function ownSlots(frame: OwnFrame): Slot[] {
  if (frame.slotsShared) {
    frame.slots = frame.slots.slice();
    frame.slotsShared = false;
  }
  return frame.slots as Slot[];
}

/** The frames of a copy of the state. */
export function shareFrames(frames: readonly Frame[]): Frame[] {
  const copies = frames.slice();
  const top = frames.length - 1;
  for (let i = 0; i < top; i += 1) (frames[i] as OwnFrame).shared = true;
  copies[top] = copyFrame(frames[top] as OwnFrame);
  return copies;
}

function copyFrame(frame: OwnFrame): OwnFrame {
  frame.slotsShared = true;
  return {
    regs: frame.regs.slice(),
    slots: frame.slots,
    shared: false,
    slotsShared: true,
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
