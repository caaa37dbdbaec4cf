/** What a function does to its callers' packet pointers and context, itself or through what it calls. */
import type { Callee } from "./callees.ts";
import type { RawCode } from "./raw.ts";
import type { FunctionRange } from "./subprograms.ts";

export interface Effects {
  readonly changesPacket: boolean;
  readonly mightSleep: boolean;
  readonly mightThrow: boolean;
}

const PACKET = 1;
const SLEEP = 2;
const THROW = 4;

export function effectsOf(
  raw: RawCode,
  functions: readonly FunctionRange[],
  callees: ReadonlyMap<number, Callee>,
): Effects[] {
  const byStart = new Map(functions.map((f, index) => [f.start, index]));
  const own = functions.map(() => 0);
  const calls: (readonly [caller: number, callee: number])[] = [];
  for (const [index, { start, end }] of functions.entries()) {
    for (let slot = start; slot < end; slot = raw.after(slot)) {
      own[index] = (own[index] as number) | bitsOf(callees.get(slot));
      if (!raw.isLocalCall(slot) && !raw.isFunctionLoad(slot)) continue;
      calls.push([index, byStart.get(raw.targetOf(slot)) as number]);
    }
  }
  for (let changed = true; changed;) {
    changed = false;
    for (const [caller, callee] of calls) {
      const bits = (own[caller] as number) | (own[callee] as number);
      changed ||= bits !== own[caller];
      own[caller] = bits;
    }
  }
  return own.map((bits) => ({
    changesPacket: (bits & PACKET) !== 0,
    mightSleep: (bits & SLEEP) !== 0,
    mightThrow: (bits & THROW) !== 0,
  }));
}

function bitsOf(callee: Callee | undefined): number {
  if (callee === undefined) return 0;
  return (callee.movesPacket ? PACKET : 0) | (callee.maySleep ? SLEEP : 0) | (callee.throws ? THROW : 0);
}
