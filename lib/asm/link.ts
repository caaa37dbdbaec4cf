/**
 * One program of an object with all functions it calls, as one list of instructions.
 *
 * The program comes first, then each subprogram in the order of first use, last the function that is called back when an
 * exception is thrown. Calls and function addresses become distances; references to maps and to what is the kernel's stay empty
 * and are listed, for the loader, the verifier or the virtual machine to fill in.
 */
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic, Place } from "../diag/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn, LoadImm64 } from "../isa/index.ts";
import { kernelTypeOf } from "../object/index.ts";
import type {
  FunctionSpec,
  KernelReference,
  LinkedProgram,
  ObjectSpec,
  ProgramSpec,
  Relocation,
} from "../object/index.ts";
import { asmError } from "./diagnostics.ts";

/**
 * Throws `DiagnosticError` for a program (A009), function (A010) or map (A011) that the object does not have, a relocation
 * at the wrong instruction (A012) and a called name that two subprograms have (A013); the place is the source line of the
 * relocation, or its function and slot where there is no line.
 */
export function link(object: ObjectSpec, programName: string): LinkedProgram {
  const program = findProgram(object, programName);
  const problems: Diagnostic[] = [];
  const parts = layOut(object, program, problems);
  if (problems.length > 0) throw new DiagnosticError(problems);
  const starts = new Map(parts.map((part) => [part.fn.name, part.start]));
  const insns = parts.flatMap((part) => linkFunction(part, { object, starts, problems }));
  if (problems.length > 0) throw new DiagnosticError(problems);
  return {
    name: program.name,
    type: program.type,
    attach: program.attach,
    flags: program.flags,
    license: object.license,
    insns,
    functions: parts.map(({ fn, start }) => ({ slot: start, name: fn.name, btfId: fn.btfId })),
    lines: parts.flatMap(({ fn, start }) => fn.lines.map((line) => ({ ...line, slot: line.slot + start }))),
    mapReferences: parts.flatMap(mapReferences),
    kernelCalls: parts.flatMap((part) => kernelReferences(part, object, "kfunc")),
    kernelAddresses: parts.flatMap((part) => kernelReferences(part, object, "ksym")),
  };
}

/** A function and the slot where it starts in the whole. */
interface Part {
  readonly fn: FunctionSpec;
  readonly start: number;
}

function findProgram(object: ObjectSpec, name: string): ProgramSpec {
  const program = object.programs.find((p) => p.name === name);
  if (program !== undefined) return program;
  const expected = object.programs.map((p) => p.name).join(", ");
  throw new DiagnosticError([
    asmError("A009", { kind: "none" }, `the object has no program ${name}`, { expected, found: name }),
  ]);
}

/** The program and the subprograms that it reaches, breadth first. */
function layOut(object: ObjectSpec, program: ProgramSpec, problems: Diagnostic[]): Part[] {
  const functions = new Set<FunctionSpec>([program]);
  addCallees(object, functions, problems);
  const callback = exceptionCallback(object, program);
  if (callback !== null) {
    functions.add(callback);
    addCallees(object, functions, problems);
  }
  let end = 0;
  return [...functions].map((fn) => {
    const start = end;
    end += slotCount(fn.insns);
    return { fn, start };
  });
}

/** Adds what the functions call, and what that calls. */
function addCallees(object: ObjectSpec, functions: Set<FunctionSpec>, problems: Diagnostic[]): void {
  for (const fn of functions) {
    for (const relocation of inOrder(fn.relocations)) {
      if (relocation.kind !== "call" && relocation.kind !== "func") continue;
      const callee = findFunction(object, fn, relocation, problems);
      if (callee !== null) functions.add(callee);
    }
  }
}

/** The kernel's own name for the tag of a program whose exceptions go to a function. */
const EXCEPTION_TAG = "exception_callback:";

/** The function that a tag of the program's type names, if the object has it: nothing calls it. */
function exceptionCallback(object: ObjectSpec, { btfId }: ProgramSpec): FunctionSpec | null {
  const tag = object.btf.types.find(
    (type) =>
      type.kind === "decl_tag" && type.type === btfId && type.component === -1 && type.name.startsWith(EXCEPTION_TAG),
  );
  const name = tag?.kind === "decl_tag" ? tag.name.slice(EXCEPTION_TAG.length) : null;
  return object.subprograms.find((fn) => fn.name === name) ?? null;
}

function slotCount(insns: readonly Insn[]): number {
  return insns.reduce((sum, insn) => sum + slotsOf(insn), 0);
}

function inOrder(relocations: readonly Relocation[]): Relocation[] {
  return relocations.toSorted((a, b) => a.slot - b.slot);
}

