/**
 * An object made ready for one kernel: CO-RE relocations are answered by the kernel's types, variables of the configuration by
 * its configuration. Everything that loads, verifies or runs an object of clang goes through here; an object that depends on
 * neither comes back as it is.
 */
import { coreTarget } from "../btf/index.ts";
import type { Btf, CoreTarget } from "../btf/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic, Place } from "../diag/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn } from "../isa/index.ts";
import { relocateCore } from "./core-relocate.ts";
import { objectProblem } from "./diagnostics.ts";
import { configValue, encodeConfig, isFact } from "./kernel-config.ts";
import type { KernelConfig } from "./kernel-config.ts";
import type { ConfigReference, FunctionSpec, MapSpec, ObjectSpec } from "./object.ts";

/** The kernel that an object is for, as far as it is known. */
export interface KernelFacts {
  /** Its types. */
  readonly types?: Btf | null;
  readonly config?: KernelConfig | null;
}

/** What `adaptObject` needs to know of a kernel. */
export function needsOf(object: ObjectSpec): { readonly types: boolean; readonly config: boolean } {
  return {
    types: [...object.programs, ...object.subprograms].some(({ core }) => core !== undefined),
    config: object.maps.some(({ config }) => config !== undefined),
  };
}

/**
 * The object for that kernel. What depends on a fact that is not given stays as it was. Throws DiagnosticError: O009 for a
 * relocation that cannot be answered, O010 for a value that the configuration does not have; B004 and B008 for damaged BTF.
 */
export function adaptObject(object: ObjectSpec, { types = null, config = null }: KernelFacts): ObjectSpec {
  const needs = needsOf(object);
  const withCode = types !== null && needs.types ? adaptCode(object, coreTarget(types)) : object;
  return config !== null && needs.config ? adaptMaps(withCode, config) : withCode;
}

function adaptCode(object: ObjectSpec, kernel: CoreTarget): ObjectSpec {
  const problems: Diagnostic[] = [];
  const adapt = <F extends FunctionSpec>(fn: F): F => adaptFunction(fn, object.btf, kernel, problems);
  const adapted = { ...object, programs: object.programs.map(adapt), subprograms: object.subprograms.map(adapt) };
  if (problems.length > 0) throw new DiagnosticError(problems);
  return adapted;
}

function adaptFunction<F extends FunctionSpec>(fn: F, local: Btf, kernel: CoreTarget, problems: Diagnostic[]): F {
  const { core, ...rest } = fn;
  if (core === undefined) return fn;
  const bySlot = new Map<number, Insn>();
  let end = 0;
  for (const insn of fn.insns) {
    bySlot.set(end, insn);
    end += slotsOf(insn);
  }
  const { insns, refusals } = relocateCore(bySlot, core, local, kernel);
  for (const { slot, why } of refusals) {
    const message = `a CO-RE relocation of ${fn.name} cannot be applied: ${why}`;
    problems.push({ ...objectProblem("O009", message, ""), place: placeOf(fn, slot) });
  }
  return { ...(rest as F), insns: [...insns.values()] };
}

/** The source line of a slot, or the slot itself. */
function placeOf(fn: FunctionSpec, slot: number): Place {
  const line = fn.lines.findLast((l) => l.slot <= slot);
  if (line === undefined) return { kind: "path", file: fn.name, path: `slot ${slot}` };
  return { kind: "source", file: line.file, line: line.line, column: line.column, text: line.text };
}

function adaptMaps(object: ObjectSpec, config: KernelConfig): ObjectSpec {
  const problems: Diagnostic[] = [];
  const maps = object.maps.map((map) => fillIn(map, object.btf, config, problems));
  if (problems.length > 0) throw new DiagnosticError(problems);
  return { ...object, maps };
}

function fillIn(
  { config: references, ...map }: MapSpec,
  btf: Btf,
  config: KernelConfig,
  problems: Diagnostic[],
): MapSpec {
  if (references === undefined || map.initial === null) return map;
  const initial = map.initial.slice();
  for (const reference of references) {
    const bytes = bytesOf(reference, btf, config);
    if (typeof bytes !== "string") initial.set(bytes, reference.offset);
    else problems.push(objectProblem("O010", `${reference.name} ${bytes}`, `maps[${map.name}].${reference.name}`));
  }
  return { ...map, initial };
}

/** The bytes of a variable, or what is wrong. */
function bytesOf({ name, type, weak }: ConfigReference, btf: Btf, config: KernelConfig): Uint8Array | string {
  if (config.options === null && !isFact(name)) return "cannot be told: the kernel's configuration is not known";
  const value = configValue(name, config);
  if (value === undefined) return weak ? new Uint8Array() : "is not in the kernel's configuration";
  return encodeConfig(value, btf, type) ?? `is ${value} in the kernel's configuration, which its type cannot hold`;
}
