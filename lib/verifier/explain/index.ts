/**
 * Why a program is rejected, in terms of its source. A walk of ours and a kernel's log become the same `Finding`: reason, facts,
 * and the path by instructions; `explain` puts it into words with the names that the source has.
 */
export type { PathStep, VerifierError } from "./error.ts";
export { explainLog } from "./kernel.ts";
export type { ToldError } from "./kernel.ts";
export { explainRejection } from "./own.ts";
export { Recorder } from "./recorder.ts";
export { subjectOfProgram } from "./subject.ts";
export type { Subject } from "./subject.ts";
export { NO_TRAIL } from "./trail.ts";
export type { Step, Trail } from "./trail.ts";
