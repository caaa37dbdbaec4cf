/**
 * What must hold of an ObjectSpec beyond its type. Whoever takes objects from outside, or writes them out, asks here first;
 * the diagnostics are data, so a test can say which rule a broken object breaks.
 */
import { checkNames, sizeOf } from "../btf/index.ts";
import type { Btf, TypeId } from "../btf/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic } from "../diag/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn } from "../isa/index.ts";
import { MAPS_OF_MAPS, sectionMeaning } from "../kernel/index.ts";
import { dataSectionTraits, isDataSection, isZeroSection } from "./data-section.ts";
import { externTypeOf } from "./kernel-types.ts";
import { objectProblem } from "./diagnostics.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec, Relocation } from "./object.ts";

/** The name of the section that holds map definitions in an ELF object. */
export const MAPS_SECTION = ".maps";

/** The name of the section of types that tells which functions are the kernel's. */
export const KSYMS_SECTION = ".ksyms";

/** Section names that mean something else than programs; those with a dot first are ELF's own, subprograms or data. */
const RESERVED_SECTION = /^$|^\.|^(license|version|maps)$|\0/;

/** Everything that is wrong with the object; empty when it can be written, linked and loaded. */
export function checkObject(object: ObjectSpec): Diagnostic[] {
  return [
    ...checkUnique(object),
    ...checkNames(object.btf),
    ...checkReserved(object.btf),
    ...object.programs.flatMap((p) => [...checkSection(p), ...checkFunction(object, p, `programs[${p.name}]`)]),
    ...object.subprograms.flatMap((f) => checkFunction(object, f, `subprograms[${f.name}]`)),
    ...checkFunctionTypes(object),
    ...object.maps.flatMap((m) =>
      m.initial === null || m.type === "struct_ops" ? checkMap(object.btf, m) : checkDataMap(object.btf, m, m.initial),
    ),
    ...object.maps.flatMap((m) => checkEntries(object, m)),
  ];
}

/** Throws what `checkObject` finds. */
export function assertObject(object: ObjectSpec): void {
  const problems = checkObject(object);
  if (problems.length > 0) throw new DiagnosticError(problems);
}

