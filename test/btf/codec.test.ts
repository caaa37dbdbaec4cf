/** Encoding and decoding of BTF: known bytes, round trips, the running kernel's types, damage. */
import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BtfStrings,
  decodeBtf,
  decodeBtfExt,
  decodeBtfSection,
  encodeBtf,
  encodeBtfExt,
  encodeFuncInfo,
  encodeLineInfo,
  mapReferences,
} from "../../lib/btf/index.ts";
import type { Btf, BtfExt, BtfType } from "../../lib/btf/index.ts";
import { applyDamage, arbitraryBtf, damage } from "./arbitrary.ts";
import { codeOf } from "./code-of.ts";

const VOID = { kind: "void" } as const;

function words(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getUint32(i * 4, true));
}

describe("known bytes", () => {
  // The words behind the header; "a" is at offset 1 of the strings. Source of the layouts: docs.kernel.org/bpf/btf.html.
  // prettier-ignore
  const CASES: readonly [what: string, type: BtfType, words: readonly number[]][] = [
    ["signed int", { kind: "int", name: "a", size: 4, encoding: "signed" }, [1, 0x01000000, 4, 0x01000020]],
    ["bool", { kind: "int", name: "a", size: 1, encoding: "bool" }, [1, 0x01000000, 1, 0x04000008]],
    ["int with bits and offset", { kind: "int", name: "a", size: 4, encoding: "unsigned", bits: 3, bitOffset: 5 }, [1, 0x01000000, 4, 0x00050003]],
    ["ptr", { kind: "ptr", type: 1 }, [0, 0x02000000, 1]],
    ["array", { kind: "array", element: 1, index: 1, count: 9 }, [0, 0x03000000, 0, 1, 1, 9]],
    ["struct", { kind: "struct", name: "a", size: 8, members: [{ name: "a", type: 1, bitOffset: 32 }] }, [1, 0x04000001, 8, 1, 1, 32]],
    ["struct with bitfield", { kind: "struct", name: "a", size: 8, members: [{ name: "a", type: 1, bitOffset: 32, bitfieldSize: 3 }] }, [1, 0x84000001, 8, 1, 1, 0x03000020]],
    ["union", { kind: "union", name: "", size: 8, members: [] }, [0, 0x05000000, 8]],
    ["enum", { kind: "enum", name: "a", size: 4, signed: true, values: [{ name: "a", value: -1n }] }, [1, 0x86000001, 4, 1, 0xffffffff]],
    ["fwd union", { kind: "fwd", name: "a", union: true }, [1, 0x87000000, 0]],
    ["typedef", { kind: "typedef", name: "a", type: 1 }, [1, 0x08000000, 1]],
    ["volatile", { kind: "volatile", type: 1 }, [0, 0x09000000, 1]],
    ["const", { kind: "const", type: 1 }, [0, 0x0a000000, 1]],
    ["restrict", { kind: "restrict", type: 1 }, [0, 0x0b000000, 1]],
    ["func", { kind: "func", name: "a", type: 1, linkage: "global" }, [1, 0x0c000001, 1]],
    ["func_proto", { kind: "func_proto", result: 1, params: [{ name: "a", type: 1 }] }, [0, 0x0d000001, 1, 1, 1]],
    ["var", { kind: "var", name: "a", type: 1, linkage: "extern" }, [1, 0x0e000000, 1, 2]],
    ["datasec", { kind: "datasec", name: "a", size: 8, variables: [{ type: 1, offset: 2, size: 3 }] }, [1, 0x0f000001, 8, 1, 2, 3]],
    ["float", { kind: "float", name: "a", size: 8 }, [1, 0x10000000, 8]],
    ["decl_tag", { kind: "decl_tag", name: "a", type: 1, component: -1 }, [1, 0x11000000, 1, 0xffffffff]],
    ["type_tag", { kind: "type_tag", name: "a", type: 1 }, [1, 0x12000000, 1]],
    ["type attribute", { kind: "type_tag", name: "a", type: 1, attribute: true }, [1, 0x92000000, 1]],
    ["enum64", { kind: "enum64", name: "a", size: 8, signed: false, values: [{ name: "a", value: 0x1_0000_0002n }] }, [1, 0x13000001, 8, 1, 2, 1]],
  ];

  test.each(CASES)("%s", (_, type, expected) => {
    const bytes = encodeBtf({ types: [VOID, type] });
    expect(words(bytes.subarray(24, 24 + expected.length * 4))).toEqual(expected);
    expect(words(bytes.subarray(0, 24))).toEqual([
      0x0001eb9f,
      24,
      0,
      expected.length * 4,
      expected.length * 4,
      bytes.length - 24 - expected.length * 4,
    ]);
    expect(decodeBtf(bytes)).toEqual({ types: [VOID, type] });
  });

  test("func_info and line_info records of BPF_PROG_LOAD", () => {
    const strings = new BtfStrings();
    expect(
      words(
        encodeFuncInfo([
          { slot: 0, type: 3 },
          { slot: 12, type: 4 },
        ]),
      ),
    ).toEqual([0, 3, 12, 4]);
    const line = { slot: 2, file: "a.ts", line: 7, column: 5, text: "x" };
    expect(words(encodeLineInfo([line], strings))).toEqual([2, 1, 6, (7 << 10) | 5]);
    expect(words(encodeLineInfo([{ ...line, line: 2 ** 30, column: 5000 }], strings))).toEqual([2, 1, 6, 0xffffffff]);
    expect(new TextDecoder().decode(strings.finish())).toBe("\0a.ts\0x\0");
  });
});

