/**
 * The frontend: TypeScript sources to an IR module, by way of AssemblyScript and WebAssembly.
 *
 *   sources --asc--> wasm --evaluate--> maps, programs, values of globals
 *                      \--translate--> SSA of every function that a program reaches
 */
import { formatDiagnostic, type Diagnostic } from "../../lib/diag/index.ts";
import { HOOKS } from "../../lib/kernel/index.ts";
import { problem, withSourceText } from "../diagnostics.ts";
import type { IrFunction, IrModule, SourcePlace } from "../ir/ir.ts";
import { isLibrary } from "../ir/place.ts";
import { runAsc, type AscOutput, type ReadSource } from "./asc.ts";
import { GlobalData, integerBytes } from "./data.ts";
import { evaluate, readString, type Evaluation } from "./evaluate.ts";
import { readSourceMap, type PlaceAt } from "./source-map.ts";
import { Unsupported, splitName, translateFunction, type TranslateContext } from "./translate.ts";
import { readWasm, type WasmFunction, type WasmModule } from "./wasm.ts";

export type { AscOutput, ReadSource, SourceField, SourceType } from "./asc.ts";
export type { DataSection, DataVariable, GlobalData } from "./data.ts";
export type { Evaluation, MapDefinition, MemoryObject, ProgramDefinition } from "./evaluate.ts";
export { checkCallbacks, resolveCallbacks } from "./callbacks.ts";
export { placeMemory } from "./memory.ts";

export interface Frontend {
  readonly module: IrModule;
  readonly evaluation: Evaluation;
  readonly data: GlobalData;
  readonly sources: ReadonlyMap<string, string>;
  /**
   * The IR function behind a function's reference in the module's memory, translated with what it calls; null when there is
   * none, or when it is wrong: `mistakes` then tells.
   */
  reach(reference: number, calledAt: SourcePlace | null): IrFunction | null;
  /** What was wrong with functions that were reached later. */
  mistakes(): readonly Diagnostic[];
}

/** Type-checks and evaluates the program, and translates what its programs reach. `step` is told when a stage ends. */
export async function runFrontend(
  entry: string,
  read: ReadSource,
  libraryFile: ReadSource,
  step: (name: string) => void,
): Promise<{ frontend: Frontend | null; diagnostics: Diagnostic[] }> {
  const { output, diagnostics } = await runAsc(entry, read, libraryFile);
  step("check and compile to wasm");
  if (output === null) return { frontend: null, diagnostics };
  const wasm = readWasm(output.wasm);
  const placeAt = readSourceMap(output.sourceMap);
  const evaluated = evaluate(wasm, output, placeAt);
  step("evaluate top-level code");
  if (evaluated.evaluation === null) {
    return { frontend: null, diagnostics: evaluated.diagnostics.map((d) => withSourceText(d, output.sources)) };
  }
  const data = new GlobalData();
  const walk = new Walk(wasm, output, evaluated.evaluation, data, placeAt);
  const module = walk.run();
  step("translate to SSA");
  if (walk.diagnostics.length > 0) {
    return { frontend: null, diagnostics: walk.diagnostics.map((d) => withSourceText(d, output.sources)) };
  }
  const frontend: Frontend = {
    module,
    evaluation: evaluated.evaluation,
    data,
    sources: output.sources,
    reach: (reference, calledAt) => walk.reach(reference, calledAt),
    mistakes: () => walk.diagnostics,
  };
  return { frontend, diagnostics: [] };
}

/** Follows the calls from the programs, depth first, so that the call chain is known when something is wrong. */
class Walk implements TranslateContext {
  readonly module: WasmModule;
  readonly diagnostics: Diagnostic[] = [];
  readonly placeAt: PlaceAt;
  private readonly asc: AscOutput;
  private readonly evaluation: Evaluation;
  private readonly data: GlobalData;
  private readonly functions = new Map<string, IrFunction>();
  private readonly byName = new Map<string, WasmFunction>();
  /** Functions being walked, with the place of the call that led to each. */
  private readonly chain: { name: string; calledAt: SourcePlace | null }[] = [];
  private readonly placed = new Map<number, ReturnType<TranslateContext["global"]>>();
  private readonly literals = new Map<bigint, { map: string; offset: number; length: number }>();

  constructor(module: WasmModule, asc: AscOutput, evaluation: Evaluation, data: GlobalData, placeAt: PlaceAt) {
    this.module = module;
    this.asc = asc;
    this.evaluation = evaluation;
    this.data = data;
    this.placeAt = placeAt;
    for (const f of module.functions) if (f.imported === null) this.byName.set(f.name, f);
  }

