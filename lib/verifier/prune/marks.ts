/**
 * Marks: which numbers of a stored state matter, their bounds included. Three words for each frame, a bit each: its registers, its
 * stack slots 0 to 31, and 32 to 63. (A stack has no more.)
 */
import type { State } from "../state/index.ts";

export const WORDS = 3;
/** Frames that calls may be deep. */
export const MOST_FRAMES = 8;
const NO_MARKS: readonly number[] = Array.from<number>({ length: WORDS * MOST_FRAMES }).fill(0);

/** The word of a frame's stack slot; its bit is `slot & 31`. */
export function wordOf(frame: number, slot: number): number {
  return WORDS * frame + 1 + (slot >> 5);
}

/** One word of a state's marks. */
export function marked({ marks }: State, word: number): number {
  return marks === null ? 0 : (marks[word] as number);
}

/** Adds bits to a word; true when one was new. */
export function mark(state: State, word: number, bits: number): boolean {
  if ((bits & ~marked(state, word)) === 0) return false;
  const marks = (state.marks ??= NO_MARKS.slice(0, WORDS * state.frames.length));
  marks[word] = (marks[word] as number) | bits;
  return true;
}

/** Keeps only these bits of a word. */
export function keepMarks({ marks }: State, word: number, bits: number): void {
  if (marks !== null) marks[word] = (marks[word] as number) & bits;
}
