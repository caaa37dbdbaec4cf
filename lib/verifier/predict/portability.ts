/**
 * Which kernels load a program, and what it needs of them.
 *
 * The verdicts are those of a walk for each kernel (or of one that is like it in all that mattered): the newest verifier with what
 * the older ones lack taken away. What is needed
 * is told of what the walk on the newest kernel came to: code behind a constant that is false asks for nothing.
 */
import type { VerifierError } from "../explain/error.ts";
import { analyse } from "../program/index.ts";
import type { Program } from "../program/index.ts";
import { ROOT } from "../privileges.ts";
import type { Privileges } from "../privileges.ts";
import { RELEASES, nameOf, needOfInsn, needsOfProgram, profileOf } from "../profiles/index.ts";
import type { KernelProfile, Need } from "../profiles/index.ts";
import type { LoadRequest } from "../request.ts";
import type { Statistics, Verification } from "../result.ts";
import { verify } from "../verify.ts";
import { costsByFunction, costsByLine } from "./costs.ts";
import type { FunctionCost, LineCost } from "./costs.ts";
import { Witness } from "./witness.ts";

export interface KernelVerdict {
  /** The profile's name. */
  readonly kernel: string;
  readonly verdict: Verification["verdict"];
  readonly error: VerifierError | null;
  readonly unsupported: string | null;
}

export interface NeededFeature {
  /** By kind and name: `helper loop`, `map arena`. */
  readonly feature: string;
  /** The first release that has it: `5.17`. */
  readonly since: string;
  readonly slot: number | null;
}

export interface Prediction {
  /** The oldest of the kernels asked about that loads it, and so do all newer ones; null when the newest does not. */
  readonly firstKernel: string | null;
  /** In the order of the kernels asked about. */
  readonly verdicts: readonly KernelVerdict[];
  /** What came after 5.10, newest first. */
  readonly needs: readonly NeededFeature[];
  /** Of the walk on the newest kernel, as far as it came. */
  readonly statistics: Statistics;
  readonly functions: readonly FunctionCost[];
  readonly lines: readonly LineCost[];
}

export interface PredictOptions {
  /** Oldest first; default: all profiles from 5.10 to 6.18. */
  readonly kernels?: readonly KernelProfile[];
  readonly privileges?: Privileges;
}

/** Throws a RangeError when no kernel is asked about. */
export function predict(request: LoadRequest, options: PredictOptions = {}): Prediction {
  const kernels = options.kernels ?? RELEASES.flatMap((release) => profileOf(release) ?? []);
  const newest = kernels.at(-1);
  if (newest === undefined) throw new RangeError("no kernel to predict for");
  const privileges = options.privileges ?? ROOT;
  const results = verdictsFor(request, kernels, privileges);
  const { statistics } = results.at(-1) as Verification;
  const program = analysed(request, newest, privileges);
  const firstBad = results.findLastIndex(({ verdict }) => verdict !== "accept");
  return {
    firstKernel: kernels[firstBad + 1]?.name ?? null,
    verdicts: results.map(({ verdict, error, unsupported }, index) => ({
      kernel: (kernels[index] as KernelProfile).name,
      verdict,
      error,
      unsupported,
    })),
    needs: program === null ? [] : needsOf(request, program, statistics),
    statistics,
    functions: program === null ? [] : costsByFunction(program.subprograms, statistics),
    lines: costsByLine(request, statistics),
  };
}

/**
 * In the kernels' order. What is known of one kernel is known of all that are like it in what mattered; only what it lacks is said
 * of each by its name.
 */
function verdictsFor(
  request: LoadRequest,
  kernels: readonly KernelProfile[],
  privileges: Privileges,
): readonly Verification[] {
  const seen: { readonly witness: Witness; readonly verification: Verification }[] = [];
  return kernels
    .toReversed()
    .map((kernel) => {
      const known = seen.find(
        ({ witness, verification }) => verification.error?.name !== "not_in_kernel" && witness.isLike(kernel),
      );
      if (known !== undefined) return known.verification;
      const witness = new Witness(kernel);
      const verification = verify(request, { kernel: witness.profile, privileges });
      seen.push({ witness, verification });
      return verification;
    })
    .toReversed();
}

/** Null for what no kernel would look at. */
function analysed(request: LoadRequest, profile: KernelProfile, privileges: Privileges): Program | null {
  try {
    return analyse(request, { profile, privileges });
  } catch {
    return null;
  }
}

const OLDEST = 5010;

/** Each feature once, with the first instruction that needs it. */
function needsOf(request: LoadRequest, program: Program, { visits }: Statistics): NeededFeature[] {
  const needs = new Map<string, Need>();
  const add = (need: Need | null): void => {
    if (need !== null && need.since > OLDEST && !needs.has(need.feature)) needs.set(need.feature, need);
  };
  for (const need of needsOfProgram(request, program)) add(need);
  for (const [slot, insn] of program.insns.entries()) {
    const walked = (visits[slot] ?? 0) > 0;
    if (insn !== null && walked) add(needOfInsn(insn, slot, request));
  }
  return [...needs.values()]
    .toSorted((a, b) => b.since - a.since)
    .map(({ feature, since, slot }) => ({ feature, since: Number.isFinite(since) ? nameOf(since) : "none", slot }));
}
