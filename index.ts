/**
 * The main verbs of the package, from its entries: compile a program, write or read an object, try it in the interpreter,
 * load and attach it. Importing this brings the compiler along; who needs one part only imports that entry
 * (`ebpf-ts/loader`, `ebpf-ts/vm`, …), which also has the rest of its names.
 */

// TypeScript to objects.
export { compileFile, compileSources } from "./codegen/index.ts";
export type { CompileOptions, CompileResult, Cpu } from "./codegen/index.ts";

// Objects, and what can be wrong with whatever is read.
export type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, SourceLine, Value } from "./lib/object/index.ts";
export { DiagnosticError, formatDiagnostic } from "./lib/diag/index.ts";
export type { Diagnostic, Place } from "./lib/diag/index.ts";
export { inspectElf, readElf, writeElf } from "./lib/elf/index.ts";
export { disassemble, formatListing, link } from "./lib/asm/index.ts";

// Without a kernel.
export { createMachine, formatFault, Machine } from "./lib/vm/index.ts";
export type { Fault, RunInput, RunResult } from "./lib/vm/index.ts";

// With one.
// prettier-ignore
export {
  attach, attachCgroup, attachNetns, attachSockmap, attachTcx, attachXdp, BpfMap, canLoad, KernelError, Link, load,
  LoadedObject, openLink, openMap, Program, RingBuffer, testRun, VerifierError, withNetns,
} from "./loader/index.ts";
export type { Attachment, Loadable, LoadOptions, Target, TestResult, TestRun } from "./loader/index.ts";
