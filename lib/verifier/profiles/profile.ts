/**
 * Kernels by name, as far as the verifier's answer hangs on them.
 *
 * Tables say in which release something came first; a profile answers by comparing with its own release, and overrides say
 * where a distribution's or the running kernel differs. The older profiles take the newest verifier's algorithm with what older
 * ones lack taken away; which of them were compared with a kernel tells docs/verifier.md.
 */
import { LIMITS, mayCall, mayCallKernel } from "../../kernel/index.ts";
import type { AnyHelperName, AttachType, MapType, ProgramType } from "../../kernel/index.ts";
import { helperSinceThere } from "./helpers.ts";
import { kfuncSinceThere } from "./kfuncs.ts";
import type { Feature, Override } from "./overrides.ts";
import { OVERRIDES } from "./overrides.ts";
import { RELEASES, nameOf, versionOf } from "./releases.ts";
import { BROUGHT_BACK, RULES } from "./rules.ts";
import type { RuleName } from "./rules.ts";
import { attachTypeSince, mapTypeSince, programTypeSince } from "./types.ts";

export interface KernelProfile {
  /** `6.18`; with overrides `5.14+rhel9.6`; `running (6.18.44)`. */
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
  /** Numbers of CPUs that the machine may have. Of a kernel that runs elsewhere nobody knows: as many as kernels are built for. */
  readonly processors: number;
}

/** The same from 5.10 to 6.18. Source: the constants of kernel/bpf/verifier.c and include/linux/bpf_verifier.h. */
const SAME_LIMITS: VerifierLimits = {
  processed: LIMITS.processedInsns,
  unprivilegedInsns: 4096,
  jumps: 8192,
  stackBytes: LIMITS.stackBytes,
  tailCallStack: 256,
  callFrames: LIMITS.callFrames,
  subprograms: 256,
  maps: 64,
  processors: 8192,
};

/**
 * The profile of a release (`6.18`), or of one with a distribution's changes (`5.14+rhel9.6`, see `OVERRIDES`).
 * Null for one that is not known.
 */
export function profileOf(name: string): KernelProfile | null {
  const [release = "", distribution] = name.split("+");
  if (distribution !== undefined) {
    const override = OVERRIDES.find((row) => row.name === name);
    return override === undefined ? null : makeProfile(override.name, override.version, override);
  }
  const version = versionOf(release);
  if (version === null || !(RELEASES as readonly string[]).includes(release)) return null;
  return makeProfile(release, version, { has: broughtBack(version) });
}

/** What the stable series of a release has beyond its first release. */
function broughtBack(version: number): Feature[] {
  return Object.entries(BROUGHT_BACK).flatMap(([rule, oldest]) => (oldest <= version ? [`rule ${rule}` as const] : []));
}

/** The profile of any release from 5.10 on, by number (6002 for 6.2). */
export function profileOfVersion(version: number): KernelProfile {
  return makeProfile(nameOf(version), version);
}

/** A profile with something added to, or taken from, what its release has. */
export function makeProfile(name: string, version: number, override: Partial<Override> = {}): KernelProfile {
  const has = new Set<Feature>(override.has);
  const lacks = new Set<Feature>(override.lacks);
  /** Whether something that came with a release is there. */
  const there = (what: Feature, since: number): boolean => (since <= version || has.has(what)) && !lacks.has(what);
  const rules = new Set(RULE_NAMES.filter((rule) => there(`rule ${rule}`, RULES[rule])));
  return {
    name,
    version,
    hasProgramType: (type, attach) =>
      there(`program ${type}`, programTypeSince(type)) &&
      (attach === null || there(`attach ${attach}`, attachTypeSince(type, attach))),
    hasMapType: (type) => there(`map ${type}`, mapTypeSince(type)),
    mayCall: (helper, type, attach) =>
      mayCall(helper, type, attach) && there(`helper ${helper}`, helperSinceThere(helper, type, attach)),
    mayCallKernel: (kfunc, type) => mayCallKernel(kfunc, type) && there(`kfunc ${kfunc}`, kfuncSinceThere(kfunc, type)),
    has: (rule) => rules.has(rule),
    limits: SAME_LIMITS,
  };
}

const RULE_NAMES = Object.keys(RULES) as RuleName[];
