export { FLAG } from "./reg.ts";
export type { DynptrKind, Extra, Reg, RegKind } from "./reg.ts";
export { BYTE, EMPTY_SLOT, filled, kindOf, withKind } from "./slot.ts";
export type { ByteKind, Slot } from "./slot.ts";
export type { Callback, Frame, Held, HistoryEntry, Linked, LoopVisit, OwnFrame, State, Stored } from "./state.ts";
export { ownFrame, ownSlots, shareFrames, topFrame } from "./own.ts";
// prettier-ignore
export {
  NONE, change, ownNumber, pointer, scalar, withFlags, withId, withNumber, withOffset, withPrecise, withRange,
} from "./make.ts";
export { changeRegs, isSpill } from "./each.ts";
export { printFrame, printKind, printReg } from "./print.ts";
export { KIND_WORDS } from "./words.ts";
