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

/**
 * The slot that stands for a loop in the source: the first on the nearest line above that starts one. A condition that is always
 * true is gone from the code, and its line with it.
 */
function keywordOf({ lines }: Subject, { start, jump }: Loop): number {
  const inside = lines.filter(({ slot }) => slot >= start && slot <= jump);
  const [own] = inside.filter(({ slot }) => slot === jump);
  if (own !== undefined && KEYWORD.test(own.text)) return jump;
  const first = Math.min(...inside.map(({ line }) => line));
  const above = lines.filter((one) => KEYWORD.test(one.text) && one.line <= first && one.file === inside[0]?.file);
  const nearest = above.toSorted((a, b) => b.line - a.line)[0];
  return nearest === undefined || first - nearest.line > 3 ? jump : nearest.slot;
}

const KEYWORD = /\b(for|while) \(/;

/** The innermost loop around a slot, as a slot on its own line; null: it is in none. */
export function loopAround(subject: Subject, slot: number): number | null {
  const around = loopsOf(subject).filter(({ start, jump }) => start <= slot && slot <= jump);
  const innermost = around.toSorted((a, b) => a.jump - a.start - (b.jump - b.start))[0];
  return innermost === undefined ? null : keywordOf(subject, innermost);
}

/** The loop with the most rounds each time that it was entered, as a slot on its own line. */
export function longestLoop(subject: Subject, visits: Uint32Array): number | null {
  const rounds = ({ start, jump }: Loop): number => {
    const back = visits[jump] ?? 0;
    return back / Math.max((visits[start] ?? 0) - back, 1);
  };
  const longest = loopsOf(subject).toSorted((a, b) => rounds(b) - rounds(a))[0];
  return longest === undefined || rounds(longest) === 0 ? null : keywordOf(subject, longest);
}
