/** What a run gave, the same wherever it ran; and what one is about, as a test gives it. */
import { verdictOf } from "../lib/kernel/index.ts";
import type { Verdict } from "../lib/kernel/index.ts";
import type { ProgramSpec } from "../lib/object/index.ts";
import type { Start } from "../lib/packet/index.ts";
import type { RunInput, RunResult } from "../lib/vm/index.ts";

/** Where programs run: in the simulated machine by an engine, or in this machine's kernel. */
export type TargetName = "interpreter" | "jit" | "kernel";

/**
 * One event, as the simulated machine takes it: packet, context, socket, CPU… Packets start at the Ethernet header; at sk_msg
 * they are the message. Against the kernel: packet and context.
 */
export type Event = RunInput;

/** An event, or only its packet. */
export type Input = Event | Uint8Array;

/** A conditional jump of a run, as its source has it. */
export interface Step {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** What the kernel's test run does not tell, and is null there. */
type Untold = "metadata" | "redirects" | "effects" | "retval" | "instructions" | "trace";

/** What a target knows of a run. */
export type Outcome = Omit<RunResult, Untold> & { readonly [name in Untold]: RunResult[name] | null } & {
  /** The last conditions that were decided, latest last; none where they are not followed (JIT, kernel). */
  readonly steps: () => readonly Step[];
};

/** The outcome, and what it is judged by. */
export type TestResult = Outcome & {
  readonly target: TargetName;
  readonly program: Pick<ProgramSpec, "name" | "type" | "attach">;
  /** The kernel's name for the return value and what it means; null where the hook has none for it. */
  readonly verdict: Verdict | null;
  /** The packet before. */
  readonly input: Uint8Array | null;
  /** What the packet starts with. */
  readonly start: Start;
  /** Interface numbers by the names that the test gave them. */
  readonly interfaces: Readonly<Record<string, number>>;
};

export function makeResult(
  outcome: Outcome,
  about: Pick<TestResult, "target" | "program" | "input" | "interfaces">,
): TestResult {
  const { type, attach } = about.program;
  const verdict = outcome.returnValue === null ? null : verdictOf(type, attach, outcome.returnValue);
  const start = type === "sk_msg" || type === "sk_skb" ? "payload" : "ethernet";
  // In place: `context` is made when it is asked for, which a copy would do at once.
  return Object.assign(outcome, { ...about, verdict, start } as const);
}
