/** ELF objects: round trips, what other readers see, clang's objects, refusals and damage. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as elfy from "elfy";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encode, link } from "../../lib/asm/index.ts";
import { sizeOf, typeName } from "../../lib/btf/index.ts";
import { inspectElf, readElf, readSection, writeElf } from "../../lib/elf/index.ts";
import { canonicalize, checkObject } from "../../lib/object/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { applyDamage, damage } from "../btf/arbitrary.ts";
import { codeOf } from "../btf/code-of.ts";
import { arbitraryObject } from "./arbitrary.ts";
import { CLANG_SOURCE, compileWithClang, whyNoClang } from "./clang.ts";
import { callbackObject, filterObject, nestedObject } from "./samples.ts";

const SAMPLES: readonly [string, ObjectSpec][] = [
  ["static subprogram", filterObject("static")],
  ["global subprogram", filterObject("global")],
  ["callback", callbackObject()],
  ["maps of maps", nestedObject()],
  ["nothing at all", { license: "", programs: [], subprograms: [], maps: [], btf: { types: [{ kind: "void" }] } }],
];

describe("readElf(writeElf(x)) = canonicalize(x)", () => {
  test.each(SAMPLES)("%s", (_, object) => {
    const { object: read, warnings } = inspectElf(writeElf(object));
    expect(read).toEqual(canonicalize(object));
    expect(warnings).toEqual([]);
  });

  test("the samples are canonical already", () => {
    for (const [, object] of SAMPLES) expect(canonicalize(object)).toEqual(object);
  });

  test("sections that are not of the object are passed over, and found by name", () => {
    const bytes = new TextEncoder().encode("{}\n");
    const file = writeElf(filterObject(), [{ name: ".ebpf-ts.manifest", bytes }]);
    const { object, warnings } = inspectElf(file);
    expect(object).toEqual(canonicalize(filterObject()));
    expect(warnings).toEqual(inspectElf(writeElf(filterObject())).warnings);
    expect(readSection(file, ".ebpf-ts.manifest")).toEqual(bytes);
    expect(readSection(file, ".nothing")).toBeNull();
  });

  test("random objects; equal objects give equal bytes", () => {
    let written = 0;
    fc.assert(
      fc.property(arbitraryObject, (object) => {
        expect(checkObject(object)).toEqual([]);
        const bytes = writeElf(object);
        expect(readElf(bytes)).toEqual(canonicalize(object));
        expect(writeElf(structuredClone(object))).toEqual(bytes);
        expect(writeElf(readElf(bytes))).toEqual(bytes);
        written++;
      }),
      { numRuns: 300 },
    );
    expect(written).toBe(300);
  });
});

describe("what other readers see", () => {
  const bytes = writeElf(filterObject());

  test("elfy: the same sections with the same contents", () => {
    const { type, body, endian } = elfy.parse(Buffer.from(bytes));
    expect([type, endian]).toEqual(["rel", "lsb"]);
    // prettier-ignore
    expect(body.sections.map((s) => s.name)).toEqual([
      "", ".text", "xdp", "license", ".maps", ".rodata", ".bss", ".BTF", ".BTF.ext", ".rel.text", ".relxdp", ".symtab", ".strtab",
    ]);
    const find = (name: string): { size: number; data: Uint8Array; info: number } =>
      body.sections.find((s) => s.name === name) ?? { size: -1, data: new Uint8Array(), info: -1 };
    expect(new TextDecoder().decode(find("license").data)).toBe("Dual MIT/GPL\0");
    expect([...find(".rodata").data]).toEqual([...(filterObject().maps[3]?.initial ?? [])]);
    expect(find("xdp").size).toBe(12 * 8);
    expect([...find("xdp").data.subarray(0, 24)]).toEqual([
      ...encode(filterObject().programs[0]?.insns.slice(0, 3) ?? []),
    ]);
    expect(find(".bss").size).toBe(8);
    expect([find(".rel.text").info, find(".relxdp").info]).toEqual([1, 2]);
  });

  const readelf = ["llvm-readelf", "llvm-readelf-14"].find((name) => spawnSync(name, ["--version"]).status === 0);
  if (readelf === undefined) process.stderr.write("skipped: llvm-readelf is not installed\n");
  test.skipIf(readelf === undefined)("llvm-readelf: symbols and relocations", () => {
    const directory = mkdtempSync(join(tmpdir(), "elf-readelf-"));
    try {
      const file = join(directory, "object.o");
      writeFileSync(file, bytes);
      const { stdout, stderr } = spawnSync(readelf ?? "", ["-h", "-S", "-s", "-r", file], { encoding: "utf8" });
      expect(stderr).toBe("");
      expect(stdout).toMatch(/Machine:\s+EM_BPF/);
      expect(stdout).toMatch(/80 FUNC\s+LOCAL\s+DEFAULT\s+1 limit/);
      expect(stdout).toMatch(/96 FUNC\s+GLOBAL\s+DEFAULT\s+2 filter/);
      expect(stdout).toMatch(/OBJECT\s+GLOBAL\s+DEFAULT\s+4 flows/);
      expect(stdout).toMatch(/8 OBJECT\s+LOCAL\s+DEFAULT\s+5 most/);
      expect(stdout).toMatch(/0000000000000018\s+\w+ R_BPF_64_64\s+0+ flows/);
      expect(stdout).toMatch(/0000000000000050\s+\w+ R_BPF_64_32\s+0+ .text/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

const noClang = whyNoClang();
if (noClang !== null) process.stderr.write(`skipped: ${noClang}\n`);

describe.skipIf(noClang !== null)("clang's objects", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "elf-clang-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const compile = (source: string, flags?: readonly string[]): Uint8Array =>
    readFileSync(compileWithClang(source, directory, flags));
  const prelude = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_core_read.h>\n";

  test("maps, functions, data, lines", () => {
    const { object, warnings } = inspectElf(compile(CLANG_SOURCE));
    expect(warnings).toEqual([]);
    expect(checkObject(object)).toEqual([]);
    expect(object.license).toBe("GPL");
    expect(object.programs.map((p) => [p.name, p.section, p.type, p.attach])).toEqual([
      ["count", "xdp", "xdp", "xdp"],
      ["pass", "xdp", "xdp", "xdp"],
      ["tc_pass", "tc", "sched_cls", null],
    ]);
    expect(object.subprograms.map((f) => `${f.linkage} ${f.name}`).toSorted()).toEqual([
      "global shared",
      "static classify",
      "static other",
    ]);
    const [flows, slots] = object.maps;
    expect(flows).toMatchObject({ name: "flows", type: "lru_hash", keySize: 8, valueSize: 16, maxEntries: 512 });
    expect(typeName(object.btf, flows?.keyType ?? 0)).toBe("struct key");
    expect(sizeOf(object.btf, flows?.valueType ?? 0)).toBe(16);
    expect(slots).toMatchObject({ name: "slots", type: "array", keySize: 4, valueSize: 8, flags: 1024, keyType: 0 });
    const data = new Map(object.maps.slice(2).map((m) => [m.name, m]));
    expect([...data.keys()].toSorted()).toEqual([".bss", ".data", ".rodata"]);
    expect(data.get(".data")?.initial?.[0]).toBe(5);
    expect(object.btf.types[data.get(".rodata")?.valueType ?? 0]).toMatchObject({
      kind: "datasec",
      name: ".rodata",
      size: data.get(".rodata")?.valueSize,
    });
    expect(object.btf.types.some((t) => t.kind === "datasec" && t.name === ".maps")).toBe(false);
    expect(object.programs[0]?.lines[0]).toMatchObject({
      slot: 0,
      text: expect.stringContaining("int count(struct xdp_md *ctx)") as unknown,
    });
    expect(
      link(object, "count")
        .functions.map((f) => f.name)
        .toSorted(),
    ).toEqual(["classify", "count", "other", "shared"]);
    expect(link(object, "pass").functions.map((f) => f.name)).toEqual(["pass", "shared"]);
    expect(readElf(writeElf(object))).toEqual(canonicalize(object));
  });

  test("functions of the kernel", () => {
    const source = `struct cgroup { int x; };
      extern struct cgroup *bpf_cgroup_from_id(__u64 id) __ksym;
      extern void bpf_cgroup_release(struct cgroup *c) __ksym;
      SEC("tc") int f(void *ctx) { struct cgroup *c = bpf_cgroup_from_id(1); if (c) bpf_cgroup_release(c); return 0; }`;
    const { object, warnings } = inspectElf(compile(`${prelude}${source}\n`));
    expect([warnings, checkObject(object)]).toEqual([[], []]);
    const calls = object.programs[0]?.relocations.map((r) => (r.kind === "kfunc" ? r.kfunc : r.kind));
    expect(calls).toEqual(["bpf_cgroup_from_id", "bpf_cgroup_release"]);
    expect(object.btf.types.some((t) => t.kind === "datasec" && t.name === ".ksyms")).toBe(false);
    expect(readElf(writeElf(object))).toEqual(object);
  });

  test("maps of the time before BTF", () => {
    const source = `struct bpf_map_def { unsigned type, key_size, value_size, max_entries, map_flags; };
      struct bpf_map_def SEC("maps") counts = { 2, 4, 8, 4, 0 };
      struct bpf_map_def SEC("maps") flows = { 1, 4, 16, 64, 1 };
      SEC("xdp") int f(void *ctx) { int k = 1; long *v = bpf_map_lookup_elem(&flows, &k); return v && bpf_map_lookup_elem(&counts, &k); }`;
    const { object, warnings } = inspectElf(compile(`${prelude}${source}\n`, []));
    expect([warnings, checkObject(object)]).toEqual([[], []]);
    expect(object.maps).toMatchObject([
      { name: "counts", type: "array", keySize: 4, valueSize: 8, maxEntries: 4, flags: 0, valueType: 0 },
      { name: "flows", type: "hash", keySize: 4, valueSize: 16, maxEntries: 64, flags: 1, valueType: 0 },
    ]);
    const maps = object.programs[0]?.relocations.map((r) => (r.kind === "map" ? r.map : r.kind));
    expect(maps).toEqual(["flows", "counts"]);
  });

  test("maps of maps", () => {
    const source = `struct inner { __uint(type, 1); __uint(max_entries, 64); __type(key, int); __type(value, long); };
      struct { __uint(type, 13); __uint(max_entries, 4); __type(key, int); __array(values, struct inner); } m SEC(".maps");`;
    const { object, warnings } = inspectElf(compile(`${prelude}${source}\n`));
    expect([warnings, checkObject(object)]).toEqual([[], []]);
    expect(object.maps).toMatchObject([
      {
        ...{ name: "m", type: "hash_of_maps", keySize: 4, valueSize: 4, maxEntries: 4, valueType: 0 },
        inner: { name: "m.inner", type: "hash", keySize: 4, valueSize: 8, maxEntries: 64, inner: null },
      },
    ]);
    expect(readElf(writeElf(object))).toEqual(object);
  });

  // prettier-ignore
  const REFUSED: readonly [what: string, code: string, source: string, flags?: readonly string[]][] = [
    ["a legacy map without flags", "E005", "struct bpf_map_def { int a[4]; }; struct bpf_map_def SEC(\"maps\") m = { { 1, 4, 4, 1 } };"],
    ["a legacy map that says more", "E005", "struct bpf_map_def { int a[8]; }; struct bpf_map_def SEC(\"maps\") m = { { 1, 4, 4, 1, 0, 0, 2, 3 } };"],
    ["a legacy map without type", "E005", "struct bpf_map_def { int a[5]; }; struct bpf_map_def SEC(\"maps\") m = { { 0, 4, 4, 1, 0 } };"],
    ["maps without BTF", "E004", "struct { __uint(type, 1); } m SEC(\".maps\");", []],
    ["a map without type", "E004", "struct { __uint(max_entries, 1); } m SEC(\".maps\");"],
    ["something of another object", "E006", "extern int elsewhere; SEC(\"xdp\") int f(void *ctx) { return elsewhere; }"],
    ["addresses in data", "E006", "int x = 1; int *p = &x; SEC(\"xdp\") int f(void *ctx) { return *p; }"],
    ["a static program", "E007", "static __attribute__((used)) SEC(\"xdp\") int f(void *ctx) { return 1; }"],
  ];
  test.each(REFUSED)("%s: %s", (_, code, source, flags) => {
    const bytes = compile(`${prelude}${source}\nchar _license[] SEC("license") = "GPL";\n`, flags);
    expect(codeOf(() => readElf(bytes))).toBe(code);
  });

  // prettier-ignore
  const WARNED: readonly [what: string, code: string, source: string][] = [
    ["CO-RE", "E010", "struct task { int pid; } __attribute__((preserve_access_index)); SEC(\"raw_tp/x\") int f(struct task *t) { return bpf_core_field_offset(t->pid); }"],
    ["an unknown section", "E011", "SEC(\"mine\") int f(void *ctx) { return 1; }"],
    ["pinning of iproute2", "E012", "struct bpf_map_def { int a[7]; }; struct bpf_map_def SEC(\"maps\") m = { { 1, 4, 4, 1, 0, 0, 2 } };"],
    ["pinning", "E012", "struct { __uint(type, 2); __uint(max_entries, 1); __type(key, int); __type(value, int); __uint(pinning, 1); } m SEC(\".maps\");"],
  ];
  test.each(WARNED)("%s: warning %s", (_, code, source) => {
    const { object, warnings } = inspectElf(compile(`${prelude}${source}\n`));
    expect(warnings.map((w) => [w.code, w.severity])).toEqual([[code, "warning"]]);
    expect(object.programs.length + object.maps.length).toBe(1);
  });
});

describe("what is refused", () => {
  test("other files", () => {
    const elf = writeElf(filterObject());
    const change = (at: number, value: number): Uint8Array => {
      const copy = elf.slice();
      copy[at] = value;
      return copy;
    };
    expect(codeOf(() => readElf(new Uint8Array()))).toBe("E001");
    expect(codeOf(() => readElf(new TextEncoder().encode("#!/bin/sh\n".repeat(20))))).toBe("E001");
    expect(codeOf(() => readElf(change(5, 2)))).toBe("E001"); // big-endian
    expect(codeOf(() => readElf(change(18, 62)))).toBe("E001"); // x86-64
    expect(codeOf(() => readElf(elf.subarray(0, elf.length - 40)))).toBe("E002");
    expect(codeOf(() => readElf(change(58, 1)))).toBe("E003");
    expect(() => readElf(new Uint8Array(), "x.o")).toThrow("x.o: offset 0x0: error E001: x.o is not an ELF file");
  });

  test("an invalid object is not written", () => {
    expect(codeOf(() => writeElf({ ...filterObject(), maps: [] }))).toBe("O002");
  });
});

describe("damage", () => {
  const files = [writeElf(filterObject()), writeElf(callbackObject())];

  test("arbitrary bytes behind a header", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(64), (bytes, keep) => {
        codeOf(() => readElf(Uint8Array.from([...(files[0] ?? []).slice(0, keep), ...bytes])));
      }),
      { numRuns: 1500 },
    );
  });

  test("changed bytes and cuts of valid files: an object or a diagnostic, and what is read can be judged", () => {
    const counts = { read: 0, refused: 0 };
    fc.assert(
      fc.property(fc.constantFrom(...files), fc.array(damage, { minLength: 1, maxLength: 3 }), (file, wounds) => {
        const bytes = wounds.reduce(applyDamage, file);
        let object: ObjectSpec | null = null;
        if (codeOf(() => (object = readElf(bytes))) === null && object !== null) {
          counts.read++;
          codeOf(() => writeElf(object as unknown as ObjectSpec));
        } else counts.refused++;
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(100);
  });

  test("every single byte set to 0, 1, 127 and 255", () => {
    const file = files[0] ?? new Uint8Array();
    for (let at = 0; at < file.length; at++) {
      for (const value of [0, 1, 127, 255]) {
        const copy = file.slice();
        copy[at] = value;
        codeOf(() => readElf(copy));
      }
    }
    expect(file.length).toBeGreaterThan(1000);
  });
});
