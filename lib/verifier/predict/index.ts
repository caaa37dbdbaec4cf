/** Before a program is loaded: which kernels load it, what it needs of them, and what verifying it costs. */
export { predict } from "./portability.ts";
export type { KernelVerdict, NeededFeature, Prediction, PredictOptions } from "./portability.ts";
export type { FunctionCost, LineCost } from "./costs.ts";
export { MANIFEST_SECTION, decodeManifest, encodeManifest, manifestOf } from "./manifest.ts";
export type { Manifest, ManifestProgram } from "./manifest.ts";
