/** What must hold of an object, its canonical form, and what the kernel is given beside the instructions. */
import { describe, expect, test } from "vitest";
import { link } from "../../lib/asm/index.ts";
import { decodeBtf, decodeBtfSection } from "../../lib/btf/index.ts";
import type { Btf } from "../../lib/btf/index.ts";
import { SECTION_NAMES, sectionMeaning } from "../../lib/kernel/index.ts";
import { assertObject, canonicalize, checkObject, encodeObjectInfo } from "../../lib/object/index.ts";
import type { FunctionSpec, MapSpec, ObjectSpec, ProgramSpec } from "../../lib/object/index.ts";
import { codeOf } from "../btf/code-of.ts";
import { callbackObject, filterObject, nestedObject } from "../elf/samples.ts";

const GOOD = filterObject();

const RAW = GOOD.maps.find((m) => m.name === "raw") as MapSpec;

function withProgram(change: (p: ProgramSpec) => Partial<ProgramSpec>): ObjectSpec {
  return { ...GOOD, programs: GOOD.programs.map((p) => ({ ...p, ...change(p) })) };
}
function withSubprogram(change: (f: FunctionSpec) => Partial<FunctionSpec>): ObjectSpec {
  return { ...GOOD, subprograms: GOOD.subprograms.map((f) => ({ ...f, ...change(f) })) };
}
function withMap(name: string, change: Partial<MapSpec>): ObjectSpec {
  return { ...GOOD, maps: GOOD.maps.map((m) => (m.name === name ? { ...m, ...change } : m)) };
}

