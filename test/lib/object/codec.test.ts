/** Codecs: bytes and values side by side, what does not fit, and round trips over random types. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Btf, BtfType } from "../../../lib/btf/index.ts";
import { bytesCodec, codecOf, repeatCodec } from "../../../lib/object/index.ts";
import type { Value } from "../../../lib/object/index.ts";

const U8 = { kind: "int", name: "u8", size: 1, encoding: "unsigned" } as const;
const U16 = { kind: "int", name: "u16", size: 2, encoding: "unsigned" } as const;
const U32 = { kind: "int", name: "u32", size: 4, encoding: "unsigned" } as const;
const U64 = { kind: "int", name: "u64", size: 8, encoding: "unsigned" } as const;
const S16 = { kind: "int", name: "s16", size: 2, encoding: "signed" } as const;
const S64 = { kind: "int", name: "s64", size: 8, encoding: "signed" } as const;
const BOOL = { kind: "int", name: "bool", size: 1, encoding: "bool" } as const;

/** Types 1, 2, ... ; the last is the one that is meant. */
const codec = (...types: BtfType[]) => codecOf({ types: [{ kind: "void" }, ...types] }, types.length);
const struct = (size: number, ...members: (readonly [string, number, number, number?])[]): BtfType => ({
  kind: "struct",
  name: "s",
  size,
  members: members.map(([name, type, bitOffset, bits]) => ({
    name,
    type,
    bitOffset,
    ...(bits === undefined ? {} : { bitfieldSize: bits }),
  })),
});
const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");

