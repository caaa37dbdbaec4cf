/** What a run gave, the same wherever it ran; and what one is about, as a test gives it. */
import { verdictOf } from "../lib/kernel/index.ts";
import type { Verdict } from "../lib/kernel/index.ts";
import type { ProgramSpec } from "../lib/object/index.ts";
import type { Start } from "../lib/packet/index.ts";
import type { ContextInput, Fault, FieldValue, Redirect, Socket } from "../lib/vm/index.ts";

/** Where programs run: in the simulated machine by an engine, or in this machine's kernel. */
export type TargetName = "interpreter" | "jit" | "kernel";

/** One event. */
export interface Event {
  /** From the Ethernet header on; at sk_msg the message. */
  readonly packet?: Uint8Array;
  /** Fields of the hook's context by the kernel's names: `{ ingress_ifindex: 3 }`, `{ user_ip4: "10.0.0.1", user_port: 80 }`. */
  readonly context?: ContextInput;
  /** The socket that it is about, made by `createSocket`. Not against the kernel. */
  readonly socket?: Socket;
  /** The CPU that it happens on. Default 0; not against the kernel. */
  readonly cpu?: number;
}

/** An event, or only its packet. */
export type Input = Event | Uint8Array;

/** A conditional jump of a run, as its source has it. */
export interface Step {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** What a target knows of a run. */
export interface Outcome {
  /** r0's low 32 bits, signed; null after a fault. */
  readonly returnValue: number | null;
  readonly fault: Fault | null;
  /** The packet afterwards; null at hooks without one. */
  readonly packet: Uint8Array | null;
  /** Context fields afterwards by the kernel's names. */
  readonly context: Readonly<Record<string, FieldValue>>;
  /** What redirect helpers asked for; null where it is not told (the kernel's test run). */
  readonly redirects: readonly Redirect[] | null;
  /** Instructions executed; null where they are not counted (the kernel). */
  readonly instructions: number | null;
  /** Text of trace_printk, one string per call; null where it is not told (the kernel). */
  readonly trace: readonly string[] | null;
  /** The last conditions that were decided, latest last; empty where they are not followed (JIT, kernel). */
  readonly steps: readonly Step[];
}

export interface TestResult extends Outcome {
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
}

export function makeResult(
  outcome: Outcome,
  about: Pick<TestResult, "target" | "program" | "input" | "interfaces">,
): TestResult {
  const { type, attach } = about.program;
  const verdict = outcome.returnValue === null ? null : verdictOf(type, attach, outcome.returnValue);
  return { ...outcome, ...about, verdict, start: type === "sk_msg" || type === "sk_skb" ? "payload" : "ethernet" };
}
