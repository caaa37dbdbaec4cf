/** Where the verifier spends its time: instructions walked, by function and by line of the source. */
import type { LoadRequest } from "../request.ts";
import type { Statistics } from "../result.ts";

export interface FunctionCost {
  readonly name: string;
  /** Slots: first, and behind the last. */
  readonly start: number;
  readonly end: number;
  /** Instructions walked in it, all paths together. */
  readonly processed: number;
  /** Bytes. */
  readonly stackDepth: number;
}

export interface LineCost {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  readonly processed: number;
}

/** `functions`: first slots and names, ascending. */
export function costsByFunction(
  functions: readonly { readonly name: string; readonly start: number; readonly end: number }[],
  { visits, stackDepth }: Statistics,
): FunctionCost[] {
  return functions.map(({ name, start, end }, index) => ({
    name,
    start,
    end,
    processed: sum(visits, start, end),
    stackDepth: stackDepth[index] ?? 0,
  }));
}

/** The dearest first. What has no line is left out. */
export function costsByLine({ lines }: LoadRequest, { visits }: Statistics): LineCost[] {
  const costs = new Map<string, LineCost>();
  lines.forEach(({ slot, file, line, text }, index) => {
    const processed = sum(visits, slot, lines[index + 1]?.slot ?? visits.length);
    if (processed === 0) return;
    const key = `${file}:${line}`;
    const before = costs.get(key)?.processed ?? 0;
    costs.set(key, { file, line, text, processed: before + processed });
  });
  return [...costs.values()].toSorted((a, b) => b.processed - a.processed);
}

function sum(visits: Uint32Array, start: number, end: number): number {
  let total = 0;
  for (let slot = start; slot < end; slot++) total += visits[slot] ?? 0;
  return total;
}