describe("bytes and values", () => {
  // Each row: types, a value, its bytes.
  // prettier-ignore
  test.each<[string, BtfType[], Value, string]>([
    ["u8", [U8], 255, "ff"],
    ["s16", [S16], -2, "fe ff"],
    ["u32", [U32], 0x01020304, "04 03 02 01"],
    ["u64", [U64], 0x0102030405060708n, "08 07 06 05 04 03 02 01"],
    ["s64", [S64], -1n, "ff ff ff ff ff ff ff ff"],
    ["u128", [{ kind: "int", name: "u128", size: 16, encoding: "unsigned" }], (1n << 64n) + 2n, "02 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00"],
    ["bool", [BOOL], true, "01"],
    ["enum", [{ kind: "enum", name: "e", size: 4, signed: true, values: [] }], -1, "ff ff ff ff"],
    ["enum64", [{ kind: "enum64", name: "e", size: 8, signed: false, values: [] }], 1n, "01 00 00 00 00 00 00 00"],
    ["double", [{ kind: "float", name: "double", size: 8 }], 1.5, "00 00 00 00 00 00 f8 3f"],
    ["pointer", [{ kind: "ptr", type: 0 }], 1n, "01 00 00 00 00 00 00 00"],
    ["typedef of const", [U16, { kind: "const", type: 1 }, { kind: "typedef", name: "t", type: 2 }], 7, "07 00"],
    ["u8[3]", [U8, { kind: "array", element: 1, index: 1, count: 3 }], Uint8Array.of(1, 2, 3), "01 02 03"],
    ["u16[2]", [U16, { kind: "array", element: 1, index: 1, count: 2 }], [1, 2], "01 00 02 00"],
    ["struct with padding", [U8, U32, struct(8, ["a", 1, 0], ["b", 2, 32])], { a: 1, b: 2 }, "01 00 00 00 02 00 00 00"],
    ["nameless member", [U8, struct(1, ["x", 1, 0]), struct(2, ["a", 1, 0], ["", 2, 8])], { a: 1, x: 2 }, "01 02"],
    ["bit fields", [U8, U16, struct(3, ["low", 1, 0, 4], ["high", 1, 4, 4], ["wide", 2, 8, 12])], { low: 0xa, high: 5, wide: 0xabc }, "5a bc 0a"],
    ["signed bit field", [S16, struct(2, ["a", 1, 0, 3], ["b", 1, 3, 3])], { a: -1, b: 2 }, "17 00"],
    ["union", [U32, U8, { kind: "array", element: 2, index: 1, count: 4 }, { kind: "union", name: "u", size: 4, members: [{ name: "word", type: 1, bitOffset: 0 }, { name: "bytes", type: 3, bitOffset: 0 }] }], { word: 0x04030201, bytes: Uint8Array.of(1, 2, 3, 4) }, "01 02 03 04"],
    ["data section", [U32, { kind: "var", name: "n", type: 1, linkage: "global" }, { kind: "datasec", name: ".data", size: 8, variables: [{ type: 2, offset: 4, size: 4 }] }], { n: 9 }, "00 00 00 00 09 00 00 00"],
    ["member called __proto__", [U8, struct(1, ["__proto__", 1, 0])], JSON.parse('{"__proto__":3}') as Value, "03"],
  ])("%s", (_, types, value, bytes) => {
    const c = codec(...types);
    expect(hex(c.encode(value))).toBe(bytes);
    expect(c.decode(c.encode(value))).toEqual(value);
  });

  test("one member of a union is enough; numbers do for bytes; the offset counts", () => {
    const u = codec(U32, {
      kind: "union",
      name: "u",
      size: 4,
      members: [
        { name: "a", type: 1, bitOffset: 0 },
        { name: "b", type: 1, bitOffset: 0 },
      ],
    });
    expect(hex(u.encode({ b: 1 }))).toBe("01 00 00 00");
    expect(hex(bytesCodec(2).encode([1, -1]))).toBe("01 ff");
    expect(codec(U8).decode(Uint8Array.of(1, 2, 3), 2)).toBe(3);
    expect(() => codec(U32).decode(new Uint8Array(3))).toThrow(RangeError);
  });

  test("per-CPU values are apart by their stride", () => {
    const c = repeatCodec(codec(U32), 2, 8);
    expect(hex(c.encode([1, 2]))).toBe("01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00");
    expect(c.decode(c.encode([1, 2]))).toEqual([1, 2]);
  });

  test("encoding into used memory zeroes the padding; decoding copies", () => {
    const c = codec(U8, U32, struct(8, ["a", 1, 0], ["b", 2, 32]));
    const bytes = new Uint8Array(8).fill(0xff);
    c.encodeInto({ a: 0, b: 0 }, bytes, 0);
    expect(hex(bytes)).toBe("00 00 00 00 00 00 00 00");
    const value = bytesCodec(8).decode(bytes);
    bytes.fill(1);
    expect(value).toEqual(new Uint8Array(8));
  });
});

describe("what does not fit", () => {
  const pair = struct(4, ["a", 1, 0], ["list", 2, 16]);
  const PAIR: BtfType[] = [U8, { kind: "array", element: 1, index: 1, count: 2 }, pair];
  // Each row: types, a value (of any kind), what the error says.
  test.each<[BtfType[], unknown, RegExp]>([
    [[U8], 256, /D002: value does not fit.*\n.*u8 \(0 to 255\)\n.*number 256/],
    [[U8], 1.5, /u8/],
    [[U8], 1n, /bigint 1/],
    [[U64], 1, /a bigint, u64/],
    [[U64], -1n, /u64/],
    [[BOOL], 1, /a boolean/],
    [PAIR, { a: 1, list: [1, 300] }, /value\.list\[1\] does not fit/],
    [PAIR, { a: 1, list: [1] }, /value\.list does not fit[^]*an array of 2[^]*an array of 1/],
    [PAIR, { a: 1 }, /value\.list does not fit[^]*nothing/],
    [PAIR, { a: 1, list: [1, 2], typo: 1 }, /members a, list[^]*a member typo/],
    [PAIR, null, /an object[^]*null/],
    [PAIR, undefined, /an object[^]*undefined/],
    [[U32, struct(4, ["bits", 1, 0, 3])], { bits: 8 }, /u3 \(0 to 7\)/],
  ])("%o refuses %o", (types, value, message) => {
    expect(() => codec(...types).encode(value as Value)).toThrow(message);
  });

  // Each row: types that have no values.
  test.each<[BtfType[], RegExp]>([
    [[{ kind: "fwd", name: "secret", union: false }], /D001.*a fwd "secret"/],
    [[{ kind: "func_proto", result: 0, params: [] }], /func_proto/],
    [[{ kind: "typedef", name: "t", type: 1 }], /contains itself/],
    [[struct(8, ["self", 1, 0])], /contains itself/],
    [[{ kind: "array", element: 9, index: 1, count: 1 }], /type 9/],
    [[{ kind: "int", name: "odd", size: 3, encoding: "unsigned" }], /3 bytes/],
    [[U32, struct(2, ["a", 1, 0])], /member a ends after it/],
    [[struct(0), { kind: "array", element: 1, index: 1, count: 4294967295 }], /empty elements/],
  ])("%o has no codec", (types, message) => {
    expect(() => codec(...types)).toThrow(message);
  });
});