const BAD = { kind: "ptr", type: 0 } as const;
// prettier-ignore
const REFUSED: readonly [what: string, code: string, run: () => unknown][] = [
  ["no void", "B003", () => encodeBtf({ types: [BAD] })],
  ["void as another type", "B003", () => encodeBtf({ types: [VOID, VOID] })],
  ["a reference too far", "B004", () => encodeBtf({ types: [VOID, { kind: "ptr", type: 2 }] })],
  ["a negative reference", "B004", () => encodeBtf({ types: [VOID, { kind: "ptr", type: -1 }] })],
  ["a zero in a name", "B005", () => encodeBtf({ types: [VOID, { kind: "typedef", name: "a\0b", type: 0 }] })],
  ["an enumerator too big", "B006", () => encodeBtf({ types: [VOID, { kind: "enum", name: "a", size: 4, signed: true, values: [{ name: "b", value: 2n ** 31n }] }] })],
  ["a fractional size", "B006", () => encodeBtf({ types: [VOID, { kind: "float", name: "a", size: 1.5 }] })],
  ["a bitfield beyond 24 bits", "B006", () => encodeBtf({ types: [VOID, { kind: "struct", name: "a", size: 1, members: [{ name: "b", type: 0, bitOffset: 2 ** 24, bitfieldSize: 1 }] }] })],
  ["too many enumerators", "B006", () => encodeBtf({ types: [VOID, { kind: "enum", name: "a", size: 4, signed: false, values: Array.from({ length: 65_536 }, () => ({ name: "b", value: 0n })) }] })],
  ["nothing", "B001", () => decodeBtf(new Uint8Array())],
  ["big-endian BTF", "B001", () => decodeBtf(Uint8Array.of(0xeb, 0x9f, 1, 0))],
  ["a header cut off", "B002", () => decodeBtf(encodeBtf({ types: [VOID] }).subarray(0, 20))],
  ["a type cut off", "B002", () => decodeBtf(patch(encodeBtf({ types: [VOID, BAD] }), 12, 8))],
  ["a string section too long", "B002", () => decodeBtf(patch(encodeBtf({ types: [VOID] }), 20, 2))],
  ["version 2", "B003", () => decodeBtf(patch(encodeBtf({ types: [VOID] }), 2, 2))],
  ["kind 20", "B003", () => decodeBtf(patch(encodeBtf({ types: [VOID, BAD] }), 24 + 7, 20))],
  ["kind 0", "B003", () => decodeBtf(patch(encodeBtf({ types: [VOID, BAD] }), 24 + 7, 0))],
  ["an unknown linkage", "B003", () => decodeBtf(patch(encodeBtf({ types: [VOID, { kind: "func", name: "a", type: 0, linkage: "global" }] }), 24 + 4, 3))],
  ["an unknown int encoding", "B003", () => decodeBtf(patch(encodeBtf({ types: [VOID, { kind: "int", name: "a", size: 4, encoding: "bool" }] }), 24 + 15, 3))],
  ["a type id too big", "B004", () => decodeBtf(patch(encodeBtf({ types: [VOID, BAD] }), 24 + 8, 2))],
  ["a name outside of the strings", "B005", () => decodeBtf(patch(encodeBtf({ types: [VOID, BAD] }), 24, 9))],
];

function patch(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] = value;
  return bytes;
}

describe("what is refused", () => {
  test.each(REFUSED)("%s: %s", (_, code, run) => {
    expect(codeOf(run)).toBe(code);
  });

  test("the diagnostic tells the byte of the type", () => {
    const bytes = patch(encodeBtf({ types: [VOID, BAD, BAD] }), 24 + 12 + 7, 31);
    expect(() => decodeBtf(bytes, "x.o .BTF")).toThrow(/^x\.o \.BTF: offset 0x24: error B003: .* unknown kind/);
  });
});