/** Functions and maps are symbols of one table, so their names must differ. */
function checkUnique(object: ObjectSpec): Diagnostic[] {
  const seen = new Set<string>();
  return [...object.programs, ...object.subprograms, ...object.maps].flatMap(({ name }) => {
    if (name !== "" && !seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [objectProblem("O001", name === "" ? "something has no name" : `two things are called ${name}`, name)];
  });
}

function checkReserved(btf: Btf): Diagnostic[] {
  return btf.types.flatMap((type, id) =>
    type.kind === "datasec" && (type.name === MAPS_SECTION || type.name === KSYMS_SECTION)
      ? [objectProblem("O008", `the types have a ${type.name} section of their own`, `btf.types[${id}]`)]
      : [],
  );
}

function checkSection(program: ProgramSpec): Diagnostic[] {
  const path = `programs[${program.name}]`;
  if (program.linkage !== "global") {
    return [objectProblem("O005", `the program ${program.name} is static`, path, { remedy: "make programs global" })];
  }
  if (RESERVED_SECTION.test(program.section)) {
    return [
      objectProblem("O008", `the program ${program.name} is in a section that is not for programs`, path, {
        found: JSON.stringify(program.section),
      }),
    ];
  }
  const meaning = sectionMeaning(program.section) ?? { type: "unspec", attach: null, flags: 0 };
  const found = { type: program.type, attach: program.attach, flags: program.flags };
  if (meaning.type === found.type && meaning.attach === found.attach && meaning.flags === found.flags) return [];
  return [
    objectProblem(
      "O005",
      `the section name ${program.section} does not say what the program ${program.name} is`,
      path,
      {
        expected: JSON.stringify(meaning),
        found: JSON.stringify(found),
      },
    ),
  ];
}

function checkFunction(object: ObjectSpec, fn: FunctionSpec, path: string): Diagnostic[] {
  const bySlot = new Map<number, Insn>();
  let slot = 0;
  for (const insn of fn.insns) {
    bySlot.set(slot, insn);
    slot += slotsOf(insn);
  }
  const problems: Diagnostic[] = [];
  if (slot === 0)
    problems.push(
      objectProblem("O003", `the function ${fn.name} has no instructions`, path, { remedy: "end it with `exit`" }),
    );
  fn.relocations.forEach((r, i) => {
    problems.push(...checkRelocation(object, fn, r, bySlot.get(r.slot), `${path}.relocations[${i}]`));
  });
  const slots = fn.relocations.map((r) => r.slot);
  if (new Set(slots).size !== slots.length) {
    problems.push(objectProblem("O003", `${fn.name} has two relocations at one slot`, `${path}.relocations`));
  }
  fn.lines.forEach((line, i) => {
    const before = fn.lines[i - 1]?.slot ?? -1;
    if (line.slot > before && bySlot.has(line.slot) && (i > 0 || line.slot === 0)) return;
    problems.push(
      objectProblem("O004", `the source lines of ${fn.name} are out of order`, `${path}.lines[${i}]`, {
        expected: i === 0 ? "slot 0" : `the first slot of an instruction behind slot ${before}`,
        found: `slot ${line.slot}`,
      }),
    );
  });
  return problems;
}

function checkRelocation(
  object: ObjectSpec,
  fn: FunctionSpec,
  r: Relocation,
  insn: Insn | undefined,
  path: string,
): Diagnostic[] {
  const wanted = r.kind === "call" || r.kind === "kfunc" ? "call" : "load_imm64";
  if (insn?.kind !== wanted) {
    const message = `the ${r.kind} relocation at slot ${r.slot} of ${fn.name} does not fit`;
    return [objectProblem("O003", message, path, { expected: wanted, found: insn?.kind ?? "no instruction" })];
  }
  if (r.kind === "call" || r.kind === "func") {
    if (object.subprograms.some((f) => f.name === r.func)) return [];
    return [
      objectProblem(
        "O002",
        `${fn.name} refers to the function ${r.func}, which is not a subprogram of the object`,
        path,
      ),
    ];
  }
  if (r.kind === "kfunc" || r.kind === "ksym") return checkKernelReference(object.btf, fn, r, path);
  const map = object.maps.find((m) => m.name === r.map);
  if (map === undefined)
    return [objectProblem("O002", `${fn.name} refers to the map ${r.map}, which the object does not have`, path)];
  if (r.kind === "map") {
    return map.initial === null
      ? []
      : [objectProblem("O002", `${fn.name} refers to the data section ${r.map} as to a map`, path)];
  }
  if (map.type === "arena" && Number.isInteger(r.offset) && r.offset >= 0) return [];
  if (map.initial !== null && Number.isInteger(r.offset) && r.offset >= 0 && r.offset < map.valueSize) return [];
  return [
    objectProblem("O002", `${fn.name} refers to data that ${r.map} does not have`, path, {
      expected: map.initial === null ? "a data section" : `an offset below ${map.valueSize}`,
      found: String(r.offset),
    }),
  ];
}

function checkKernelReference(
  btf: Btf,
  fn: FunctionSpec,
  r: Extract<Relocation, { kind: "kfunc" | "ksym" }>,
  path: string,
): Diagnostic[] {
  const [name, does] = r.kind === "kfunc" ? [r.kfunc, "calls the kernel's function"] : [r.ksym, "takes the address of"];
  const kind = btf.types[externTypeOf(btf, name) ?? 0]?.kind;
  if (kind === "func" || (kind === "var" && r.kind === "ksym")) return [];
  return [
    objectProblem("O002", `${fn.name} ${does} ${name}, whose type the object does not have`, path, {
      expected: `a func${r.kind === "kfunc" ? "" : " or var"} ${name} of linkage extern`,
    }),
  ];
}

/** libbpf refuses an object of which some functions have func_info and some have not. */
function checkFunctionTypes(object: ObjectSpec): Diagnostic[] {
  const functions = [...object.programs, ...object.subprograms];
  const some = functions.some((f) => f.btfId !== 0);
  return functions.flatMap((f) => {
    const kind = object.btf.types[f.btfId]?.kind;
    if (kind === "func" || (f.btfId === 0 && !some)) return [];
    return [
      objectProblem("O007", `the function ${f.name} has no func type`, f.name, {
        expected: "func",
        found: kind ?? `type ${f.btfId}`,
      }),
    ];
  });
}

function checkMap(btf: Btf, map: MapSpec): Diagnostic[] {
  const path = `maps[${map.name}]`;
  const problems: Diagnostic[] = checkInner(btf, map);
  if (map.frozen) problems.push(objectProblem("O006", `the map ${map.name} is frozen without an initial value`, path));
  if (map.name.startsWith("."))
    problems.push(objectProblem("O006", `the map ${map.name} has a data section's name`, path));
  if (map.type === "unspec") problems.push(objectProblem("O006", `the map ${map.name} has no type`, path));
  for (const [what, value] of [
    ["maxEntries", map.maxEntries],
    ["flags", map.flags],
    ["keySize", map.keySize],
    ["valueSize", map.valueSize],
  ] as const) {
    // prettier-ignore
    if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) continue;
    problems.push(
      objectProblem("O006", `${what} of the map ${map.name} is not a 32-bit number`, path, { found: String(value) }),
    );
  }
  problems.push(...checkTypedSize(btf, map, "key", map.keyType, map.keySize));
  // The records of a ring buffer have a type, but its value size is 0.
  if (map.valueSize !== 0) problems.push(...checkTypedSize(btf, map, "value", map.valueType, map.valueSize));
  else if (btf.types[map.valueType] === undefined) problems.push(unknownType(map, map.valueType));
  return problems;
}