describe("random types", () => {
  /** A type with its own values: [types, value], where the last type is meant and references are to earlier ones. */
  type Case = { readonly types: readonly BtfType[]; readonly size: number; readonly value: Value };
  const scalar = fc.oneof(
    fc.nat(255).map((value): Case => ({ types: [U8], size: 1, value })),
    fc.integer({ min: -32768, max: 32767 }).map((value): Case => ({ types: [S16], size: 2, value })),
    fc.nat(0xffffffff).map((value): Case => ({ types: [U32], size: 4, value })),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value): Case => ({ types: [U64], size: 8, value })),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value): Case => ({ types: [S64], size: 8, value })),
    fc.boolean().map((value): Case => ({ types: [BOOL], size: 1, value })),
    fc.uint8Array({ minLength: 1, maxLength: 9 }).map((value): Case => ({
      types: [U8, { kind: "array", element: 1, index: 1, count: value.length }],
      size: value.length,
      value,
    })),
  );

  /** Moves a type's references behind `by` other types. */
  function shift(type: BtfType, by: number): BtfType {
    if (type.kind === "array") return { ...type, element: type.element + by, index: type.index + by };
    if (type.kind === "struct") return { ...type, members: type.members.map((m) => ({ ...m, type: m.type + by })) };
    return type;
  }

  function structOf(parts: readonly Case[]): Case {
    const types: BtfType[] = [];
    const members: { name: string; type: number; bitOffset: number }[] = [];
    const value: Record<string, Value> = {};
    let at = 0;
    for (const [i, part] of parts.entries()) {
      const by = types.length;
      types.push(...part.types.map((type) => shift(type, by)));
      members.push({ name: `m${i}`, type: types.length, bitOffset: at * 8 });
      value[`m${i}`] = part.value;
      at += part.size + (i % 3); // some padding
    }
    types.push({ kind: "struct", name: "s", size: at, members });
    return { types, size: at, value };
  }

  const { node } = fc.letrec<{ node: Case }>((tie) => ({
    node: fc.oneof({ maxDepth: 4 }, scalar, fc.array(tie("node"), { minLength: 1, maxLength: 4 }).map(structOf)),
  }));

  test("decode(encode(x)) = x, and every byte of a codec's size is its own", () => {
    fc.assert(
      fc.property(node, fc.nat(5), ({ types, size, value }, offset) => {
        const btf: Btf = { types: [{ kind: "void" }, ...types] };
        const c = codecOf(btf, types.length);
        const bytes = new Uint8Array(size + offset + 3).fill(0xee);
        c.encodeInto(value, bytes, offset);
        expect(c.size).toBe(size);
        expect(c.decode(bytes, offset)).toEqual(value);
        expect([...bytes.subarray(0, offset), ...bytes.subarray(offset + size)].every((b) => b === 0xee)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
