/**
 * The verifier asked about the programs of an object, for `build` and `verify`: on one kernel, or on all releases that it knows.
 *
 * The kernel's own types take half a second to read and few programs need them, so they are read only when a program is not
 * accepted without.
 */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { InvalidArgumentError } from "commander";
import { formatDiagnostic, formatPlace } from "../lib/diag/index.ts";
import type { Diagnostic } from "../lib/diag/index.ts";
import type { ObjectSpec } from "../lib/object/index.ts";
import { RELEASES, ROOT, predict, profileOf, requestOf, runningProfile, verify } from "../lib/verifier/index.ts";
import type {
  KernelProfile,
  LoadRequest,
  Prediction,
  Privileges,
  Verification,
  VerifierError,
  VerifyOptions,
} from "../lib/verifier/index.ts";
import { environmentError } from "./diagnostics.ts";
import { RUNNING_TYPES } from "./kernel.ts";
import type { TargetKernel } from "./kernel.ts";

/** Where Linux lists the CPUs that the machine may have. */
const POSSIBLE_CPUS = "/sys/devices/system/cpu/possible";
/** What the newest kernel says is what counts where nobody names one. */
export const NEWEST = RELEASES[RELEASES.length - 1] as string;
export const RUNNING = "running";

/** For options that name a kernel: a release, one of a distribution, or `running`. */
export function parseKernel(text: string): string {
  if (text === RUNNING || profileOf(text) !== null) return text;
  throw new InvalidArgumentError(
    `It is one of ${RELEASES.join(", ")}, ${RUNNING}, or a distribution's such as 5.14+rhel9.6.`,
  );
}

/** The profile of a kernel by name. Throws M008 where the running one cannot be looked at. */
export function kernelOf(name: string, target: TargetKernel): KernelProfile {
  if (name !== RUNNING) return profileOf(name) as KernelProfile;
  const btf = target.readTypes();
  if (btf !== null && process.platform === "linux") return runningProfile(btf, release(), possibleProcessors());
  throw environmentError("M008", "the running kernel cannot be looked at", { found: `no ${RUNNING_TYPES}` });
}

/** The machine's CPUs as the kernel lists them; null where it does not. */
function possibleProcessors(): string | null {
  return existsSync(POSSIBLE_CPUS) ? readFileSync(POSSIBLE_CPUS, "utf8") : null;
}

export const UNPRIVILEGED: Privileges = { bpf: false, perfmon: false };

export interface Question extends Omit<VerifyOptions, "kernel" | "log"> {
  readonly kernel: KernelProfile;
  readonly target: TargetKernel;
}

/** One program on one kernel. */
export function verifyProgram(object: ObjectSpec, program: string, question: Question): Verification {
  const { target, ...options } = question;
  return answer(
    object,
    program,
    target,
    (request) => verify(request, options),
    ({ verdict }) => verdict === "accept",
  );
}

/** One program on all releases from 5.10 on. */
export function predictProgram(
  object: ObjectSpec,
  program: string,
  target: TargetKernel,
  privileges = ROOT,
): Prediction {
  const kernels = RELEASES.flatMap((name) => profileOf(name) ?? []);
  return answer(
    object,
    program,
    target,
    (request) => predict(request, { kernels, privileges }),
    ({ verdicts }) => verdicts.at(-1)?.verdict === "accept",
  );
}

/** Asks without the kernel's types; with them when the answer is not yes. */
function answer<T>(
  object: ObjectSpec,
  program: string,
  target: TargetKernel,
  ask: (request: LoadRequest) => T,
  isYes: (answer: T) => boolean,
): T {
  const first = ask(requestOf(object, program));
  if (isYes(first)) return first;
  const kernel = target.readTypes();
  return kernel === null ? first : ask(requestOf(object, program, { kernel, symbols: symbolsFor(object, target) }));
}

/** They are a hundred thousand lines, which only variables without a type need. */
function symbolsFor({ btf }: ObjectSpec, target: TargetKernel): ReadonlyMap<string, bigint> | null {
  return btf.types.some((type) => type.kind === "var" && type.linkage === "extern") ? target.readSymbols() : null;
}

/** The request as `verifyProgram` settled on it is not kept; for a log the whole is asked again with the types at hand. */
export function logProgram(object: ObjectSpec, program: string, question: Question, log: VerifyOptions["log"]): void {
  const { target, ...options } = question;
  const kernel = target.readTypes();
  const known = kernel === null ? {} : { kernel, symbols: symbolsFor(object, target) };
  verify(requestOf(object, program, known), {
    ...options,
    ...(log === undefined ? {} : { log }),
  });
}

/** A rejection as a diagnostic. */
export function diagnosticOf(program: string, error: VerifierError): Diagnostic {
  return {
    code: error.code,
    severity: "error",
    message: `program ${JSON.stringify(program)} is rejected: ${error.reason}`,
    place: error.at,
    remedy: error.suggestion,
  };
}

/** A rejection as a person reads it: the diagnostic, and how the walk came there. */
export function formatRejection(program: string, error: VerifierError): string {
  const path = error.path.map(({ at, slot, note }) => `    ${formatPlace(at) || `instruction ${slot}`}: ${note}`);
  return [
    formatDiagnostic(diagnosticOf(program, error)),
    ...(path.length === 0 ? [] : ["  how it comes there:", ...path]),
  ].join("\n");
}

/** `5.15 and newer`; `none`. */
export function formatKernels({ firstKernel }: Prediction): string {
  if (firstKernel === null) return "none";
  return firstKernel === NEWEST ? firstKernel : `${firstKernel} and newer`;
}
