/** From blocks in a row to instructions: jump distances, relocations, source lines. */
import { slotsOf, type Insn, type JumpOp } from "../../lib/isa/index.ts";
import type { Relocation } from "../../lib/object/index.ts";
import { problem } from "../diagnostics.ts";
import { DiagnosticError } from "../../lib/diag/index.ts";
import type { IrFunction, SourcePlace } from "../ir/ir.ts";
import { NEGATED, SINCE_V2 } from "../lower/compare.ts";
import type { Cpu } from "../lower/context.ts";
import type { Target } from "../lower/mir.ts";
import { isShortTail, type FlowBlock } from "./flow.ts";

/** An instruction whose jump goes to a block. */
interface Draft {
  readonly insn: Insn;
  readonly to: FlowBlock | null;
  readonly target: Target | null;
  readonly place: SourcePlace | null;
}

export interface Assembled {
  readonly insns: Insn[];
  readonly relocations: Relocation[];
  /** Where the source place changes; the first covers slot 0 when there is any. */
  readonly lines: { readonly slot: number; readonly place: SourcePlace }[];
}

export function assembleBlocks(fn: IrFunction, blocks: readonly FlowBlock[], cpu: Cpu): Assembled {
  const row = dropUnreached(blocks, cpu);
  const drafts: Draft[] = [];
  const firstDraft = new Map<FlowBlock, number>();
  row.forEach((block, i) => {
    firstDraft.set(block, drafts.length);
    for (const { insn, target, place } of block.insns) drafts.push({ insn, target, place, to: null });
    drafts.push(...endDrafts(block, row[i + 1], cpu));
  });
  const slots: number[] = [];
  let slot = 0;
  for (const { insn } of drafts) {
    slots.push(slot);
    slot += slotsOf(insn);
  }
  const insns = drafts.map((d, i) => {
    if (d.to === null) return d.insn;
    const delta = (slots[firstDraft.get(d.to) as number] as number) - (slots[i] as number) - 1;
    return withDistance(fn, d, delta, cpu);
  });
  return { insns, relocations: relocate(drafts, slots), lines: findLines(fn, drafts, slots) };
}

/** Blocks that were only reached by jumps for which a copy stands now; the kernel refuses code that nothing reaches. */
function dropUnreached(blocks: readonly FlowBlock[], cpu: Cpu): readonly FlowBlock[] {
  const reached = new Set(blocks.slice(0, 1));
  blocks.forEach((block, i) => {
    const next = blocks[i + 1];
    const drafts = endDrafts(block, next, cpu);
    for (const { to } of drafts) if (to !== null) reached.add(to);
    const last = drafts.at(-1)?.insn.kind;
    if (next !== undefined && last !== "exit" && last !== "jump") reached.add(next);
  });
  const kept = blocks.filter((b) => reached.has(b));
  return kept.length === blocks.length ? blocks : dropUnreached(kept, cpu);
}

function endDrafts(block: FlowBlock, next: FlowBlock | undefined, cpu: Cpu): Draft[] {
  const { end, place } = block;
  const exit: Draft = { insn: { kind: "exit" }, to: null, target: null, place };
  const jump = (to: FlowBlock, at: SourcePlace | null): Draft[] => {
    if (to === next) return [];
    if (isShortTail(to)) return [...to.insns.map((i) => ({ ...i, to: null })), exit];
    return [{ insn: { kind: "jump", long: false, delta: 0 }, to, target: null, place: at }];
  };
  if (end.kind === "exit") return [exit];
  if (end.kind === "jump") return jump(end.target, place);
  const { condition } = end;
  const branch = (op: JumpOp, to: FlowBlock): Draft => ({
    insn: { kind: "jump_if", ...condition, op, delta: 0 },
    to,
    target: null,
    place,
  });
  const opposite = condition.op === "set" ? null : NEGATED[condition.op];
  if (end.then === next && opposite !== null && (cpu !== "v1" || !SINCE_V2.has(opposite)))
    return [branch(opposite, end.else)];
  return [branch(condition.op, end.then), ...jump(end.else, end.elsePlace)];
}

function withDistance(fn: IrFunction, draft: Draft, delta: number, cpu: Cpu): Insn {
  const { insn } = draft;
  const near = delta >= -0x8000 && delta <= 0x7fff;
  if (insn.kind === "jump") {
    if (near) return { ...insn, delta };
    if (cpu === "v4") return { ...insn, long: true, delta };
  }
  if (insn.kind === "jump_if" && near) return { ...insn, delta };
  throw new DiagnosticError([
    problem("C018", `a jump in "${fn.name}" is longer than 32767 instructions`, draft.place ?? fn.place, {
      found: `${delta} instructions`,
      remedy: "split the function",
    }),
  ]);
}

function relocate(drafts: readonly Draft[], slots: readonly number[]): Relocation[] {
  return drafts.flatMap(({ target }, i): Relocation[] =>
    target === null ? [] : [{ ...target, slot: slots[i] as number }],
  );
}

/** Instructions of no place of their own belong to the one before. */
function findLines(fn: IrFunction, drafts: readonly Draft[], slots: readonly number[]): Assembled["lines"] {
  const first = drafts.find((d) => d.place !== null)?.place ?? fn.place;
  if (first === null || first === undefined) return [];
  const lines: Assembled["lines"] = [{ slot: 0, place: first }];
  let last: SourcePlace = first;
  drafts.forEach(({ place }, i) => {
    if (place === null || samePlace(place, last)) return;
    lines.push({ slot: slots[i] as number, place });
    last = place;
  });
  return lines;
}

function samePlace(a: SourcePlace, b: SourcePlace): boolean {
  return a.file === b.file && a.line === b.line && a.column === b.column;
}
