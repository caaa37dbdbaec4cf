export { bytesCodec, codecOf, repeatCodec } from "./codec.ts";
export type { Codec, Value } from "./codec.ts";
export { isPerCpu, mapCodecs } from "./map-codecs.ts";
export type { MapCodecs, MapTypes } from "./map-codecs.ts";
export type {
  ConfigReference,
  CoreReference,
  FunctionSpec,
  InitialEntry,
  KernelReference,
  LinkedProgram,
  MapSpec,
  ObjectSpec,
  ProgramSpec,
  Relocation,
  SourceLine,
} from "./object.ts";
export { blank, canonicalize, innerName } from "./canonical.ts";
export { dataSectionTraits, isDataSection, isZeroSection } from "./data-section.ts";
export { OBJECT_DIAGNOSTICS, objectProblem } from "./diagnostics.ts";
export type { ObjectCode } from "./diagnostics.ts";
export { dropNoLine, encodeObjectInfo, NO_LINE } from "./program-info.ts";
export type { ProgramRecords } from "./program-info.ts";
export { assertObject, checkObject, KSYMS_SECTION, MAPS_SECTION } from "./validate.ts";
export { sizeForCpus } from "./map-size.ts";
export { adaptObject, needsOf } from "./adapt.ts";
export type { KernelFacts } from "./adapt.ts";
export { MISSING_HELPER } from "./core-relocate.ts";
export { kernelVersion, parseKernelConfig } from "./kernel-config.ts";
export type { KernelConfig } from "./kernel-config.ts";
export { externTypeOf, kernelTypeOf } from "./kernel-types.ts";
