/**
 * Whether the stacks of all chains of calls fit, known only when the walk has seen how deep each function's stack is.
 *
 * Follows calls in the order of the code, dead or not, through callbacks too. Each frame is rounded up to 16 bytes, as the JIT
 * does (before 6.8 to 32, the interpreter's steps). What a timer or workqueue runs starts with an empty stack. Programs of types that may run on a stack of their own
 * (private stack) count frames of 64 bytes and more one by one.
 */
import type { Env } from "../env.ts";
import { Rejection } from "../outcome.ts";
import { CALL, RawCode } from "./raw.ts";
import type { Subprogram } from "./program.ts";

interface Site {
  readonly subprogram: number;
  readonly slot: number;
}

type Stack = "unknown" | "private" | "shared";

const PRIVATE_FROM = 64;

/** After all roots are walked. Rejects chains that are too deep. */
export function checkStackDepth(env: Env): void {
  const { subprograms } = env.program;
  const stacks = subprograms.map((): Stack => "unknown");
  const privateStack = mayUsePrivateStack(env);
  // From the last to the first: what callbacks run on the ordinary stack is known before the main program is looked at.
  for (const root of subprograms.toReversed()) {
    if (root.index !== 0 && !root.asyncCallback) continue;
    followCalls(env, root, stacks, root.index === 0 && privateStack);
  }
}

function mayUsePrivateStack({ request, program, profile }: Env): boolean {
  if (!profile.has("private_stack") || program.subprograms.some((s) => s.hasTailCall)) return false;
  switch (request.type) {
    case "kprobe":
    case "tracepoint":
    case "perf_event":
    case "raw_tracepoint":
      return true;
    case "tracing":
      return request.attach !== "trace_iter";
    case "lsm":
      return request.attach !== "lsm_cgroup";
    default:
      return false;
  }
}

function followCalls(env: Env, root: Subprogram, stacks: Stack[], privateStack: boolean): void {
  const { program, profile } = env;
  const round = profile.has("fine_frames") ? 16 : 32;
  const { subprograms } = program;
  const raw = new RawCode(env.request.code);
  const byStart = new Map(subprograms.map((s) => [s.start, s]));
  const sites: Site[] = [];
  let depth = 0;
  let reachesTailCall = false;
  let current = root;
  enter(root);

  for (let slot = root.start; ; slot += 1) {
    if (slot < current.end) {
      checkThrow(slot);
      if (!raw.isLocalCall(slot) && !raw.isFunctionLoad(slot)) continue;
      const callee = byStart.get(raw.targetOf(slot)) as Subprogram;
      const direct = raw.code(slot) === CALL;
      if (callee.asyncCallback && !direct) continue;
      if (callee.exceptionCallback && direct)
        throw new Rejection("exception_callback", slot, { what: "it is called like a function" });
      sites.push({ subprogram: current.index, slot });
      const limit = profile.limits.callFrames;
      if (sites.length >= limit) throw new Rejection("call_depth", slot, { count: sites.length });
      current = callee;
      enter(callee);
      slot = callee.start - 1;
      continue;
    }
    if (reachesTailCall && sites.some((s) => subprograms[s.subprogram]?.exceptionCallback)) {
      throw new Rejection("exception_callback", current.start, { what: "it makes a tail call" });
    }
    const site = sites.pop();
    if (site === undefined) return;
    if (stacks[current.index] !== "private") depth -= roundUp(current.stackDepth, round);
    current = subprograms[site.subprogram] as Subprogram;
    slot = site.slot;
  }

  function inCallback(): boolean {
    return current.callback || sites.some((s) => subprograms[s.subprogram]?.callback === true);
  }

  function enter(s: Subprogram): void {
    if (!privateStack) stacks[s.index] = "shared";
    if (s.hasTailCall && sites.length > 0) reachesTailCall = true;
    if (s.hasPacketLoads && inCallback()) throw new Rejection("legacy_packet_load", s.start, { what: "in a callback" });
    const { stackBytes, tailCallStack } = profile.limits;
    if (s.index !== 0 && s.hasTailCall && depth >= tailCallStack) {
      throw new Rejection("tail_call_stack", s.start, { size: depth });
    }
    const bytes = roundUp(s.stackDepth, round);
    if (privateStack && stacks[s.index] === "unknown" && bytes >= PRIVATE_FROM) stacks[s.index] = "private";
    if (stacks[s.index] !== "private") depth += bytes;
    const deep = stacks[s.index] === "private" ? bytes : depth;
    if (deep > stackBytes) {
      throw new Rejection("stack_too_big", s.start, { size: deep, max: stackBytes });
    }
  }

  function checkThrow(slot: number): void {
    if (!raw.isKernelCall(slot) || raw.off(slot) !== 0 || !inCallback()) return;
    const func = env.request.kernel?.types[raw.imm(slot)];
    if (func?.kind === "func" && func.name === "bpf_throw") throw new Rejection("throw_in_callback", slot, { slot });
  }
}

/** Before 6.8 a frame takes something even where nothing is on it. */
function roundUp(bytes: number, round: 16 | 32): number {
  return Math.ceil((round === 16 ? bytes : Math.max(bytes, 1)) / round) * round;
}
