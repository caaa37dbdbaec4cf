/**
 * Out of SSA: the phis of a block become copies on each edge into it. All of them happen at once (a phi may read what
 * another writes: loops that swap), so they are ordered: a copy may go when nobody still reads its destination; when
 * only cycles are left, one value is set aside in a temporary.
 *
 *     a, b = b, a    becomes    t = a; a = b; b = t
 */
import type { Block, Value } from "../ir/ir.ts";
import { isMadeAtUse } from "./context.ts";
import type { Lowering } from "./context.ts";
import type { MachineReg } from "./mir.ts";

export interface Copy {
  readonly dst: MachineReg;
  readonly src: MachineReg;
}

/** Writes the copies of the edge into the current sequence. */
export function edgeCopies(l: Lowering, from: Block, to: Block): void {
  const copies: Copy[] = [];
  const made: (() => void)[] = [];
  for (const phi of to.phis) {
    const input = phi.inputs.get(from);
    if (input === undefined) throw new Error(`phi without an input from b${from.id}`);
    const dst = l.result(phi);
    if (l.isNullOnEdge(input, from, to)) made.push(() => l.alu("mov", 64, dst, { imm: 0 }));
    else if (needsNoRegister(input)) made.push(() => l.copy(dst, input));
    else copies.push({ dst, src: l.reg(input) });
  }
  for (const { dst, src } of sequentialise(copies, () => l.temp())) l.move(dst, src);
  // These read no register, so they cannot disturb the others when they come last.
  for (const make of made) make();
}

function needsNoRegister(value: Value): boolean {
  if (value.op === "unary" && value.operator === "extend_u") return needsNoRegister(value.args[0]);
  return isMadeAtUse(value);
}

/** Orders parallel copies; destinations are distinct. */
export function sequentialise(copies: readonly Copy[], temp: () => MachineReg): Copy[] {
  const result: Copy[] = [];
  let waiting = copies.filter((c) => c.dst !== c.src);
  while (waiting.length > 0) {
    const ready = waiting.filter((c) => !waiting.some((other) => other.src === c.dst));
    const [first] = waiting;
    if (ready.length > 0) {
      result.push(...ready);
      waiting = waiting.filter((c) => !ready.includes(c));
    } else if (first !== undefined) {
      const aside = temp();
      result.push({ dst: aside, src: first.dst });
      waiting = waiting.map((c) => (c.src === first.dst ? { dst: c.dst, src: aside } : c));
    }
  }
  return result;
}
