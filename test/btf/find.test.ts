/** Looking up functions in encoded BTF, against decoding it. */
import { expect, test } from "vitest";
import { BtfBuilder, decodeBtf, encodeBtf, findFunctions } from "../../lib/btf/index.ts";
import { codeOf } from "./code-of.ts";

/** A type of every kind that has a part behind its fixed one, functions between them. */
function sample(): Uint8Array {
  const b = new BtfBuilder();
  const u32 = b.int("u32", 4);
  const first = b.func("first", b.funcProto(u32, [{ name: "x", type: u32 }]), "static");
  b.struct("pair", 8, [
    { name: "a", type: u32, bitOffset: 0 },
    { name: "b", type: u32, bitOffset: 32 },
  ]);
  b.union("either", 4, [{ name: "a", type: u32, bitOffset: 0 }]);
  b.array(u32, 3, u32);
  b.enum("colour", [
    { name: "red", value: 1n },
    { name: "green", value: 2n },
  ]);
  b.enum64("wide", [{ name: "big", value: 1n << 40n }]);
  b.func("second", b.funcProto(0, []), "global");
  b.datasec(".data", 4, [{ type: b.var("n", u32), offset: 0, size: 4 }]);
  b.declTag("bpf_kfunc", first);
  b.typedef("first_t", u32);
  b.float("double", 8);
  b.func("firstly", b.funcProto(0, []), "extern");
  return encodeBtf(b.finish());
}

test("the ids are those of decoding; names that are not functions, or only start alike, are not found", () => {
  const bytes = sample();
  const { types } = decodeBtf(bytes);
  const names = new Set(["first", "second", "firstly", "fir", "pair", "n", "third"]);
  const expected = types.flatMap((t, id) => (t.kind === "func" && names.has(t.name) ? [[t.name, id] as const] : []));
  expect(findFunctions(bytes, names)).toEqual(new Map(expected));
  expect(expected.length).toBe(3);
});

test("bytes that are no BTF", () => {
  expect(codeOf(() => findFunctions(new Uint8Array(10), new Set(["first"])))).toBe("B001");
  expect(codeOf(() => findFunctions(new Uint8Array(100), new Set(["first"])))).toBe("B001");
});
