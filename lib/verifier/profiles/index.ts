/** Kernels by name, as far as the verifier's answer hangs on them. docs/verifier.md tells where the facts come from. */
export { makeProfile, profileOf, profileOfVersion } from "./profile.ts";
export type { KernelProfile, VerifierLimits } from "./profile.ts";
export { RELEASES, nameOf, versionOf } from "./releases.ts";
export type { Release } from "./releases.ts";
export { RULES } from "./rules.ts";
export type { RuleName } from "./rules.ts";
export { OVERRIDES } from "./overrides.ts";
export type { Feature, Override } from "./overrides.ts";
export { runningProfile } from "./running.ts";
export { isMet, isOldOpcode, knowsField, needOfInsn, needsOfProgram } from "./needs.ts";
export type { Need, Parts } from "./needs.ts";
