/** The kernel's verifier as a pure function: LoadRequest + KernelProfile -> Verification. docs/verifier.md */
export { requestOf } from "./request.ts";
export type { LoadRequest, RequestMap, RequestOptions, MapReference, AttachTarget } from "./request.ts";
export type { Verification, Statistics } from "./result.ts";
export { explainLog, subjectOfProgram } from "./explain/index.ts";
export type { PathStep, Subject, ToldError, VerifierError } from "./explain/index.ts";
export { ROOT } from "./privileges.ts";
export type { Privileges } from "./privileges.ts";
export { verify } from "./verify.ts";
export type { VerifyOptions } from "./verify.ts";
export { RELEASES, makeProfile, profileOf, runningProfile } from "./profiles/index.ts";
export type { KernelProfile, Override, RuleName, VerifierLimits } from "./profiles/index.ts";
export { MANIFEST_SECTION, decodeManifest, encodeManifest, manifestOf, predict } from "./predict/index.ts";
export type {
  FunctionCost,
  KernelVerdict,
  LineCost,
  Manifest,
  ManifestProgram,
  NeededFeature,
  Prediction,
  PredictOptions,
} from "./predict/index.ts";
