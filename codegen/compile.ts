/**
 * From sources to an ObjectSpec: this file is the compiler's table of contents.
 */
import { DiagnosticError, type Diagnostic } from "../lib/diag/index.ts";
import { LIMITS } from "../lib/kernel/index.ts";
import type { ObjectSpec } from "../lib/object/index.ts";
import { problem, withSourceText } from "./diagnostics.ts";
import { compileFunction } from "./emit/function.ts";
import { assembleObject, type Compiled } from "./emit/object.ts";
import {
  checkCallbacks,
  placeMemory,
  resolveCallbacks,
  runFrontend,
  type Frontend,
  type ReadSource,
} from "./frontend/index.ts";
import type { IrFunction, IrModule } from "./ir/ir.ts";
import { printFunction } from "./ir/print.ts";
import { checkAccesses } from "./passes/check-access.ts";
import { checkHooks } from "./passes/check-hooks.ts";
import { optimise } from "./passes/index.ts";
import { findProvenance } from "./passes/provenance.ts";
import { nodeReaders } from "./sources.ts";

/** eBPF instruction set version to compile for; v3 (32-bit jumps) needs Linux 5.1, v4 Linux 6.6. */
export type Cpu = "v1" | "v2" | "v3" | "v4";

export interface CompileOptions {
  /** Default "v3". */
  readonly cpu?: Cpu;
  /** Checks the IR between all passes (slow; for tests). */
  readonly check?: boolean;
  /** Called with the IR as text after each pass that changed something. */
  readonly dump?: (pass: string, functionName: string, text: string) => void;
}

export interface CompileResult {
  /** Null when there are errors. */
  readonly object: ObjectSpec | null;
  readonly diagnostics: readonly Diagnostic[];
  /** What each step took, in milliseconds, in order. */
  readonly timings: readonly { readonly step: string; readonly ms: number }[];
}

/** Compiles a program on disk. Imports are resolved from its folder; `ebpf-ts/std` is the package's library. */
export async function compileFile(path: string, options: CompileOptions = {}): Promise<CompileResult> {
  const { entry, read, library } = nodeReaders(path);
  return compile(entry, read, library, options);
}

/** Compiles sources held in memory: `files` by name, `entry` one of them. */
export async function compileSources(
  files: Readonly<Record<string, string>>,
  entry: string,
  options: CompileOptions = {},
): Promise<CompileResult> {
  return compile(entry, (name) => files[name] ?? null, nodeReaders(entry).library, options);
}

async function compile(
  entry: string,
  read: ReadSource,
  library: ReadSource,
  options: CompileOptions,
): Promise<CompileResult> {
  const timings: { step: string; ms: number }[] = [];
  let last = performance.now();
  const step = (name: string): void => {
    const now = performance.now();
    timings.push({ step: name, ms: now - last });
    last = now;
  };
  if ((await read(entry)) === null) {
    return { object: null, diagnostics: [problem("C025", `${entry} cannot be read`, null)], timings };
  }
  const { frontend, diagnostics } = await runFrontend(entry, read, library, step);
  if (frontend === null) return { object: null, diagnostics, timings };
  try {
    const found = middle(frontend, options, step);
    if (found.length > 0) return failed(found, frontend, timings);
    const functions = [...frontend.module.functions.values()].map((fn): Compiled => ({
      fn,
      code: compileFunction(fn, { cpu: options.cpu ?? "v3" }),
    }));
    const stack = checkStack(functions);
    if (stack.length > 0) return failed(stack, frontend, timings);
    step("select instructions and allocate registers");
    const object = assembleObject(frontend, functions);
    step("assemble the object");
    return { object, diagnostics: [], timings };
  } catch (error) {
    if (error instanceof DiagnosticError) return failed(error.diagnostics, frontend, timings);
    throw error;
  }
}

function failed(
  diagnostics: readonly Diagnostic[],
  frontend: Frontend,
  timings: CompileResult["timings"],
): CompileResult {
  return { object: null, diagnostics: diagnostics.map((d) => withSourceText(d, frontend.sources)), timings };
}

