/**
 * The whole of it: make the program ready (program/analyse), walk it (step/walk) for each root, count, explain.
 */
import { createEnv } from "./create.ts";
import type { Env } from "./env.ts";
import { NO_TRAIL, Recorder, explainRejection } from "./explain/index.ts";
import { SILENT } from "./log.ts";
import type { WalkLog } from "./log.ts";
import { Rejection, Unsupported } from "./outcome.ts";
import { ROOT } from "./privileges.ts";
import type { Privileges } from "./privileges.ts";
import type { KernelProfile } from "./profiles/index.ts";
import { analyse, checkRemovedFunctions, checkStackDepth } from "./program/index.ts";
import type { Program } from "./program/program.ts";
import { forRelease } from "./release.ts";
import type { LoadRequest } from "./request.ts";
import type { Statistics, Verification } from "./result.ts";
import { walk } from "./step/walk.ts";
import { checkAttachment } from "./types/index.ts";

export interface VerifyOptions {
  readonly kernel: KernelProfile;
  readonly privileges?: Privileges;
  readonly strictAlignment?: boolean;
  readonly log?: WalkLog;
}

/** The kernel's answer, before the kernel is asked. Never throws for any program. */
export function verify(request: LoadRequest, options: VerifyOptions): Verification {
  let env: Env | null = null;
  try {
    if (request.unknown !== undefined) throw new Unsupported(request.unknown);
    const privileges = options.privileges ?? ROOT;
    const analysed = analyse(request, { profile: options.kernel, privileges });
    const program = forRelease(request, analysed, options.kernel);
    env = createEnv(request, program, options);
    checkAttachment(env);
    walkAll(env);
    checkStackDepth(env);
    checkRemovedFunctions(env);
    const statistics = statisticsOf(env);
    if (env.trace !== null) env.log.line(printStatistics(statistics));
    return { verdict: "accept", error: null, unsupported: null, statistics };
  } catch (problem) {
    const statistics = statisticsOf(env);
    env?.trace?.end(true);
    if (problem instanceof Rejection) {
      return { verdict: "reject", error: errorOf(problem, request, options, env), unsupported: null, statistics };
    }
    return { verdict: "unsupported", error: null, unsupported: featureOf(problem), statistics };
  }
}

/**
 * The program, then the global functions that it calls, until no call leads to one that has not been walked. Older kernels walk
 * all that there are.
 */
function walkAll(env: Env): void {
  const { subprograms } = env.program;
  const isLazy = env.profile.has("lazy_functions");
  walk(env, 0);
  env.trace?.end(false);
  const walked = new Set<number>();
  for (let found = true; found;) {
    found = false;
    for (const { index, global, exceptionCallback } of subprograms) {
      if (index === 0 || !global || walked.has(index)) continue;
      if (isLazy && env.called[index] === 0 && !exceptionCallback) continue;
      walk(env, index);
      env.trace?.end(false);
      walked.add(index);
      found = true;
    }
  }
}

/** A mistake of the model's own is no verdict, either. */
function featureOf(problem: unknown): string {
  if (problem instanceof Unsupported) return problem.feature;
  return `a part of the model that fails: ${problem instanceof Error ? problem.message : String(problem)}`;
}

/** The rejection explained. Where the walk had begun it is done again, remembering the path that fails. */
function errorOf(
  rejection: Rejection,
  request: LoadRequest,
  options: VerifyOptions,
  env: Env | null,
): Verification["error"] {
  if (env === null) return explainRejection(rejection, request, null);
  const { program, counts } = env;
  const trail = rejection.code === "too_many_steps" ? null : retrace(rejection, request, options, program);
  return explainRejection(rejection, request, {
    insns: program.insns,
    visits: counts.visits,
    trail: trail ?? NO_TRAIL,
  });
}

/** The path to a rejection of the walk, null for what was rejected before or after it. */
function retrace(
  rejection: Rejection,
  request: LoadRequest,
  options: VerifyOptions,
  program: Program,
): Recorder | null {
  const trail = new Recorder();
  try {
    walkAll(createEnv(request, program, { ...options, log: SILENT }, trail));
  } catch (again) {
    if (again instanceof Rejection && again.code === rejection.code && again.slot === rejection.slot) return trail;
  }
  return null;
}

/** As the kernel ends its log. */
function printStatistics({ processed, maxStatesPerInsn, totalStates, peakStates }: Statistics): string {
  const states = `max_states_per_insn ${maxStatesPerInsn} total_states ${totalStates} peak_states ${peakStates}`;
  return `processed ${processed} insns (limit 1000000) ${states} mark_read 0`;
}

function statisticsOf(env: Env | null): Statistics {
  if (env === null) {
    return {
      processed: 0,
      totalStates: 0,
      peakStates: 0,
      maxStatesPerInsn: 0,
      stackDepth: [],
      visits: new Uint32Array(0),
    };
  }
  const { processed, totalStates, peakStates, maxStatesPerInsn, visits } = env.counts;
  const stackDepth = env.program.subprograms.map((subprogram) => subprogram.stackDepth);
  return { processed, totalStates, peakStates, maxStatesPerInsn, stackDepth, visits };
}
