/**
 * The walk: every path of the program from one root on, depth first, the path pushed last first. A path ends at `exit`, or where
 * an explored state covers it.
 */
import type { Insn, InsnKind } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { reject, unsupported } from "../env.ts";
import { Rejection } from "../outcome.ts";
import { endPath, startInsn, startRoot, visitState } from "../prune/index.ts";
import { contradictions } from "../scalar/index.ts";
import { argumentsOf } from "../types/index.ts";
import { stepAtomic, stepLoad, stepLoadAcquire, stepLoadPacket, stepStore, stepStoreRelease } from "./access.ts";
import { stepAlu, stepNegate, stepSwap } from "./alu.ts";
import { stepCall } from "./call.ts";
import { stepLoadImm64 } from "./constants.ts";
import { END } from "./end.ts";
import { stepExit } from "./exit.ts";
import { makeFrame, makeState } from "./frames.ts";
import { stepJump, stepJumpIf, stepMayGoto } from "./jump.ts";
import { stepMoveSigned } from "./moves.ts";
import { makePrecise } from "./operands.ts";
import { nextPath } from "./paths.ts";
import { isGuessed, stepGuarded } from "./speculation.ts";

/** Walks one instruction; returns the slot to go on with, or `END`. */
type Step<I extends Insn> = (env: Env, insn: I) => number;

const STEPS: { readonly [K in InsnKind]: Step<Extract<Insn, { kind: K }>> } = {
  alu: stepAlu,
  movsx: stepMoveSigned,
  neg: stepNegate,
  swap: stepSwap,
  load: stepLoad,
  store: stepStore,
  atomic: stepAtomic,
  load_acquire: stepLoadAcquire,
  store_release: stepStoreRelease,
  load_imm64: stepLoadImm64,
  load_packet: stepLoadPacket,
  jump: stepJump,
  jump_if: stepJumpIf,
  may_goto: stepMayGoto,
  call: stepCall,
  exit: stepExit,
  addr_space_cast: stepAddressCast,
};

function stepAddressCast(env: Env): number {
  if (env.program.maps.some(({ map }) => map.spec.type === "arena")) return unsupported("arena");
  return reject(env, "address_space", { what: "it has no arena" });
}

/** Where what is known of a number contradicts itself (a branch that cannot happen) the kernel gives up, in place of forgetting. */
const TEST_REG_INVARIANTS = 1 << 7;

/** Walks the whole program from subprogram `root` on; returns when every path has been explored, throws what stops it. */
export function walk(env: Env, root: number): void {
  const { program, counts, profile, trace, trail } = env;
  const { insns, prunePoint } = program;
  const limit = profile.limits.processed;
  const steps = stepsOf(insns);
  const isGuarded = !env.privileges.perfmon;
  const isExact = !env.privileges.bpf;
  const isStrict = (env.request.flags & TEST_REG_INVARIANTS) !== 0;
  contradictions.count = 0;
  start(env, root);
  trail?.restart();
  for (;;) {
    const { slot } = env;
    const insn = insns[slot];
    if (++counts.processed > limit) reject(env, "too_many_steps", { count: counts.processed });
    // What only speculation comes to is dead code to the kernel.
    if (!env.state.speculative) (counts.visits[slot] as number)++;
    env.state.lastSlot = env.previous;
    let next = END;
    if (prunePoint[slot] === 0 || visitState(env) === "walk") {
      startInsn(env);
      if (insn === undefined || insn === null) {
        const problem = badEncoding(env, slot);
        if (!isGuessed(env, problem)) throw problem;
      } else {
        if (trace !== null) trace.instruction(env, insn);
        if (trail !== null) trail.enter(env);
        const step = steps[slot] as Step<Insn>;
        next = isGuarded ? stepGuarded(env, insn, step) : step(env, insn);
        if (isExact) makePrecise(env);
        if (isStrict && contradictions.count > 0) reject(env, "kernel_bug", { what: "ranges contradict each other" });
      }
    } else if (trace !== null) trace.pruned(env);
    if (next === END) {
      endPath(env, env.state);
      if (!nextPath(env)) return;
    } else {
      env.previous = slot;
      env.slot = next;
    }
  }
}

/** The kernel looks at unused fields of an instruction only when a path gets there. */
function badEncoding(env: Env, slot: number): Rejection {
  return env.program.badEncodings.get(slot) ?? new Rejection("jump_out_of_range", slot, { slot });
}

/** By slot, so that the loop neither compares nor looks up kinds. */
function stepsOf(insns: readonly (Insn | null)[]): (Step<Insn> | null)[] {
  return insns.map((insn) => (insn === null ? null : (STEPS[insn.kind] as Step<Insn>)));
}

function start(env: Env, root: number): void {
  const { program, request } = env;
  const subprogram = program.subprograms[root] as (typeof program.subprograms)[number];
  env.root = root;
  startRoot(env.pruning);
  env.pending.length = 0;
  const frame = makeFrame(root, 0, -1, argumentsOf(env, root).slice(1, 6), { exception: subprogram.exceptionCallback });
  env.state = makeState(frame, subprogram.start, isSleepable(request.flags));
  env.slot = subprogram.start;
  env.previous = -1;
}

/** BPF_F_SLEEPABLE. */
function isSleepable(flags: number): boolean {
  return (flags & (1 << 4)) !== 0;
}