describe("checkObject", () => {
  test("valid objects", () => {
    expect(checkObject(GOOD)).toEqual([]);
    expect(checkObject(callbackObject())).toEqual([]);
    expect(checkObject(nestedObject())).toEqual([]);
  });

  // prettier-ignore
  const BAD: readonly [what: string, code: string, place: string, object: ObjectSpec][] = [
    ["a function named like a map",            "O001", "flows", withSubprogram(() => ({ name: "flows" }))],
    ["a map that is not there",                "O002", "programs[filter].relocations[0]", withProgram((p) => ({ relocations: [{ kind: "map", slot: 3, map: "gone" }, ...p.relocations.slice(1)] }))],
    ["a function that is not there",           "O002", "programs[filter].relocations[1]", { ...GOOD, subprograms: [] }],
    ["a kernel function without its type",     "O002", "programs[filter].relocations[1]", withProgram((p) => ({ relocations: [...p.relocations.slice(0, 1), { kind: "kfunc", slot: 10, kfunc: "bpf_nothing" }] }))],
    ["a data section as map",                  "O002", "programs[filter].relocations[0]", withProgram(() => ({ relocations: [{ kind: "map", slot: 3, map: ".rodata" }] }))],
    ["a map as data",                          "O002", "programs[filter].relocations[0]", withProgram(() => ({ relocations: [{ kind: "map_value", slot: 3, map: "flows", offset: 0 }] }))],
    ["data behind the end",                    "O002", "subprograms[limit].relocations[0]", withSubprogram(() => ({ relocations: [{ kind: "map_value", slot: 0, map: ".rodata", offset: 16 }] }))],
    ["a relocation between instructions",      "O003", "programs[filter].relocations[0]", withProgram(() => ({ relocations: [{ kind: "map", slot: 4, map: "flows" }] }))],
    ["a relocation at the wrong instruction",  "O003", "programs[filter].relocations[0]", withProgram(() => ({ relocations: [{ kind: "call", slot: 3, func: "limit" }] }))],
    ["two relocations at one slot",            "O003", "programs[filter].relocations", withProgram(() => ({ relocations: [{ kind: "map", slot: 3, map: "flows" }, { kind: "map", slot: 3, map: "raw" }] }))],
    ["a function without instructions",        "O003", "subprograms[limit]", withSubprogram(() => ({ insns: [], relocations: [], lines: [] }))],
    ["lines from slot 1",                      "O004", "programs[filter].lines[0]", withProgram((p) => ({ lines: p.lines.slice(1) }))],
    ["lines that go back",                     "O004", "programs[filter].lines[4]", withProgram((p) => ({ lines: [...p.lines, ...p.lines.slice(1, 2)] }))],
    ["a line in the middle of an instruction", "O004", "programs[filter].lines[1]", withProgram((p) => ({ lines: p.lines.map((l, i) => (i === 1 ? { ...l, slot: 4 } : l)) }))],
    ["another section's name",                 "O005", "programs[filter]", withProgram(() => ({ section: "tc" }))],
    ["another attach type",                    "O005", "programs[filter]", withProgram(() => ({ attach: null }))],
    ["flags that the name does not say",       "O005", "programs[filter]", withProgram(() => ({ flags: 1 }))],
    ["an unknown section with a type",         "O005", "programs[filter]", withProgram(() => ({ section: "mine" }))],
    ["a static program",                       "O005", "programs[filter]", withProgram(() => ({ linkage: "static" }))],
    ["a program in .text",                     "O008", "programs[filter]", withProgram(() => ({ section: ".text" }))],
    ["a key size that its type has not",       "O006", "maps[flows]", withMap("flows", { keySize: 4 })],
    ["a key type that is not there",           "O006", "maps[flows]", withMap("flows", { keyType: 1000 })],
    ["a map without type",                     "O006", "maps[raw]", withMap("raw", { type: "unspec" })],
    ["a frozen map",                           "O006", "maps[raw]", withMap("raw", { frozen: true })],
    ["an inner map in an ordinary one",        "O006", "maps[raw]", withMap("raw", { inner: RAW })],
    ["an inner map that holds maps",           "O006", "maps[raw]", withMap("raw", { type: "hash_of_maps", valueSize: 4, inner: { ...RAW, type: "array_of_maps" } })],
    ["an inner map with an initial value",     "O006", "maps[raw]", withMap("raw", { type: "hash_of_maps", valueSize: 4, inner: { ...RAW, initial: new Uint8Array(24) } })],
    ["a map of maps with large values",        "O006", "maps[raw]", withMap("raw", { type: "hash_of_maps", inner: RAW })],
    ["a broken inner map",                     "O006", "maps[raw]", withMap("raw", { type: "hash_of_maps", valueSize: 4, inner: { ...RAW, keyType: 1000 } })],
    ["a negative size",                        "O006", "maps[raw]", withMap("raw", { valueSize: -1 })],
    ["a value in .bss",                        "O006", "maps[.bss]", withMap(".bss", { initial: new Uint8Array(8).fill(1) })],
    ["an initial value of another size",       "O006", "maps[.rodata]", withMap(".rodata", { initial: new Uint8Array(8) })],
    ["writable .rodata",                       "O006", "maps[.rodata]", withMap(".rodata", { flags: 0, frozen: false })],
    ["data with another's type",               "O006", "maps[.bss]", withMap(".bss", { valueType: 1 })],
    ["a function without type among others",   "O007", "limit", withSubprogram(() => ({ btfId: 0 }))],
    ["a function whose type is none",          "O007", "limit", withSubprogram(() => ({ btfId: 1 }))],
    ["a .maps section in the types",           "O008", `btf.types[${GOOD.btf.types.length}]`, { ...GOOD, btf: { types: [...GOOD.btf.types, { kind: "datasec", name: ".maps", size: 8, variables: [] }] } }],
    ["a .ksyms section in the types",          "O008", `btf.types[${GOOD.btf.types.length}]`, { ...GOOD, btf: { types: [...GOOD.btf.types, { kind: "datasec", name: ".ksyms", size: 0, variables: [] }] } }],
    ["a name that the kernel refuses",         "B007", `types[${GOOD.btf.types.length}]`, { ...GOOD, btf: { types: [...GOOD.btf.types, { kind: "typedef", name: "a b", type: 0 }] } }],
  ];
  test.each(BAD)("%s: %s", (_, code, path, object) => {
    const found = checkObject(object).map((d) => [d.code, d.place.kind === "path" ? d.place.path : ""]);
    expect(found).toContainEqual([code, path]);
    expect(codeOf(() => assertObject(object))).not.toBe(null);
    expect(checkObject(object).every((d) => (d.remedy ?? "") !== "" && d.severity === "error")).toBe(true);
  });
});

describe("canonicalize", () => {
  test("groups, sorts, blanks; doing it again changes nothing", () => {
    const [filter] = GOOD.programs;
    if (filter === undefined) throw new Error("the sample has a program");
    const named = (name: string, section: string): ProgramSpec => ({ ...filter, name, section });
    const messy: ObjectSpec = {
      ...GOOD,
      programs: [named("a", "xdp"), named("b", "tc"), named("c", "xdp")].map((p) => ({
        ...p,
        relocations: p.relocations.toReversed(),
      })),
      maps: GOOD.maps.toReversed().map((m) => (m.initial === null ? m : { ...m, keyType: 1 })),
    };
    const clean = canonicalize({
      ...messy,
      programs: messy.programs.map((p) => ({
        ...p,
        insns: p.insns.map((i) => (i.kind === "load_imm64" ? { ...i, pseudo: "map_fd" as const, imm: 9n } : i)),
        lines: p.lines.map((l) => ({ ...l, column: 9999 })),
      })),
    });
    expect(clean.programs.map((p) => p.name)).toEqual(["a", "c", "b"]);
    expect(clean.programs[0]?.insns).toEqual(filter.insns);
    expect(clean.programs[0]?.relocations).toEqual(filter.relocations);
    expect(clean.programs[0]?.lines.map((l) => l.column)).toEqual([1023, 1023, 1023, 1023]);
    expect(clean.maps.map((m) => m.name)).toEqual(["raw", "events", "flows", ".bss", ".rodata"]);
    expect(clean.maps.at(-1)?.keyType).toBe(0);
    expect(canonicalize(clean)).toEqual(clean);
  });
});

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(i * 4, true));
}

