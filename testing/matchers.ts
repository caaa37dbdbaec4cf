/** Judgements as matchers for `expect.extend`, of vitest and whatever has jest's. */
import type { LayerSpec } from "../lib/packet/index.ts";
import type { MapView } from "../lib/vm/index.ts";
import { testingError } from "./diagnostics.ts";
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
import { show } from "./subset.ts";

/** What `expect(value)` has after `expect.extend(matchers)`. `R`: what a matcher returns. */
export interface ProgramMatchers<R = void> {
  /** The packet, call or message goes on its way. */
  toPass(): R;
  /** It does not. */
  toDrop(): R;
  /** It leaves by the interface it came in by (XDP_TX). */
  toTransmit(): R;
  /** It goes to an interface, a number or a name of the `interfaces` option. Against the kernel only the verdict is judged. */
  toRedirectTo(to?: number | string): R;
  /** The program returned this number, or the one that has this name at its hook. */
  toReturnCode(value: number | string): R;
  /** The run ended with a fault, whose message contains `text`. */
  toFault(text?: string): R;
  /** The packet afterwards: these bytes, or these layers with these fields. */
  toHavePacket(expected: Uint8Array | readonly LayerSpec[]): R;
  /** The map has this key, with these members of the value; one value for a per-CPU map is the sum. */
  toHaveEntry(key: unknown, value?: unknown): R;
  /** These events in this order, each with these members. */
  toHaveEvents(expected: readonly unknown[]): R;
}

/** As expect.extend wants it. */
interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

export const matchers = {
  toPass: (received: unknown) => answer(judgePass(resultOf(received))),
  toDrop: (received: unknown) => answer(judgeDrop(resultOf(received))),
  toTransmit: (received: unknown) => answer(judgeTransmit(resultOf(received))),
  toRedirectTo: (received: unknown, to?: number | string) => answer(judgeRedirect(resultOf(received), to)),
  toReturnCode: (received: unknown, value: number | string) => answer(judgeReturn(resultOf(received), value)),
  toFault: (received: unknown, text?: string) => answer(judgeFault(resultOf(received), text)),
  toHavePacket: (received: unknown, expected: Uint8Array | readonly LayerSpec[]) =>
    answer(judgePacket(resultOf(received), expected)),
  toHaveEntry: (received: unknown, key: unknown, value?: unknown) => answer(judgeEntry(mapOf(received), key, value)),
  toHaveEvents: (received: unknown, expected: readonly unknown[]) => answer(judgeEvents(eventsOf(received), expected)),
} as const satisfies Record<keyof ProgramMatchers, (received: never, ...expected: never[]) => MatcherResult>;

function answer({ pass, message }: Judgement): MatcherResult {
  return { pass, message: () => message };
}

function resultOf(received: unknown): TestResult {
  if (hasMembers(received, "returnValue", "verdict", "program")) return received as unknown as TestResult;
  throw testingError("T006", "this matcher is for the result of run()", { found: show(received) });
}

function mapOf(received: unknown): MapView<unknown, unknown> {
  if (hasMembers(received, "get", "entries")) return received as unknown as MapView<unknown, unknown>;
  throw testingError("T006", "this matcher is for a map", { found: show(received) });
}

function eventsOf(received: unknown): readonly unknown[] {
  if (Array.isArray(received)) return received;
  throw testingError("T006", "this matcher is for a list of events", { found: show(received) });
}

function hasMembers(value: unknown, ...names: readonly string[]): value is object {
  return typeof value === "object" && value !== null && names.every((name) => name in value);
}