function findFunction(
  object: ObjectSpec,
  user: FunctionSpec,
  relocation: Relocation & { readonly kind: "call" | "func" },
  problems: Diagnostic[],
): FunctionSpec | null {
  const found = object.subprograms.filter((f) => f.name === relocation.func);
  const place = placeOf(user, relocation.slot);
  if (found.length === 0) {
    const expected = object.subprograms.map((f) => f.name).join(", ") || "a subprogram of the object; it has none";
    const message = `${user.name} uses the function ${relocation.func}, which the object does not have`;
    const isProgram = object.programs.some((p) => p.name === relocation.func);
    const remedy = "move what both need into a function of its own: a program cannot be called";
    const more = { expected, found: relocation.func, ...(isProgram ? { remedy } : {}) };
    problems.push(asmError("A010", place, message, more));
  }
  if (found.length > 1) {
    const message = `${user.name} uses the function ${relocation.func}, of which the object has ${found.length}`;
    problems.push(asmError("A013", place, message));
  }
  return found.length === 1 ? (found[0] ?? null) : null;
}

/** The source line that covers a slot of a function, or the slot itself. */
function placeOf(fn: FunctionSpec, slot: number): Place {
  const line = fn.lines.findLast((l) => l.slot <= slot);
  if (line === undefined) return { kind: "path", file: fn.name, path: `slot ${slot}` };
  return { kind: "source", file: line.file, line: line.line, column: line.column, text: line.text };
}

/** What relocations are resolved against. */
interface Context {
  readonly object: ObjectSpec;
  /** Slot of each function by name. */
  readonly starts: ReadonlyMap<string, number>;
  readonly problems: Diagnostic[];
}

function linkFunction(part: Part, context: Context): Insn[] {
  const bySlot = new Map(part.fn.relocations.map((r) => [r.slot, r]));
  let slot = 0;
  const insns = part.fn.insns.map((insn) => {
    const relocation = bySlot.get(slot);
    bySlot.delete(slot);
    slot += slotsOf(insn);
    return relocation === undefined ? insn : relocate(part, insn, relocation, context);
  });
  for (const stray of bySlot.values()) context.problems.push(misplaced(part.fn, stray, "no instruction starts there"));
  return insns;
}

function relocate(
  { fn, start }: Part,
  insn: Insn,
  relocation: Relocation,
  { object, starts, problems }: Context,
): Insn {
  if (insn.kind !== (relocation.kind === "call" || relocation.kind === "kfunc" ? "call" : "load_imm64")) {
    problems.push(misplaced(fn, relocation, `the instruction there is a ${insn.kind}`));
    return insn;
  }
  if (relocation.kind === "kfunc") return { kind: "call", target: { kind: "kfunc", btfId: 0, off: 0 } };
  if (relocation.kind === "ksym") return { ...(insn as LoadImm64), pseudo: "btf_id", imm: 0n };
  if (relocation.kind === "call" || relocation.kind === "func") {
    const delta = (starts.get(relocation.func) ?? 0) - (start + relocation.slot + 1);
    if (insn.kind !== "load_imm64") return { kind: "call", target: { kind: "local", delta } };
    return { ...insn, pseudo: "func", imm: BigInt.asUintN(32, BigInt(delta)) };
  }
  if (!object.maps.some((m) => m.name === relocation.map)) {
    const message = `${fn.name} uses the map ${relocation.map}, which the object does not have`;
    const expected = object.maps.map((m) => m.name).join(", ") || "a map of the object; it has none";
    problems.push(asmError("A011", placeOf(fn, relocation.slot), message, { expected, found: relocation.map }));
  }
  return mapLoad(insn as LoadImm64, relocation);
}

function mapLoad(insn: LoadImm64, relocation: Relocation): LoadImm64 {
  if (relocation.kind !== "map_value") return { ...insn, pseudo: "map_fd", imm: 0n };
  return { ...insn, pseudo: "map_value", imm: BigInt.asUintN(32, BigInt(relocation.offset)) << 32n };
}

function misplaced(fn: FunctionSpec, relocation: Relocation, why: string): Diagnostic {
  const message = `the ${relocation.kind} relocation to ${nameIn(relocation)} at slot ${relocation.slot} of ${fn.name} does not fit: ${why}`;
  return asmError("A012", placeOf(fn, relocation.slot), message);
}

function nameIn(relocation: Relocation): string {
  switch (relocation.kind) {
    case "map":
    case "map_value":
      return relocation.map;
    case "call":
    case "func":
      return relocation.func;
    case "kfunc":
      return relocation.kfunc;
    case "ksym":
      return relocation.ksym;
  }
}

function mapReferences({ fn, start }: Part): LinkedProgram["mapReferences"][number][] {
  return inOrder(fn.relocations).flatMap((r) => {
    if (r.kind !== "map" && r.kind !== "map_value") return [];
    return [{ slot: start + r.slot, map: r.map, kind: r.kind, offset: r.kind === "map_value" ? r.offset : 0 }];
  });
}

function kernelReferences({ fn, start }: Part, { btf }: ObjectSpec, kind: "kfunc" | "ksym"): KernelReference[] {
  return inOrder(fn.relocations).flatMap((r) => {
    if (r.kind !== kind) return [];
    const name = nameIn(r);
    return [{ slot: start + r.slot, name, type: kernelTypeOf(btf, name) ?? 0, weak: r.weak === true }];
  });
}
