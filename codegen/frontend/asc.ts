/**
 * Runs the AssemblyScript compiler in process and takes from it what the rest of the frontend needs: the wasm module,
 * the source map, and what the type checker knows (class layouts, signatures, module-level variables).
 *
 * asc runs without its optimiser and without the incremental runtime's shadow stack: its output then mirrors the
 * source statement by statement, each wasm local holds one variable, and all optimisation is ours, on SSA, where no
 * pass can split a bounds check (see ASC_FLAGS).
 */
import asc from "assemblyscript/asc";
import type { Diagnostic, Place } from "../../lib/diag/index.ts";
import type { SourcePlace } from "../ir/ir.ts";
import { explainAscDiagnostic } from "./asc-diagnostics.ts";
import { hideShiftAmounts } from "./shift-amounts.ts";

/** Why each flag is there. */
// prettier-ignore
const ASC_FLAGS: readonly string[] = [
  // Named functions and a map from wasm offsets to TypeScript positions.
  "--debug", "--sourceMap",
  // Bump allocator, no reference counting or tracing: `new` in kernel code becomes a stack slot.
  "--runtime", "stub",
  // Keeps arrow functions alive: programs are registered by table index.
  "--exportTable",
  // No binaryen pass at all: coalesced locals would hold a pointer here and a scalar there.
  "-O0",
  // `atomic.*` builtins become atomic instructions.
  "--enable", "threads",
  // Failed bounds checks become `unreachable`, not a call that formats a message.
  "--use", "abort=",
  // Objects of top-level code start at 1 MiB: addresses that ordinary numbers rarely equal (frontend/memory.ts).
  "--memoryBase", "1048576",
  // Where readFile finds `ebpf-ts/...`.
  "--lib", "ebpf-ts-library",
];
const LIBRARY_DIR = "ebpf-ts-library";

/** A type as the AssemblyScript checker knows it. */
export interface SourceType {
  /** Spelling in the source: `u32`, `filter/FlowKey`. */
  readonly name: string;
  /** Bytes of the value itself; a class reference counts as its fields. */
  readonly size: number;
  readonly kind: "int" | "float" | "class" | "function" | "other";
  readonly signed: boolean;
  readonly bool: boolean;
  /** Set when `kind` is "class". */
  readonly fields: readonly SourceField[];
  /** The class was declared `@unmanaged`. */
  readonly unmanaged: boolean;
}

export interface SourceField {
  readonly name: string;
  readonly offset: number;
  readonly type: SourceType;
}

/** A module-level variable. */
export interface SourceGlobal {
  /** Internal name, the same as the wasm global's: `filter/flows`. */
  readonly name: string;
  readonly constant: boolean;
  readonly type: SourceType;
  /** The declaration. */
  readonly place: SourcePlace;
}

export interface AscOutput {
  readonly wasm: Uint8Array;
  readonly sourceMap: string;
  /** By signature id (`idof<(key: K, value: V) => void>()`): the parameter types. */
  readonly signatures: ReadonlyMap<number, readonly SourceType[]>;
  readonly globals: ReadonlyMap<string, SourceGlobal>;
  /** Function internal name: parameter names, `this` included. */
  readonly parameterNames: ReadonlyMap<string, readonly string[]>;
  /** Source text by the path used in the source map. */
  readonly sources: ReadonlyMap<string, string>;
}

/** What the compiler reads; null when there is no such file. `path` is as imported, relative to the base directory. */
export type ReadSource = (path: string) => string | null | Promise<string | null>;

// The part of asc's object model that is read here. Its published typings are ambient declarations for its own build,
// so the few shapes are written down; numbers are its enum values (ElementKind, TypeKind, CommonFlags of 0.28).
interface AscType {
  kind: number;
  size: number;
  flags: number;
  toString(): string;
  classReference: AscClass | null;
}
interface AscElement {
  kind: number;
  internalName: string;
  flags: number;
  type?: AscType;
  declaration: { range: { start: number; source: { normalizedPath: string; text: string } } };
}
interface AscProperty extends AscElement {
  instance?: { memoryOffset: number; isField: boolean; type: AscType } | null;
}
interface AscClass extends AscElement {
  nextMemoryOffset: number;
  members: Map<string, AscProperty> | null;
  decoratorFlags: number;
  prototype: { decoratorFlags: number };
}
interface AscFunction extends AscElement {
  declaration: AscElement["declaration"] & { signature: { parameters: { name: { text: string } }[] } };
  signature: { thisType: AscType | null };
}
interface AscProgram {
  uniqueSignatures: Map<string, { id: number; parameterTypes: AscType[] }>;
  elementsByName: Map<string, AscElement>;
  instancesByName: Map<string, AscElement>;
  sources: { normalizedPath: string; text: string }[];
  resolver: AscResolver;
}
interface AscResolver {
  /** Lays the fields of a class out; called once for each. */
  finishResolveClass(instance: AscClass, reportMode: number): void;
}
interface AscDiagnostic {
  code: number;
  category: number;
  message: string;
  range: { start: number; end: number; source: { normalizedPath: string } } | null;
}