/** Only maps of maps have an inner map, which is an ordinary one: the kernel nests no deeper. */
function checkInner(btf: Btf, { name, type, valueSize, inner }: MapSpec): Diagnostic[] {
  if (inner === null) return [];
  // prettier-ignore
  const rules: readonly (readonly [boolean, string])[] = [
    [MAPS_OF_MAPS.has(type), "array_of_maps or hash_of_maps"],
    [!MAPS_OF_MAPS.has(inner.type) && inner.inner === null, "an inner map that holds no maps"],
    [valueSize === 4, "values of 4 bytes, descriptors"],
    [inner.initial === null, "an inner map without an initial value"],
  ];
  const broken = rules.filter(([holds]) => !holds);
  if (broken.length === 0) return checkMap(btf, inner);
  return broken.map(([, expected]) =>
    objectProblem("O006", `the map ${name} cannot hold that inner map`, `maps[${name}]`, {
      expected,
      found: `${type} of ${inner.type}, values of ${valueSize} bytes`,
    }),
  );
}

/** A map of maps holds maps of the object from the start, a prog_array and a struct_ops map programs. */
function checkEntries({ maps, programs }: ObjectSpec, { name, type, entries = [] }: MapSpec): Diagnostic[] {
  const known = MAPS_OF_MAPS.has(type) ? maps : HOLD_PROGRAMS.has(type) ? programs : [];
  return entries.flatMap((entry, i) => {
    const isIndex = Number.isInteger(entry.index) && entry.index >= 0;
    if (isIndex && known.some((thing) => thing.name === entry.name)) return [];
    const message = `the map ${name} cannot hold ${entry.name} at ${entry.index}`;
    return [objectProblem("O002", message, `maps[${name}].entries[${i}]`)];
  });
}

const HOLD_PROGRAMS: ReadonlySet<MapSpec["type"]> = new Set<MapSpec["type"]>(["prog_array", "struct_ops"]);

function checkTypedSize(btf: Btf, map: MapSpec, what: "key" | "value", type: TypeId, size: number): Diagnostic[] {
  if (type === 0) return [];
  if (btf.types[type] === undefined) return [unknownType(map, type)];
  try {
    const typed = sizeOf(btf, type);
    if (typed === size) return [];
    const sizes = { expected: `${typed} bytes, as its type`, found: `${size} bytes` };
    return [objectProblem("O006", `the ${what} size of the map ${map.name} is wrong`, `maps[${map.name}]`, sizes)];
  } catch (error) {
    if (error instanceof DiagnosticError) return [...error.diagnostics];
    throw error;
  }
}

function unknownType(map: MapSpec, type: TypeId): Diagnostic {
  return objectProblem("O006", `the map ${map.name} refers to type ${type}, which is not there`, `maps[${map.name}]`);
}

function checkDataMap(btf: Btf, map: MapSpec, initial: Uint8Array): Diagnostic[] {
  const traits = dataSectionTraits(map.name);
  const type = btf.types[map.valueType];
  // prettier-ignore
  const rules: readonly (readonly [boolean, string])[] = [
    [map.inner === null, "no inner map"],
    [isDataSection(map.name), "a name of .data, .rodata or .bss"],
    [map.type === "array" && map.keySize === 4 && map.maxEntries === 1, "an array of one entry with a key of 4 bytes"],
    [map.valueSize === initial.length && initial.length > 0, "an initial value of the value's size"],
    [map.flags === traits.flags && map.frozen === traits.frozen, `flags ${traits.flags}, frozen: ${traits.frozen}`],
    [!isZeroSection(map.name) || initial.every((byte) => byte === 0), "zeros in .bss"],
    [map.valueType === 0 || (type?.kind === "datasec" && type.name === map.name && type.size === map.valueSize), "a datasec of the same name and size as value type"],
  ];
  return rules
    .filter(([holds]) => !holds)
    .map(([, expected]) =>
      objectProblem("O006", `the data section ${map.name} is not one`, `maps[${map.name}]`, { expected }),
    );
}
