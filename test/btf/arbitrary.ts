/** Random BTF of every kind, for property tests. */
import fc from "fast-check";
import type { Btf, BtfType } from "../../lib/btf/index.ts";

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,12}$/);
const maybeName = fc.oneof(fc.constant(""), name);
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const linkage = fc.constantFrom("static" as const, "global" as const, "extern" as const);
/** Replaced by an id of the BTF it ends up in. */
const reference = fc.nat(1 << 16);
const list = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 4 });

/** `intSize * 8` may not equal the explicit `bits`: the canonical form leaves that out. */
// prettier-ignore
const int = fc
  .record({
    kind: fc.constant("int" as const), name, size: fc.constantFrom(1, 2, 4, 8, 16),
    encoding: fc.constantFrom("unsigned" as const, "signed" as const, "char" as const, "bool" as const),
    bits: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }), bitOffset: fc.option(fc.integer({ min: 1, max: 255 }), { nil: undefined }),
  })
  .map(({ bits, bitOffset, ...rest }): BtfType => ({ ...rest, ...(bits === undefined ? {} : { bits }), ...(bitOffset === undefined ? {} : { bitOffset }) }));

const plainMember = fc.record({ name: maybeName, type: reference, bitOffset: u32 });
const bitMember = fc.record({
  name: maybeName,
  type: reference,
  bitOffset: fc.integer({ min: 0, max: 2 ** 24 - 1 }),
  bitfieldSize: fc.integer({ min: 1, max: 255 }),
});
const smallMember = fc.record({
  name: maybeName,
  type: reference,
  bitOffset: fc.integer({ min: 0, max: 2 ** 24 - 1 }),
});
const members = fc.oneof(list(plainMember), list(fc.oneof(bitMember, smallMember)));

function enumLike(kind: "enum" | "enum64", bits: number): fc.Arbitrary<BtfType> {
  return fc.boolean().chain((signed) => {
    const [min, max] = signed
      ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n]
      : [0n, 2n ** BigInt(bits) - 1n];
    const values = list(fc.record({ name, value: fc.bigInt({ min, max }) }));
    return fc.record({
      kind: fc.constant(kind),
      name: maybeName,
      size: fc.constantFrom(1, 2, 4, 8),
      signed: fc.constant(signed),
      values,
    });
  });
}

// prettier-ignore
const anyType: fc.Arbitrary<BtfType> = fc.oneof(
  int,
  fc.record({ kind: fc.constantFrom("ptr" as const, "volatile" as const, "const" as const, "restrict" as const), type: reference }),
  fc.record({ kind: fc.constant("array" as const), element: reference, index: reference, count: u32 }),
  fc.record({ kind: fc.constantFrom("struct" as const, "union" as const), name: maybeName, size: u32, members }),
  enumLike("enum", 32),
  enumLike("enum64", 64),
  fc.record({ kind: fc.constant("fwd" as const), name, union: fc.boolean() }),
  fc.record({ kind: fc.constant("typedef" as const), name, type: reference }),
  fc.record({ kind: fc.constant("type_tag" as const), name, type: reference, attribute: fc.constant(true as const) }, { requiredKeys: ["kind", "name", "type"] }),
  fc.record({ kind: fc.constantFrom("func" as const, "var" as const), name, type: reference, linkage }),
  fc.record({ kind: fc.constant("func_proto" as const), result: reference, params: list(fc.record({ name: maybeName, type: reference })) }),
  fc.record({ kind: fc.constant("datasec" as const), name, size: u32, variables: list(fc.record({ type: reference, offset: u32, size: u32 })) }),
  fc.record({ kind: fc.constant("float" as const), name, size: fc.constantFrom(2, 4, 8, 12, 16) }),
  fc.record(
    { kind: fc.constant("decl_tag" as const), name, type: reference, component: fc.integer({ min: -1, max: 2 ** 31 - 1 }), attribute: fc.constant(true as const) },
    { requiredKeys: ["kind", "name", "type", "component"] },
  ),
);

/** References are ids of the same BTF; nothing else about the types needs to make sense. */
export function arbitraryBtf(
  mapReferences: (type: BtfType, map: (id: number) => number) => BtfType,
): fc.Arbitrary<Btf> {
  return fc.array(anyType, { maxLength: 24 }).map((types) => ({
    types: [{ kind: "void" }, ...types.map((type) => mapReferences(type, (id) => id % (types.length + 1)))],
  }));
}

/** Changes one byte, cuts the end off, or neither. */
export const damage = fc.record({
  at: fc.nat(),
  value: fc.nat(255),
  keep: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
});

export function applyDamage(
  bytes: Uint8Array,
  { at, value, keep }: { at: number; value: number; keep: number },
): Uint8Array {
  const copy = bytes.slice(0, Math.ceil(bytes.length * keep));
  if (copy.length > 0) copy[at % copy.length] = value;
  return copy;
}
