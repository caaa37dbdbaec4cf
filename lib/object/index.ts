export { bytesCodec, codecOf, repeatCodec } from "./codec.ts";
export type { Codec, Value } from "./codec.ts";
export { isPerCpu, mapCodecs } from "./map-codecs.ts";
export type { MapCodecs, MapTypes } from "./map-codecs.ts";
export type {
  FunctionSpec,
  LinkedProgram,
  MapSpec,
  ObjectSpec,
  ProgramSpec,
  Relocation,
  SourceLine,
} from "./object.ts";
export { blank, canonicalize, innerName } from "./canonical.ts";
export { dataSectionTraits, isDataSection } from "./data-section.ts";
export { OBJECT_DIAGNOSTICS } from "./diagnostics.ts";
export type { ObjectCode } from "./diagnostics.ts";
export { dropNoLine, encodeObjectInfo, NO_LINE } from "./program-info.ts";
export type { ProgramRecords } from "./program-info.ts";
export { assertObject, checkObject, KSYMS_SECTION, MAPS_SECTION } from "./validate.ts";
export { sizeForCpus } from "./map-size.ts";
