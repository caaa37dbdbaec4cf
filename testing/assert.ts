/** Judgements as functions that throw: for node:test and any other runner. */
import { AssertionError } from "node:assert";
import type { LayerSpec } from "../lib/packet/index.ts";
import type { MapView } from "../lib/vm/index.ts";
import {
  judgeDrop,
  judgeEntry,
  judgeEvents,
  judgeFault,
  judgePacket,
  judgePass,
  judgeRedirect,
  judgeReturn,
  judgeTransmit,
} from "./judge.ts";
import type { Judgement } from "./judge.ts";
import type { TestResult } from "./result.ts";

function hold({ pass, message }: Judgement, wanted = true): void {
  if (pass === wanted) return;
  // Without the frames of this file, the first line of the stack is the test's.
  throw new AssertionError({ message, stackStartFn: hold });
}

/** The packet, call or message goes on its way. */
export function assertPass(result: TestResult): void {
  hold(judgePass(result));
}

/** It does not. */
export function assertDrop(result: TestResult): void {
  hold(judgeDrop(result));
}

/** It leaves by the interface it came in by. */
export function assertTransmit(result: TestResult): void {
  hold(judgeTransmit(result));
}

/** It goes to an interface, a number or a name of the `interfaces` option. Against the kernel only the verdict is judged. */
export function assertRedirect(result: TestResult, to?: number | string): void {
  hold(judgeRedirect(result, to));
}

/** The program returned this number, or the one that has this name at its hook: `"TC_ACT_STOLEN"`. */
export function assertReturn(result: TestResult, value: number | string): void {
  hold(judgeReturn(result, value));
}

/** The run ended with a fault, whose message contains `text`. */
export function assertFault(result: TestResult, text?: string): void {
  hold(judgeFault(result, text));
}

/** It did not. */
export function assertNoFault(result: TestResult): void {
  hold(judgeFault(result), false);
}

/** The packet afterwards: these bytes, or these layers with these fields. */
export function assertPacket(result: TestResult, expected: Uint8Array | readonly LayerSpec[]): void {
  hold(judgePacket(result, expected));
}

/** The map has this key, with these members of the value; one value for a per-CPU map is the sum. */
export function assertEntry<K, V>(map: MapView<K, V>, key: K, value?: unknown): void {
  hold(judgeEntry(map, key, value));
}

/** The map does not have this key. */
export function assertNoEntry<K, V>(map: MapView<K, V>, key: K): void {
  hold(judgeEntry(map, key), false);
}

/** These events in this order, each with these members. */
export function assertEvents(events: readonly unknown[], expected: readonly unknown[]): void {
  hold(judgeEvents(events, expected));
}
