export type {
  FunctionSpec,
  LinkedProgram,
  MapSpec,
  ObjectSpec,
  ProgramSpec,
  Relocation,
  SourceLine,
} from "./object.ts";