/** Optimises scalars, finds memory objects and pointers, checks accesses, optimises again. */
function middle(frontend: Frontend, options: CompileOptions, step: (name: string) => void): Diagnostic[] {
  const { module, evaluation, data } = frontend;
  const dump = options.dump;
  const passOptions = {
    check: options.check ?? false,
    ...(dump === undefined ? {} : { dump: (pass: string, fn: IrFunction) => dump(pass, fn.name, printFunction(fn)) }),
  };
  optimise(module, "scalar", passOptions);
  while (resolveCallbacks(frontend)) optimise(module, "scalar", passOptions);
  const callbacks = [...frontend.mistakes(), ...checkCallbacks(frontend)];
  if (callbacks.length > 0) return callbacks;
  if (placeMemory(module, evaluation, data)) optimise(module, "scalar", passOptions);
  step("optimise");
  const maps = new Map(
    evaluation.maps
      .flatMap((m) => (m.inner === null ? [m] : [m, m.inner]))
      .map((m) => [m.name, { type: m.type, key: m.key?.size ?? 0, value: m.value?.size ?? 0 }]),
  );
  const facts = { mapOf: (handle: number) => evaluation.mapOf(handle), map: (name: string) => maps.get(name) ?? null };
  const typing = findProvenance(module, facts);
  if (typing.length > 0) return typing;
  const hooks = new Map(evaluation.programs.map((p) => [p.name, p.hook]));
  const accesses = [...checkAccesses(module), ...checkCalls(module), ...checkHooks(module, hooks)];
  if (accesses.length > 0) return accesses;
  optimise(module, "pointers", { ...passOptions, mapSizes: (map) => maps.get(map) ?? null });
  step("find and check pointers");
  return [];
}

/** Calls that stay calls: five arguments, and no way to end the program from inside. */
function checkCalls(module: IrModule): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const fn of module.functions.values()) {
    for (const block of fn.blocks) {
      for (const value of block.values) {
        if (value.op === "call" && value.args.length > 5)
          found.push(problem("C017", `${value.args.length} arguments are passed in a call`, value.place));
      }
      if (block.terminator.op === "trap" && fn.entry === null)
        found.push(
          problem("C022", "a run-time check fails inside of a function that is not inlined", block.terminator.place),
        );
    }
  }
  return found;
}

/** Bytes of the deepest call chain, frames rounded up to 32 as the kernel counts them (round_up_stack_depth). */
function checkStack(functions: readonly Compiled[]): Diagnostic[] {
  const byName = new Map(functions.map((c) => [c.fn.name, c]));
  const depth = (c: Compiled): number => {
    const own = Math.ceil(Math.max(c.code.stackBytes, 1) / 32) * 32;
    const callees = c.code.relocations.flatMap((r) =>
      r.kind === "call" || r.kind === "func" ? [byName.get(r.func)] : [],
    );
    return own + Math.max(0, ...callees.map((callee) => (callee === undefined ? 0 : depth(callee))));
  };
  return functions.flatMap((c) => {
    const alone = c.code.stackBytes;
    const bytes = depth(c);
    if (c.fn.entry === null || (alone <= LIMITS.stackBytes && bytes <= Math.max(LIMITS.stackBytes, alone))) return [];
    const used = Math.max(bytes, alone);
    // prettier-ignore
    const biggest = c.fn.blocks
      .flatMap((b) => b.values)
      .reduce<{ size: number; place: IrFunction["place"] }>((best, v) => (v.op === "stack_slot" && v.size > best.size ? v : best), { size: 0, place: c.fn.place });
    return [
      problem("C007", `program "${c.fn.name}" needs ${used} bytes of stack`, biggest.place, {
        expected: `at most ${LIMITS.stackBytes} bytes in one call chain`,
        found: `${used} bytes; the biggest object here has ${biggest.size}`,
      }),
    ];
  });
}