const btfs = arbitraryBtf(mapReferences);
const texts = fc.string({ unit: "grapheme", maxLength: 12 }).filter((s) => !s.includes("\0"));
const records = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<(T & { section: string })[]> =>
  // prettier-ignore
  fc.uniqueArray(fc.stringMatching(/^[a-z/]{1,8}$/), { maxLength: 3 }).chain((sections) =>
    fc.tuple(...sections.map((section) => fc.array(item, { minLength: 1, maxLength: 4 }).map((all) => all.map((r) => ({ ...r, section }))))).map((l) => l.flat()),
  );
const offset = fc.nat(2 ** 31 - 1);
const exts: fc.Arbitrary<BtfExt> = fc.record({
  functions: records(fc.record({ offset, type: offset })),
  lines: records(fc.record({ offset, file: texts, line: fc.nat(2 ** 22 - 1), column: fc.nat(1023), text: texts })),
  coreRelocations: records(fc.record({ offset, type: offset, access: texts, kind: fc.nat(12) })),
});

describe("round trips", () => {
  test("decode(encode(btf)) = btf, and equal values give equal bytes", () => {
    fc.assert(
      fc.property(btfs, (btf) => {
        const bytes = encodeBtf(btf);
        expect(decodeBtf(bytes)).toEqual(btf);
        expect(encodeBtf(structuredClone(btf))).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  test(".BTF.ext with the strings of .BTF", () => {
    fc.assert(
      fc.property(btfs, exts, (btf, ext) => {
        const strings = new BtfStrings();
        const bytes = encodeBtfExt(ext, strings);
        const section = decodeBtfSection(encodeBtf(btf, strings));
        expect(section.btf).toEqual(btf);
        expect(decodeBtfExt(bytes, section.strings)).toEqual(ext);
      }),
      { numRuns: 300 },
    );
  });
});

describe("damage", () => {
  test("arbitrary bytes give a BTF or a diagnostic", () => {
    const header = encodeBtf({ types: [VOID] }).subarray(0, 8);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, withHeader) => {
        codeOf(() => decodeBtf(withHeader ? Uint8Array.from([...header, ...bytes]) : bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test("a changed byte or a cut in a valid BTF or BTF.ext", () => {
    fc.assert(
      fc.property(btfs, exts, damage, (btf, ext, wound) => {
        const strings = new BtfStrings();
        const extBytes = encodeBtfExt(ext, strings);
        const bytes = encodeBtf(btf, strings);
        const table = decodeBtfSection(bytes).strings;
        codeOf(() => decodeBtf(applyDamage(bytes, wound)));
        codeOf(() => decodeBtfExt(applyDamage(extBytes, wound), table));
      }),
      { numRuns: 1500 },
    );
  });
});

const VMLINUX = "/sys/kernel/btf/vmlinux";
if (!existsSync(VMLINUX)) process.stderr.write(`skipped: this kernel has no ${VMLINUX}\n`);

describe.skipIf(!existsSync(VMLINUX))("the running kernel's types", () => {
  test("decode, known facts, and again after encoding", () => {
    const bytes = readFileSync(VMLINUX);
    const started = performance.now();
    const btf = decodeBtf(bytes);
    const milliseconds = performance.now() - started;
    expect(btf.types.length).toBeGreaterThan(10_000);
    expect(milliseconds).toBeLessThan(5000);

    const find = (kind: string, name: string): BtfType | undefined =>
      btf.types.find((t) => t.kind === kind && "name" in t && t.name === name);
    expect(find("struct", "xdp_md")).toMatchObject({
      size: 24,
      members: expect.arrayContaining([expect.objectContaining({ name: "data_end", bitOffset: 32 })]) as unknown,
    });
    expect(find("struct", "iphdr")).toMatchObject({ size: 20 });
    const ihl = find("struct", "iphdr") as Extract<BtfType, { kind: "struct" | "union" }>;
    expect(ihl.members[0]).toMatchObject({ name: "ihl", bitOffset: 0, bitfieldSize: 4 });
    expect(find("func", "bpf_map_lookup_elem") ?? find("func", "tcp_v4_connect")).toBeDefined();
    expect(find("enum", "bpf_prog_type")).toMatchObject({
      values: expect.arrayContaining([{ name: "BPF_PROG_TYPE_XDP", value: 6n }]) as unknown,
    });

    const again: Btf = decodeBtf(encodeBtf(btf));
    expect(again.types.length).toBe(btf.types.length);
    const different = again.types.findIndex(
      (t, id) => JSON.stringify(t, printBig) !== JSON.stringify(btf.types[id], printBig),
    );
    expect(different).toBe(-1);
  });
});

function printBig(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
