/**
 * Which loop of the source a rejection is about. A loop is found as jumps back to an instruction that every round passes; which one
 * does not end is seen in the walk: the one whose rounds go on.
 *
 * Loops of the source that start at the same instruction (the outer one's condition is gone) are told apart by the lines of their
 * jumps back: an outer loop's line comes first, and its rounds are those of the inner one, too.
 */
import { DominatorTree, findLoops } from "../../graph/index.ts";
import type { Loop } from "../../graph/index.ts";
import type { SourceLine } from "../../object/index.ts";
import type { Known } from "./known.ts";
import type { Subject } from "./subject.ts";
import { lineAt } from "./subject.ts";
import type { Step, Trail } from "./trail.ts";

interface SourceLoop {
  readonly header: number;
  /**
   * Slots that the next round is started from, those of loops inside with the same header included, and what each such round went
   * through for certain.
   */
  readonly latches: ReadonlyMap<number, readonly number[]>;
  readonly body: ReadonlySet<number>;
  /** Slots that the header is reached from. */
  readonly before: readonly number[];
  /** A slot on its own line. */
  readonly slot: number;
}

/** The loop with the most rounds each time that it was entered, as a slot on its own line; null: none had any. */
export function longestLoop(subject: Subject, visits: Uint32Array): number | null {
  const counted = loopsOf(subject).map((loop) => ({ loop, rounds: roundsIn(loop, visits) }));
  const most = Math.max(0, ...counted.map(({ rounds }) => rounds));
  if (most === 0) return null;
  // With one header the rounds of an inner loop count for the outer one, too.
  return counted.findLast(({ rounds }) => 2 * rounds >= most)?.loop.slot ?? null;
}

/** Rounds of a loop for each time that it was entered, by how often instructions were walked. */
function roundsIn({ latches, before }: SourceLoop, visits: Uint32Array): number {
  const walked = (slot: number): number => visits[slot] ?? 0;
  const sum = (list: readonly number[]): number => list.reduce((total, each) => total + each, 0);
  const entered = sum(before.map((slot) => (latches.has(slot) ? 0 : walked(slot))));
  // Of all the paths that were walked only some go on with another round: as many as its least walked instruction tells.
  const rounds = [...latches.values()].map((passed) => passed.map(walked).reduce((a, b) => Math.min(a, b)));
  return sum(rounds) / Math.max(entered, 1);
}

/** The loop that came back to the last step with nothing changed, as a slot on its own line; null: the step is in none. */
export function endlessLoop(subject: Subject, trail: Trail, slot: number): number | null {
  const loops = loopsOf(subject);
  const from = sameBefore(trail);
  const gone = from === null ? [] : loops.filter((loop) => goesOnSince(loop, trail, from));
  const outermost = Math.min(...gone.map((loop) => frameOf(loop, trail)));
  const endless =
    gone.find((loop) => frameOf(loop, trail) === outermost) ?? loops.findLast(({ body }) => body.has(slot));
  return endless?.slot ?? null;
}

// --- rounds on the path ---------------------------------------------------------------------------------------------------

/** Whether a further round was started after a step. */
function goesOnSince({ header, latches }: SourceLoop, { steps }: Trail, from: number): boolean {
  return steps.some(({ slot }, i) => i > from && slot === header && latches.has(steps[i - 1]?.slot ?? -1));
}

/** Depth of the function that a loop is in, where the path went through it last. */
function frameOf({ header }: SourceLoop, { steps }: Trail): number {
  return steps.findLast(({ slot }) => slot === header)?.frame ?? 0;
}

/** Earlier visits of the last step's instruction that are compared with it. */
const COMPARED = 256;
const REGISTERS = Array.from({ length: 10 }, (_, register) => register);
const STACK_SLOTS = Array.from({ length: 64 }, (_, slot) => slot);

/** The last step before the last one at which its state was there already, as far as the trail tells it. */
function sameBefore(trail: Trail): number | null {
  const { steps } = trail;
  const last = steps.at(-1);
  const isHere = ({ slot, frame }: Step): boolean => slot === last?.slot && frame === last.frame;
  const earlier = steps.flatMap((step, i) => (i < steps.length - 1 && isHere(step) ? [i] : []));
  return earlier.slice(-COMPARED).findLast((step) => isSameSince(trail, step)) ?? null;
}

/** Whether the registers and the stack that changed since a step are in the end what they were then. */
function isSameSince(trail: Trail, since: number): boolean {
  const { steps } = trail;
  const end = steps.length - 1;
  const frame = steps[end]?.frame;
  const lastOf = (changed: (step: number) => Known | null, from: number, to: number): string | undefined => {
    for (let step = to - 1; step >= from; step--) {
      const known = steps[step]?.frame === frame ? changed(step) : null;
      if (known !== null) return known.text;
    }
    return undefined;
  };
  const isSame = (changed: (step: number) => Known | null): boolean => {
    const now = lastOf(changed, since, end);
    return now === undefined || now === lastOf(changed, 0, since);
  };
  return (
    REGISTERS.every((register) => isSame((step) => trail.changed(step, register))) &&
    STACK_SLOTS.every((slot) => isSame((step) => trail.stackChanged(step, slot)))
  );
}