/** The info of one program. */
function encodeProgramInfo(btf: Btf, program: Parameters<typeof encodeObjectInfo>[1][number]) {
  const { btf: bytes, records } = encodeObjectInfo(btf, [program]);
  return { btf: bytes, ...(records[0] as (typeof records)[number]) };
}

describe("encodeObjectInfo", () => {
  test("records count slots of the whole program and find their text in the BTF", () => {
    const program = link(GOOD, "filter");
    const { btf, funcInfo, lineInfo } = encodeProgramInfo(GOOD.btf, program);
    const { strings, btf: types } = decodeBtfSection(btf);
    expect(types).toEqual(GOOD.btf);
    expect(words(funcInfo)).toEqual([0, GOOD.programs[0]?.btfId, 12, GOOD.subprograms[0]?.btfId]);
    const lines = Array.from({ length: lineInfo.length / 16 }, (_, i) => {
      const [slot = 0, file = 0, text = 0, place = 0] = words(lineInfo.slice(i * 16, i * 16 + 16));
      return [slot, strings.get(file), strings.get(text).trim(), place >>> 10, place & 1023];
    });
    expect(lines).toEqual(program.lines.map((l) => [l.slot, l.file, l.text.trim(), l.line, l.column]));
    expect(lines.map(([slot]) => slot)).toEqual([0, 6, 7, 9, 12, 18]);
  });

  test("a subprogram without lines gets an empty one, a program without any has none", () => {
    const program = link(
      withSubprogram(() => ({ lines: [] })),
      "filter",
    );
    expect(words(encodeProgramInfo(GOOD.btf, program).lineInfo.slice(-16))).toEqual([12, 0, 0, 0]);
    expect(encodeProgramInfo(GOOD.btf, { ...program, lines: [] }).lineInfo.length).toBe(0);
  });

  test("programs of one object share the BTF and its strings", () => {
    const program = link(GOOD, "filter");
    const alone = encodeProgramInfo(GOOD.btf, program);
    const { btf, records } = encodeObjectInfo(GOOD.btf, [program, program]);
    expect(records).toEqual([
      { funcInfo: alone.funcInfo, lineInfo: alone.lineInfo },
      { funcInfo: alone.funcInfo, lineInfo: alone.lineInfo },
    ]);
    expect(btf).toEqual(alone.btf);
  });

  test("func_info is for all functions or for none", () => {
    const program = link(
      withSubprogram(() => ({ btfId: 0 })),
      "filter",
    );
    const info = encodeProgramInfo(GOOD.btf, program);
    expect(info.funcInfo.length).toBe(0);
    expect(decodeBtf(info.btf)).toEqual(GOOD.btf);
  });
});

describe("sectionMeaning", () => {
  // prettier-ignore
  test.each([
    ["xdp",                 { type: "xdp", attach: "xdp", flags: 0 }],
    ["xdp.frags",           { type: "xdp", attach: "xdp", flags: 32 }],
    ["tcx/ingress",         { type: "sched_cls", attach: "tcx_ingress", flags: 0 }],
    ["cgroup/connect4",     { type: "cgroup_sock_addr", attach: "cgroup_inet4_connect", flags: 0 }],
    ["kprobe/tcp_connect",  { type: "kprobe", attach: null, flags: 0 }],
    ["lsm.s/file_open",     { type: "lsm", attach: "lsm_mac", flags: 16 }],
    ["xdp/other",           null],
    ["kprobes",             null],
    ["",                    null],
    ["__proto__",           null],
  ] as const)("%s", (name, meaning) => {
    expect(sectionMeaning(name)).toEqual(meaning);
  });

  test("every listed name has a meaning", () => {
    expect(SECTION_NAMES.length).toBeGreaterThan(80);
    expect(SECTION_NAMES.filter((name) => sectionMeaning(name.replace("+", "/target")) === null)).toEqual([]);
  });
});