const ELEMENT_GLOBAL = 0;
const ELEMENT_FUNCTION = 5;
const FLAG_CONST = 8;
const TYPE_FLAG_SIGNED = 1;
const TYPE_FLAG_INTEGER = 4;
const TYPE_FLAG_FLOAT = 8;
const TYPE_FLAG_FUNCTION = 8192;
const TYPE_KIND_BOOL = 0;
const DECORATOR_UNMANAGED = 16;
const CATEGORY_ERROR = 3;

/** Compiles `entry`; `libraryFile(path)` serves imports that start with `ebpf-ts/`. */
export async function runAsc(
  entry: string,
  read: ReadSource,
  libraryFile: ReadSource,
): Promise<{ output: AscOutput | null; diagnostics: Diagnostic[] }> {
  const diagnostics: Diagnostic[] = [];
  const state: { program: AscProgram | null } = { program: null };
  const files = new Map<string, Uint8Array | string>();
  const texts = new Map<string, string>();
  // asc instantiates transforms and hangs `program` on their prototype.
  function CaptureProgram(): void {}
  CaptureProgram.prototype.afterCompile = function afterCompile(this: { program: AscProgram }): void {
    state.program = this.program;
  };
  CaptureProgram.prototype.afterInitialize = function afterInitialize(program: AscProgram): void {
    padClasses(program.resolver);
  };
  CaptureProgram.prototype.afterParse = function afterParse(parser: { sources: object[] }): void {
    parser.sources.forEach(hideShiftAmounts);
  };
  const silent = { write: (): boolean => true };
  const result = await asc.main([entry, "--outFile", "out.wasm", ...ASC_FLAGS], {
    stdout: silent,
    stderr: silent,
    readFile: async (name: string, base: string) => {
      const isLibrary = base === LIBRARY_DIR;
      if (!isLibrary && (name === "asconfig.json" || name.includes("node_modules"))) return null;
      const text = await (isLibrary ? libraryFile(name) : read(name));
      if (text !== null) texts.set(isLibrary ? `~lib/${name}` : name, text);
      return text;
    },
    writeFile: (name: string, contents: Uint8Array | string) => void files.set(name, contents),
    listFiles: () => [],
    reportDiagnostic: (d: AscDiagnostic) => {
      if (d.category === CATEGORY_ERROR) diagnostics.push(explainAscDiagnostic(d.code, d.message, placeOf(d, texts)));
    },
    transforms: [CaptureProgram],
  } as never);
  const wasm = files.get("out.wasm");
  const sourceMap = files.get("out.wasm.map");
  if (diagnostics.length === 0 && (result.error !== null || !(wasm instanceof Uint8Array) || state.program === null)) {
    diagnostics.push({
      code: "C001",
      severity: "error",
      message: `the AssemblyScript compiler failed: ${result.error?.message.split("\n")[0] ?? "no output"}`,
      place: { kind: "none" },
      remedy: "reduce the program to the statement that causes it and report it",
    });
  }
  if (diagnostics.length > 0 || !(wasm instanceof Uint8Array) || state.program === null) {
    return { output: null, diagnostics: firstPerLine(diagnostics) };
  }
  return {
    output: { wasm, sourceMap: String(sourceMap ?? "{}"), ...readProgram(state.program) },
    diagnostics: [],
  };
}

/**
 * asc may report one mistake several times (once per instance, or with its consequences): at each line the first tells
 * it, and one that we can explain rather than a plain type error.
 */
function firstPerLine(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const byLine = new Map<string, Diagnostic>();
  for (const d of diagnostics) {
    const key = d.place.kind === "source" ? `${d.place.file}:${d.place.line}` : d.message;
    const known = byLine.get(key);
    if (known === undefined || (known.code === "C002" && d.code !== "C002")) byLine.set(key, d);
  }
  return [...byLine.values()];
}

