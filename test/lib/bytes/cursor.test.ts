import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Reader, Writer } from "../../../lib/bytes/index.ts";

type Item =
  | { readonly kind: "u8" | "u16" | "u32"; readonly value: number }
  | { readonly kind: "u64"; readonly value: bigint }
  | { readonly kind: "bytes"; readonly value: Uint8Array };

const item: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ kind: fc.constant("u8" as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant("u16" as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({ kind: fc.constant("u64" as const), value: fc.bigInt(0n, 0xffff_ffff_ffff_ffffn) }),
  fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 700 }) }),
);

function write(out: Writer, { kind, value }: Item): void {
  if (kind === "bytes") out.put(value);
  else if (kind === "u64") out.u64(value);
  else out[kind](value);
}

function read(from: Reader, { kind, value }: Item): Item["value"] {
  return kind === "bytes" ? from.slice(value.length) : from[kind]();
}

describe("cursor", () => {
  test("what a Writer wrote, growing or not, a Reader reads", () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 400, size: "max" }), (items) => {
        const out = new Writer();
        for (const one of items) write(out, one);
        const from = new Reader(out.finish());
        for (const one of items) expect(read(from, one)).toEqual(one.value);
        expect(from.remaining).toBe(0);
      }),
    );
  });

  test("every width grows the buffer", () => {
    for (const kind of ["u8", "u16", "u32"] as const) {
      const out = new Writer();
      for (let i = 0; i < 1000; i++) out[kind](i & 0xff);
      const from = new Reader(out.finish());
      for (let i = 0; i < 1000; i++) expect(from[kind]()).toBe(i & 0xff);
    }
  });

  test("aligning writes zeros, patching overwrites", () => {
    const out = new Writer().u8(1).align(4).u32(2).align(4);
    out.patchU32(4, 0x01020304);
    expect(out.finish()).toEqual(Uint8Array.of(1, 0, 0, 0, 4, 3, 2, 1));
  });

  test("reading past the end says where", () => {
    const from = new Reader(Uint8Array.of(1, 2, 3));
    from.u16();
    expect(() => from.u32()).toThrow(new RangeError("4 bytes wanted at offset 2 of 3"));
    expect(from.offset).toBe(2);
  });
});