// --- loops of the program -------------------------------------------------------------------------------------------------

/** All loops; one comes before those inside of it. */
function loopsOf(subject: Subject): SourceLoop[] {
  const next = (slot: number): number[] => successorsOf(subject, slot);
  const reached = new Map<number, number[]>();
  subject.insns.forEach((_, slot) => {
    for (const to of next(slot)) {
      const before = reached.get(to);
      if (before === undefined) reached.set(to, [slot]);
      else before.push(slot);
    }
  });
  return entriesOf(subject).flatMap((entry) => {
    const tree = new DominatorTree(entry, next);
    const loops = findLoops(tree, next);
    return loops.flatMap((loop) => {
      const { header, body } = loop;
      const inner = loops.filter(({ parent }) => parent === loop);
      const passed = (latch: number): number[] => dominatorsOf(tree, latch, header);
      const before = reached.get(header) ?? [];
      return headsOf(subject, loop, inner).map(({ slot, latches }) => {
        return { header, body, before, slot, latches: new Map(latches.map((latch) => [latch, passed(latch)])) };
      });
    });
  });
}

/** A slot, and what every way from the header to it passes. */
function dominatorsOf(tree: DominatorTree<number>, slot: number, header: number): number[] {
  const passed = [header];
  for (let at: number | null = slot; at !== null && at !== header; at = tree.immediate(at)) passed.push(at);
  return passed;
}

/** Where functions start. */
function entriesOf({ insns }: Subject): number[] {
  const called = insns.flatMap((insn, slot) => {
    if (insn?.kind === "call" && insn.target.kind === "local") return [slot + 1 + insn.target.delta];
    return insn?.kind === "load_imm64" && insn.pseudo === "func" ? [slot + 1 + Number(insn.imm)] : [];
  });
  return [...new Set([0, ...called])];
}

/** Slots that control goes to within the function. */
function successorsOf({ insns }: Subject, slot: number): number[] {
  const insn = insns[slot];
  if (insn === null || insn === undefined || insn.kind === "exit") return [];
  const after = slot + (insns[slot + 1] === null ? 2 : 1);
  if (insn.kind === "jump") return [after + insn.delta];
  return insn.kind === "jump_if" || insn.kind === "may_goto" ? [after, after + insn.delta] : [after];
}

const KEYWORD = /\b(for|while) \(/;

/** The source's loops of one header, the outermost first: a slot on each one's line, and what starts its rounds. */
function headsOf(
  subject: Subject,
  loop: Loop<number>,
  inner: readonly Loop<number>[],
): { readonly slot: number; readonly latches: readonly number[] }[] {
  const latches = loop.latches.map((slot) => ({ slot, line: lineAt(subject.lines, slot) }));
  const heads = latches
    .filter(({ line }) => line !== null && KEYWORD.test(line.text))
    .toSorted((a, b) => lineOf(a) - lineOf(b))
    .filter((head, i, all) => i === 0 || lineOf(head) !== lineOf(all[i - 1]));
  if (heads.length < 2) return [{ slot: heads[0]?.slot ?? keywordOf(subject, loop, inner), latches: loop.latches }];
  return heads.map((head, i) => {
    const inside = i === 0 ? latches : latches.filter((latch) => lineOf(latch) >= lineOf(head));
    return { slot: head.slot, latches: inside.map(({ slot }) => slot) };
  });
}

function lineOf(place: { readonly line: SourceLine | null } | undefined): number {
  return place?.line?.line ?? 0;
}

/**
 * The slot that stands for a loop whose jumps back are not on its keyword's line: the first of its own that is, or else the first
 * on the nearest line above. A condition that is always true is gone from the code, and its line with it.
 */
function keywordOf(
  { lines }: Subject,
  { header, latches, body }: Loop<number>,
  inner: readonly Loop<number>[],
): number {
  const own = lines.filter(({ slot }) => body.has(slot) && !inner.some((loop) => loop.body.has(slot)));
  const keyword = own.find(({ text }) => KEYWORD.test(text));
  if (keyword !== undefined) return keyword.slot;
  const first = Math.min(...own.map(({ line }) => line));
  const above = lines.filter((one) => KEYWORD.test(one.text) && one.line <= first && one.file === own[0]?.file);
  const nearest = above.toSorted((a, b) => b.line - a.line)[0];
  return nearest === undefined || first - nearest.line > 3 ? (latches[0] ?? header) : nearest.slot;
}
