/** Loops, as jumps backwards: which one a rejection is about. */
import type { Subject } from "./subject.ts";

interface Loop {
  /** The first slot, and that of the jump back, which is on the line of the loop's condition. */
  readonly start: number;
  readonly jump: number;
}

function loopsOf({ insns }: Subject): Loop[] {
  return insns.flatMap((insn, jump) => {
    if (insn?.kind !== "jump" && insn?.kind !== "jump_if") return [];
    const start = jump + 1 + insn.delta;
    return start <= jump ? [{ start, jump }] : [];
  });
}

/** The jump back of the innermost loop around a slot; null: it is in none. */
export function loopAround(subject: Subject, slot: number): number | null {
  const around = loopsOf(subject).filter(({ start, jump }) => start <= slot && slot <= jump);
  return around.toSorted((a, b) => a.jump - a.start - (b.jump - b.start))[0]?.jump ?? null;
}

/** The jump back of the loop with the most rounds each time that it was entered. */
export function longestLoop(subject: Subject, visits: Uint32Array): number | null {
  const rounds = ({ start, jump }: Loop): number => {
    const back = visits[jump] ?? 0;
    return back / Math.max((visits[start] ?? 0) - back, 1);
  };
  const longest = loopsOf(subject).toSorted((a, b) => rounds(b) - rounds(a))[0];
  return longest === undefined || rounds(longest) === 0 ? null : longest.jump;
}