function placeOf(d: AscDiagnostic, texts: ReadonlyMap<string, string>): Place {
  if (d.range === null) return { kind: "none" };
  const { normalizedPath } = d.range.source;
  const text = texts.get(normalizedPath);
  if (text === undefined) return { kind: "source", file: normalizedPath, line: 1, column: 1 };
  const place = placeIn({ normalizedPath, text }, d.range.start);
  return { kind: "source", ...place, text: text.split("\n")[place.line - 1] ?? "" };
}

/** Line and column of an offset in a source's text. */
function placeIn(source: { normalizedPath: string; text: string }, offset: number): SourcePlace {
  const before = source.text.slice(0, offset).split("\n");
  return { file: source.normalizedPath, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

function readProgram(program: AscProgram): Omit<AscOutput, "wasm" | "sourceMap"> {
  const types = new Map<AscType, SourceType>();
  const signatures = new Map<number, readonly SourceType[]>();
  for (const s of program.uniqueSignatures.values()) {
    signatures.set(
      s.id,
      s.parameterTypes.map((t) => readType(t, types)),
    );
  }
  const globals = new Map<string, SourceGlobal>();
  for (const [name, element] of program.elementsByName) {
    if (element.kind !== ELEMENT_GLOBAL || element.type === undefined) continue;
    globals.set(name, {
      name,
      constant: (element.flags & FLAG_CONST) !== 0,
      type: readType(element.type, types),
      place: placeIn(element.declaration.range.source, element.declaration.range.start),
    });
  }
  const parameterNames = new Map<string, readonly string[]>();
  for (const [name, element] of program.instancesByName) {
    if (element.kind !== ELEMENT_FUNCTION) continue;
    const f = element as AscFunction;
    const names = f.declaration.signature.parameters.map((p) => p.name.text);
    parameterNames.set(name, f.signature.thisType === null ? names : ["this", ...names]);
  }
  const sources = new Map(program.sources.map((s) => [s.normalizedPath, s.text]));
  return { signatures, globals, parameterNames, sources };
}

/**
 * asc ends a class behind its last field; C ends a structure at a multiple of its alignment, which is that of the field that is
 * aligned most. Kernel-side classes are C's structures, so `{ u64; u32 }` has 16 bytes. Managed classes have a layout of their own.
 */
function padClasses(resolver: AscResolver): void {
  const finish = resolver.finishResolveClass.bind(resolver);
  resolver.finishResolveClass = (instance, reportMode) => {
    finish(instance, reportMode);
    if (!isUnmanaged(instance)) return;
    const fields = [...(instance.members?.values() ?? [])].flatMap(({ instance: field }) =>
      field?.isField ? [field] : [],
    );
    const alignment = Math.max(1, ...fields.map(({ type }) => type.size >> 3));
    instance.nextMemoryOffset = Math.ceil(instance.nextMemoryOffset / alignment) * alignment;
  };
}

function isUnmanaged(cls: AscClass): boolean {
  return ((cls.decoratorFlags | cls.prototype.decoratorFlags) & DECORATOR_UNMANAGED) !== 0;
}

function readType(type: AscType, known: Map<AscType, SourceType>): SourceType {
  const seen = known.get(type);
  if (seen !== undefined) return seen;
  const cls = type.classReference;
  const isClass = cls !== null && (type.flags & TYPE_FLAG_FUNCTION) === 0;
  const fields: SourceField[] = [];
  const made: SourceType = {
    name: type.toString(),
    size: isClass ? cls.nextMemoryOffset : type.size >> 3 || 1,
    kind: kindOf(type, isClass),
    signed: (type.flags & TYPE_FLAG_SIGNED) !== 0,
    bool: type.kind === TYPE_KIND_BOOL,
    fields,
    unmanaged: isClass && isUnmanaged(cls),
  };
  known.set(type, made);
  if (isClass) {
    for (const [name, member] of cls.members ?? []) {
      const field = member.instance;
      if (field?.isField !== true || field.memoryOffset < 0) continue;
      fields.push({ name, offset: field.memoryOffset, type: readType(field.type, known) });
    }
  }
  return made;
}

function kindOf(type: AscType, isClass: boolean): SourceType["kind"] {
  if (isClass) return "class";
  if ((type.flags & TYPE_FLAG_FUNCTION) !== 0) return "function";
  if ((type.flags & TYPE_FLAG_INTEGER) !== 0) return "int";
  return (type.flags & TYPE_FLAG_FLOAT) !== 0 ? "float" : "other";
}
