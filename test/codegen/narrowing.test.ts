// What TypeScript says about casts of shifts, computed here with BigInt: the WebAssembly of an unhelped asc is wrong too.
import { expect, test } from "vitest";
import { createMachine } from "../../lib/vm/index.ts";
import { compiled } from "../differential/engines.ts";

test("a shift cast to a small type is narrowed", async () => {
  const machine = createMachine(await compiled(new URL("../files/language/narrowing.ts", import.meta.url).pathname));
  const [a, b, c] = [0x89abcdefn, 0xfedcba98n, 0x0123456789abcdefn];
  const packet = new Uint8Array(16);
  const view = new DataView(packet.buffer);
  view.setUint32(0, Number(a), true);
  view.setUint32(4, Number(b), true);
  view.setBigUint64(8, c, true);
  expect(machine.run("run", { packet }).fault).toBeNull();
  const u32 = (x: bigint): bigint => BigInt.asUintN(32, x);
  const expected = [
    u32(a << 31n) & 0xffn,
    u32(a << 24n) & 0xffn,
    BigInt.asUintN(64, BigInt.asIntN(8, u32(a << 25n))),
    u32(b << 16n) & 0xffffn,
    BigInt.asUintN(64, BigInt.asIntN(16, u32(b << 20n))),
    u32(b << 30n) & 0xffn,
    (c << 40n) & 0xffn,
    u32(a << 28n),
    u32(a << 28n) & 0xffn,
    (a << 4n) & 0xffn,
    (a << 8n) & 0xffffn,
  ];
  const results = expected.map((_, i) => machine.map("results").get(Uint8Array.of(i, 0, 0, 0)) as Uint8Array);
  expect(results.map((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))).toEqual(expected);
});
