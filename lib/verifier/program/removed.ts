/**
 * What the kernel takes out after the walk, and what becomes of addresses of functions that go with it.
 *
 * Code that the walk did not come to is removed, run by run, and what is behind it moves up; then jumps that lead to the next
 * instruction. The loaded address of a function that was not walked (a callback of a loop without turns, or of no loop at all)
 * stays where it was in the code: it now means what moved there. Where that is not the start of a function, the kernel
 * cannot compile the program and says that it met a mistake of its own. Seen with Linux 6.18: "verifier bug: No program to
 * jit at insn 8". A program whose main function alone is left is not looked through.
 */
import { Rejection } from "../outcome.ts";
import type { Env } from "../env.ts";
import { RawCode } from "./raw.ts";

/** Slots that are taken out together. */
interface Run {
  readonly start: number;
  readonly count: number;
}

/** After all roots are walked. */
export function checkRemovedFunctions(env: Env): void {
  const { visits } = env.counts;
  const { subprograms } = env.program;
  const starts = subprograms.map(({ start }) => start).filter((start) => (visits[start] ?? 0) > 0);
  if (!env.privileges.bpf || starts.length <= 1 || starts.length === subprograms.length) return;
  const raw = new RawCode(env.request.code);
  const removed = removedRuns(raw, visits);
  const places = new Set(starts.map((start) => placeOf(start, removed)));
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    if (!raw.isFunctionLoad(slot) || (visits[slot] ?? 0) === 0) continue;
    if (places.has(placeOf(raw.targetOf(slot), removed))) continue;
    throw new Rejection("kernel_bug", slot, { what: `no program to jit at insn ${slot}` });
  }
}

/** In the order in which the kernel takes them out; starts are those that the slots have then. */
function removedRuns(raw: RawCode, visits: Uint32Array): Run[] {
  const isWalked = walkedSlots(raw, visits);
  const runs = deadRuns(isWalked);
  const idle = Array.from(isWalked.keys()).filter((slot) => isWalked[slot] === 1 && leadsToNext(raw, slot, isWalked));
  return [...runs, ...idle.map((slot, gone) => ({ start: placeOf(slot, runs) - gone, count: 1 }))];
}

/** 1 for slots that were walked, second halves included. */
function walkedSlots(raw: RawCode, visits: Uint32Array): Uint8Array {
  const walked = new Uint8Array(raw.length);
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    if ((visits[slot] ?? 0) > 0) walked.fill(1, slot, raw.after(slot));
  }
  return walked;
}

function deadRuns(isWalked: Uint8Array): Run[] {
  const runs: Run[] = [];
  let gone = 0;
  for (let slot = 0; slot < isWalked.length; slot += 1) {
    const start = slot;
    while (isWalked[slot] === 0) slot += 1;
    if (slot === start) continue;
    runs.push({ start: start - gone, count: slot - start });
    gone += slot - start;
  }
  return runs;
}

/** A jump over nothing but what was not walked, or a condition of which only one way was walked. */
function leadsToNext(raw: RawCode, slot: number, isWalked: Uint8Array): boolean {
  if (!raw.isJump(slot) || raw.isCall(slot) || raw.isExit(slot)) return false;
  const target = raw.targetOf(slot);
  const isConditional = !raw.isGoto(slot) && !raw.isMayGoto(slot);
  if (isConditional && isWalked[slot + 1] === 1) return isWalked[target] === 0;
  return target > slot && !isWalked.subarray(slot + 1, target).includes(1);
}

/** Where a reference to a slot leads when these runs are gone, one after the other. */
function placeOf(slot: number, runs: readonly Run[]): number {
  let place = slot;
  for (const { start, count } of runs) if (place >= start + count) place -= count;
  return place;
}
