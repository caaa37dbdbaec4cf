/**
 * The verifier asked about the programs of an object, for `build` and `verify`: on one kernel, or on all releases that it knows.
 *
 * The kernel's own types take half a second to read and few programs need them, so they are read only when a program is not
 * accepted without.
 */
import { existsSync } from "node:fs";
import { release } from "node:os";
import { InvalidArgumentError } from "commander";
import { decodeBtf } from "../lib/btf/index.ts";
import type { Btf } from "../lib/btf/index.ts";
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
import { readBytes, readInput, readObject } from "./input.ts";
import type { Input } from "./input.ts";

/** Where a Linux kernel shows its types. */
const RUNNING_TYPES = "/sys/kernel/btf/vmlinux";
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

/** The types of a kernel, read once and only when they are wanted. */
export class KernelTypes {
  private readonly file: string | null;
  private types: Btf | null = null;

  /** `file`: raw BTF; default those of the running kernel, if it shows them. */
  constructor(file: string | undefined) {
    this.file = file ?? (existsSync(RUNNING_TYPES) ? RUNNING_TYPES : null);
  }

  /** Null where there are none. Throws DiagnosticError for a file that is no BTF. */
  read(): Btf | null {
    if (this.types === null && this.file !== null) this.types = decodeBtf(readBytes(this.file), this.file);
    return this.types;
  }
}

/** What `readInput` gives; an object with CO-RE relocations as a loader would adapt it to these types, if there are any. */
export async function readForKernel(file: string, types: KernelTypes): Promise<Input> {
  const input = await readInput(file);
  if (!input.diagnostics.some(({ code }) => code === "E010")) return input;
  const kernel = types.read();
  return kernel === null ? input : readObject(file, kernel);
}

/** The profile of a kernel by name. Throws M008 where the running one cannot be looked at. */
export function kernelOf(name: string, types: KernelTypes): KernelProfile {
  if (name !== RUNNING) return profileOf(name) as KernelProfile;
  const btf = types.read();
  if (btf !== null && process.platform === "linux") return runningProfile(btf, release());
  throw environmentError("M008", "the running kernel cannot be looked at", { found: `no ${RUNNING_TYPES}` });
}

export const UNPRIVILEGED: Privileges = { bpf: false, perfmon: false };

export interface Question extends Omit<VerifyOptions, "kernel" | "log"> {
  readonly kernel: KernelProfile;
  readonly types: KernelTypes;
}

/** One program on one kernel. */
export function verifyProgram(object: ObjectSpec, program: string, question: Question): Verification {
  const { types, ...options } = question;
  return answer(
    object,
    program,
    types,
    (request) => verify(request, options),
    ({ verdict }) => verdict === "accept",
  );
}

/** One program on all releases from 5.10 on. */
export function predictProgram(object: ObjectSpec, program: string, types: KernelTypes, privileges = ROOT): Prediction {
  const kernels = RELEASES.flatMap((name) => profileOf(name) ?? []);
  return answer(
    object,
    program,
    types,
    (request) => predict(request, { kernels, privileges }),
    ({ verdicts }) => verdicts.at(-1)?.verdict === "accept",
  );
}

/** Asks without the kernel's types; with them when the answer is not yes. */
function answer<T>(
  object: ObjectSpec,
  program: string,
  types: KernelTypes,
  ask: (request: LoadRequest) => T,
  isYes: (answer: T) => boolean,
): T {
  const first = ask(requestOf(object, program));
  if (isYes(first)) return first;
  const kernel = types.read();
  return kernel === null ? first : ask(requestOf(object, program, { kernel }));
}

/** The request as `verifyProgram` settled on it is not kept; for a log the whole is asked again with the types at hand. */
export function logProgram(object: ObjectSpec, program: string, question: Question, log: VerifyOptions["log"]): void {
  const { types, ...options } = question;
  const kernel = types.read();
  verify(requestOf(object, program, kernel === null ? {} : { kernel }), {
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
