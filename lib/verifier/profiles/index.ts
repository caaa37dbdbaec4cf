/** Kernels by name, as far as the verifier's answer hangs on them. */
import { LIMITS, mayCall, mayCallKernel } from "../../kernel/index.ts";
import type { AnyHelperName, AttachType, KernelFunctionName, MapType, ProgramType } from "../../kernel/index.ts";

export interface KernelProfile {
  /** `6.18`; with overrides `6.12+rhel9`; `running (6.18.44)`. */
  readonly name: string;
  /** major * 1000 + minor: 6018. */
  readonly version: number;
  hasProgramType(type: ProgramType, attach: AttachType | null): boolean;
  hasMapType(type: MapType): boolean;
  /** The helper exists and this program type (and attach type) may call it. */
  mayCall(helper: AnyHelperName, type: ProgramType, attach: AttachType | null): boolean;
  /** The kernel function exists and this program type may call it. */
  mayCallKernel(kfunc: string, type: ProgramType): boolean;
  /** An ability of the verifier by name. */
  has(rule: RuleName): boolean;
  readonly limits: VerifierLimits;
}

export interface VerifierLimits {
  /** Instructions walked, all paths together. */
  readonly processed: number;
  /** Instructions in an unprivileged program. */
  readonly unprivilegedInsns: number;
  /** Jumps waiting to be walked. */
  readonly jumps: number;
  readonly stackBytes: number;
  /** Bytes of stack in a caller of a subprogram that makes tail calls. */
  readonly tailCallStack: number;
  readonly callFrames: number;
  readonly subprograms: number;
  readonly maps: number;
}

/** What verifiers have learnt, by the release that brought it. A rule that is not here holds for all. */
export const RULES = {
  bounded_loops: 5003,
  private_stack: 6013,
} as const;
export type RuleName = keyof typeof RULES;

/** The profile of a release, e.g. `6.18`. Null for one that is not known. */
export function profileOf(release: string): KernelProfile | null {
  if (release !== "6.18") return null;
  const version = 6018;
  return {
    name: release,
    version,
    hasProgramType: () => true,
    hasMapType: () => true,
    mayCall: (helper, type, attach) => mayCall(helper, type, attach),
    mayCallKernel: (kfunc, type) => mayCallKernel(kfunc as KernelFunctionName, type),
    has: (rule) => version >= RULES[rule],
    limits: {
      processed: LIMITS.processedInsns,
      unprivilegedInsns: 4096,
      jumps: 8192,
      stackBytes: LIMITS.stackBytes,
      tailCallStack: 256,
      callFrames: LIMITS.callFrames,
      subprograms: 256,
      maps: 64,
    },
  };
}
