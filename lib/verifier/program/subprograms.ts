/**
 * Which functions the code consists of: those that are called, whose address is taken, and the exception callback that a
 * declaration tag of the main function names. Slots in order; what is not reached by any of these belongs to the function before.
 */
import { Rejection } from "../outcome.ts";
import type { KernelProfile } from "../profiles/index.ts";
import type { Privileges } from "../privileges.ts";
import type { LoadRequest } from "../request.ts";
import { EXIT } from "./raw.ts";
import type { RawCode } from "./raw.ts";

/** A function before its properties are known. */
export interface FunctionRange {
  readonly start: number;
  readonly end: number;
  readonly exceptionCallback: boolean;
}

export interface Who {
  readonly profile: KernelProfile;
  readonly privileges: Privileges;
}

export function findFunctions(raw: RawCode, request: LoadRequest, who: Who): FunctionRange[] {
  const starts = new Set([0]);
  for (let slot = 0; slot < raw.length; slot += 1) {
    const names = raw.isLocalCall(slot) || raw.isFunctionLoad(slot);
    if (!names && !raw.isKernelCall(slot)) continue;
    if (!who.privileges.bpf) throw new Rejection("calls_not_allowed", slot, {});
    if (names) addStart(starts, raw, slot, raw.targetOf(slot), who.profile.limits.subprograms);
  }
  const exceptionCallback = exceptionCallbackOf(request);
  if (exceptionCallback > 0) addStart(starts, raw, null, exceptionCallback, who.profile.limits.subprograms);
  const sorted = [...starts].toSorted((a, b) => a - b);
  return sorted.map((start, index) => ({
    start,
    end: sorted[index + 1] ?? raw.length,
    exceptionCallback: start === exceptionCallback && start > 0,
  }));
}

function addStart(starts: Set<number>, raw: RawCode, slot: number | null, target: number, limit: number): void {
  if (target < 0 || target >= raw.length) throw new Rejection("bad_call_target", slot, { target });
  if (!starts.has(target) && starts.size >= limit) throw new Rejection("too_many_functions", slot, { limit });
  starts.add(target);
}

const EXCEPTION_TAG = "exception_callback:";

/** The slot of the function that the main function's tag names, 0 for none. */
function exceptionCallbackOf(request: LoadRequest): number {
  const main = request.functions[0];
  if (main === undefined || request.btf === null) return 0;
  const tags = request.btf.types.filter(
    (t) => t.kind === "decl_tag" && t.type === main.type && t.component === -1 && t.name.startsWith(EXCEPTION_TAG),
  );
  if (tags.length === 0) return 0;
  if (tags.length > 1) throw new Rejection("exception_callback", null, { what: "there is more than one tag" });
  const name = (tags[0] as { name: string }).name.slice(EXCEPTION_TAG.length);
  const type = request.btf.types.findIndex((t) => t.kind === "func" && t.name === name);
  const found = request.btf.types[type];
  if (found?.kind !== "func") {
    throw new Rejection("exception_callback", null, { what: `there is no function ${name}` });
  }
  if (found.linkage !== "global") {
    throw new Rejection("exception_callback", null, { what: `${name} is not a global function` });
  }
  const slot = request.functions.findLast((f) => f.type === type)?.slot ?? 0;
  if (slot === 0) {
    throw new Rejection("exception_callback", null, { what: `${name} is not part of the program` });
  }
  return slot;
}

/** Jumps stay in their function, and none runs on into the next. */
export function checkRanges(raw: RawCode, functions: readonly FunctionRange[]): void {
  for (const { start, end } of functions) {
    for (let slot = start; slot < end; slot += 1) {
      if (!raw.isJump(slot) || raw.isExit(slot) || raw.isCall(slot)) continue;
      const target = raw.targetOf(slot);
      if (target < start || target >= end) throw new Rejection("jump_out_of_range", slot, { slot, target });
    }
    const last = end - 1;
    const leaves = raw.code(last) === EXIT || raw.isGoto(last);
    if (!leaves) throw new Rejection("no_exit", last, {});
  }
}
