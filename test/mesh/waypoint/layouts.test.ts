/** The entries that the waypoint reads and writes, against the codecs of the compiled programs' own types. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { readElf } from "../../../lib/elf/index.ts";
import { codecOf } from "../../../lib/object/index.ts";
import { decodeSteered, encodeFlowKey, encodeSteered, encodeSteeredKey } from "../../../mesh/waypoint/layouts.ts";

const object = readElf(readFileSync(resolve(import.meta.dirname, "../../../dist/programs/mesh.o")));
const typeOf = (name: string, part: "keyType" | "valueType"): number =>
  object.maps.find((map) => map.name === name)?.[part] ?? 0;

const four = { address: "10.1.2.3", port: 80 };
const six = { address: "fd00::1:2", port: 40_000 };
/** Eight hexadecimal bytes in network order as a word read from memory. */
const word = (hex: string): bigint => Buffer.from(hex, "hex").readBigUInt64LE();
const FOUR = { hi: 0n, lo: word("0000ffff0a010203") };
const SIX = { hi: word("fd00000000000000"), lo: word("0000000000010002") };
const ROW = { original: four, l7: 3, identity: 300, endpoint: 7, rule: 9, direction: 1 };

// prettier-ignore
const ROWS = [
  ["steered", "keyType", encodeSteeredKey(six, four, 7), { clientHi: SIX.hi, clientLo: SIX.lo, serverHi: FOUR.hi, serverLo: FOUR.lo, clientPort: 40_000, serverPort: 80, endpoint: 7 }],
  ["proxied", "keyType", encodeFlowKey(four, six), { localHi: FOUR.hi, localLo: FOUR.lo, remoteHi: SIX.hi, remoteLo: SIX.lo, localPort: 80, remotePort: 40_000, protocol: 6, reserved: 0, reserved2: 0 }],
  ["proxied", "valueType", encodeSteered(ROW), { time: 0n, originalHi: FOUR.hi, originalLo: FOUR.lo, originalPort: 80, l7: 3, identity: 300, endpoint: 7, rule: 9, direction: 1, reserved: 0 }],
] as const;

test.each(ROWS)("%s %s", (map, part, bytes, decoded) => {
  const codec = codecOf(object.btf, typeOf(map, part));
  expect(codec.size).toBe(bytes.length);
  expect(codec.decode(bytes)).toEqual(decoded);
});

test("what was steered reads back, in both families", () => {
  expect(decodeSteered(encodeSteered(ROW))).toEqual(ROW);
  expect(decodeSteered(encodeSteered({ ...ROW, original: six }))).toEqual({ ...ROW, original: six });
});