  run(): IrModule {
    for (const program of this.evaluation.programs) {
      const wasm = this.module.functions[program.function];
      if (wasm === undefined || wasm.imported !== null) {
        this.report(problem("C021", `program "${program.name}" has no function`, null));
        continue;
      }
      const fn = this.visit(wasm.name, null);
      if (fn === null) continue;
      const hook = HOOKS[program.hook];
      // Two programs may share a function; each gets its own entry under the program's name.
      const own = fn.entry === null && fn.name === wasm.name ? fn : this.translate(wasm, null);
      if (own === null) continue;
      this.functions.delete(wasm.name);
      this.functions.set(
        program.name,
        Object.assign(own, { name: program.name, entry: { context: hook.context, refuse: hook.refuse } }),
      );
    }
    return { functions: this.functions };
  }

  /** A function reference is an object whose first word is the function's place in the module's table. */
  reach(reference: number, calledAt: SourcePlace | null): IrFunction | null {
    const { memory } = this.evaluation;
    if (reference < 0 || reference + 4 > memory.length) return null;
    const slot = new DataView(memory.buffer, memory.byteOffset).getUint32(reference, true);
    const wasm = this.module.functions[this.module.table.get(slot) ?? -1];
    return wasm === undefined || wasm.imported !== null ? null : this.visit(wasm.name, calledAt);
  }

  report(diagnostic: Diagnostic): void {
    const placed = this.atUserCode(diagnostic);
    const text = formatDiagnostic(placed);
    // A library function that several callers reach is walked once, but an inlined one may repeat its mistake.
    if (!this.diagnostics.some((d) => formatDiagnostic(d) === text)) this.diagnostics.push(placed);
  }

  /** A mistake seen inside the runtime library is the caller's: report it where user code called. */
  private atUserCode(d: Diagnostic): Diagnostic {
    if (d.place.kind === "source" && !isLibrary(d.place.file)) return d;
    const call = this.chain.toReversed().find((c) => c.calledAt !== null && !isLibrary(c.calledAt.file));
    return call?.calledAt == null ? d : { ...d, place: { kind: "source", ...call.calledAt } };
  }

  private visit(name: string, calledAt: SourcePlace | null): IrFunction | null {
    if (this.chain.some((c) => c.name === name)) {
      this.report(problem("C006", `${sourceName(name)} calls itself`, calledAt));
      return null;
    }
    const known = this.functions.get(name);
    if (known !== undefined) return known;
    const { wasm, given } = splitName(name);
    const defined = this.byName.get(wasm);
    if (defined === undefined) return null;
    this.chain.push({ name, calledAt });
    try {
      const fn = this.translate(defined, given);
      if (fn === null) return null;
      for (const block of fn.blocks) {
        for (const value of block.values) if (value.op === "call") this.visit(value.callee, value.place);
      }
      this.functions.set(name, fn);
      return fn;
    } finally {
      this.chain.pop();
    }
  }

  private translate(wasm: WasmFunction, given: number | null): IrFunction | null {
    try {
      return translateFunction(wasm, this, given);
    } catch (error) {
      if (error instanceof Unsupported) return null;
      throw error;
    }
  }

  parameterNames(name: string): readonly string[] {
    return this.asc.parameterNames.get(name) ?? [];
  }

  global(index: number): ReturnType<TranslateContext["global"]> {
    const known = this.placed.get(index);
    if (known !== undefined) return known;
    const where = this.placeGlobal(index);
    this.placed.set(index, where);
    return where;
  }

  private placeGlobal(index: number): ReturnType<TranslateContext["global"]> {
    const wasm = this.module.globals[index];
    const value = this.evaluation.globals[index];
    if (wasm === undefined || value == null) return null;
    const source = this.asc.globals.get(wasm.name);
    if (!wasm.mutable || source === undefined || source.constant || isLibrary(wasm.name))
      return { kind: "constant", value };
    const name = wasm.name.slice(wasm.name.lastIndexOf("/") + 1);
    const size = source.type.kind === "int" ? source.type.size : 0;
    if (size !== 1 && size !== 2 && size !== 4 && size !== 8) {
      // A variable that holds a reference would be a pointer in memory.
      const message = `the module-level variable "${name}" holds a reference`;
      this.report(problem("C014", message, source.place, { remedy: "declare it `const`" }));
      throw new Unsupported(message);
    }
    const map = value === 0n ? ".bss" : ".data";
    const offset = this.data.add(map, name, integerBytes(value, size), source.type, size);
    return { kind: "data", map, offset, size, signed: source.type.signed };
  }

  literal(address: bigint): { map: string; offset: number; length: number } | null {
    const known = this.literals.get(address);
    if (known !== undefined) return known;
    const at = Number(address);
    if (!this.evaluation.objects.some((o) => at > o.start && at <= o.end)) return null;
    const bytes = new TextEncoder().encode(`${readString(this.evaluation.memory, at)}\0`);
    const offset = this.data.add(".rodata", "text", bytes, null, 1);
    const literal = { map: ".rodata", offset, length: bytes.length };
    this.literals.set(address, literal);
    return literal;
  }
}

/** `start:filter~anonymous|0` is an arrow function to the reader. */
function sourceName(internal: string): string {
  const name = internal.slice(internal.lastIndexOf("/") + 1);
  return name.includes("~anonymous") ? "the arrow function" : `"${name}"`;
}
