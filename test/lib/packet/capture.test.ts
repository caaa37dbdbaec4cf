/** Capture files: hand-assembled ones from the formats' descriptions, what is written is read back, any bytes are survived. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ETHERNET, parseHex, readCapture, readFrames, writePcap } from "../../../lib/packet/index.ts";
import { codeOf } from "./code-of.ts";

// One packet "aabb" at 1 s + 2 units, 60 bytes on the wire.
const LITTLE_MICRO = "d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000  01000000 02000000 02000000 3c000000 aabb";
const BIG_NANO = "a1b23c4d 0002 0004 00000000 00000000 00040000 00000001  00000001 00000002 00000002 0000003c aabb";

const block = (type: string, body: string): string => {
  const length = ((body.replaceAll(" ", "").length / 2 + 12) << 0).toString(16).padStart(2, "0");
  return `${type}000000 ${length}000000 ${body} ${length}000000`;
};
const SECTION = "0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000";
const INTERFACE = block("01", "0100 0000 00000400");
/** Nanoseconds since 10 s after the epoch, of link type 113. */
const NANO_INTERFACE = block("01", "7100 0000 00000000  0900 0100 09000000  0e00 0800 0a00000000000000  0000 0000");
const BINARY_INTERFACE = block("01", "0100 0000 00000000  0900 0100 94000000  0000 0000");
const packet = (number: string, low: string): string =>
  block("06", `${number}000000 00000000 ${low} 02000000 3c000000 aabb0000`);

// prettier-ignore
const GOOD: readonly [name: string, hex: string, nanoseconds: bigint, linkType: number][] = [
  ["classic, little-endian, microseconds",  LITTLE_MICRO,                                                1_000_002_000n, 1],
  ["classic, big-endian, nanoseconds",      BIG_NANO,                                                    1_000_000_002n, 1],
  ["pcapng, microseconds",                  SECTION + INTERFACE + packet("00", "42420f00"),              1_000_002_000n, 1],
  ["pcapng, nanoseconds and an offset",     SECTION + INTERFACE + NANO_INTERFACE + packet("01", "02000000"), 10_000_000_002n, 113],
  ["pcapng, units of 2^-20 seconds",        SECTION + BINARY_INTERFACE + packet("00", "00001000"),       1_000_000_000n, 1],
  ["pcapng, the obsolete packet block",     SECTION + INTERFACE + block("02", "0000 0000 00000000 02000000 02000000 3c000000 aabb0000"), 2_000n, 1],
  ["pcapng, an unknown block and a second section", SECTION + NANO_INTERFACE + block("05", "00000000") + SECTION + INTERFACE + packet("00", "02000000"), 2_000n, 1],
  ["pcapng, big-endian",
    "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c  00000001 00000014 0001 0000 00000000 00000014"
    + "00000006 00000024 00000000 00000000 00000002 00000002 0000003c aabb0000 00000024",                 2_000n, 1],
];
// prettier-ignore
const BAD: readonly [name: string, hex: string, code: string][] = [
  ["empty",                             "",                                                   "K001"],
  ["not a capture",                     `7f454c46${"00".repeat(20)}`,                         "K001"],
  ["half a header",                     LITTLE_MICRO.slice(0, 30),                            "K002"],
  ["half a record header",              `${LITTLE_MICRO.slice(0, 58)}0000`,                   "K002"],
  ["packet cut off",                    LITTLE_MICRO.slice(0, -2),                            "K002"],
  ["length of four gigabytes",          LITTLE_MICRO.replace("02000000 3c", "ffffffff 3c"),   "K003"],
  ["pcapng: half a block",              SECTION + INTERFACE.slice(0, 20),                     "K002"],
  ["pcapng: no byte order",             SECTION.replace("4d3c2b1a", "00000000"),              "K003"],
  ["pcapng: a length of 3",             `${SECTION} 06000000 03000000 00000000`,              "K003"],
  ["pcapng: lengths that differ",       `${SECTION} 06000000 0c000000 10000000`,              "K003"],
  ["pcapng: a packet of no interface",  SECTION + packet("00", "02000000"),                   "K003"],
  ["pcapng: a packet past its block",   SECTION + INTERFACE + packet("00", "02000000").replace("02000000 3c", "10000000 3c"), "K003"],
];

test.each(GOOD)("%s", (_name, hex, nanoseconds, linkType) => {
  expect(readCapture(parseHex(hex), "a.pcap")).toEqual([
    { nanoseconds, originalLength: 60, linkType, bytes: parseHex("aabb") },
  ]);
});

test("pcapng, a packet block without a time", () => {
  const file = parseHex(SECTION + INTERFACE + block("03", "02000000 aabb0000"));
  const bytes = parseHex("aabb");
  expect(readCapture(file, "a.pcapng")).toEqual([{ nanoseconds: 0n, originalLength: 2, linkType: ETHERNET, bytes }]);
});

test.each(BAD)("%s", (_name, hex, code) => {
  expect(codeOf(() => readCapture(parseHex(hex), "a.pcap"))).toBe(code);
});

test("packets of another link layer are no frames", () => {
  const file = parseHex(SECTION + INTERFACE + NANO_INTERFACE + packet("00", "02000000") + packet("01", "02000000"));
  expect(codeOf(() => readFrames(file, "a.pcapng"))).toBe("K004");
  expect(codeOf(() => writePcap(readCapture(file, "a.pcapng")))).toBe("K005");
});

describe("any capture", () => {
  test("what is written is read back", () => {
    const record = fc.record({
      nanoseconds: fc.bigInt(0n, 0xffff_ffffn * 1_000_000_000n),
      originalLength: fc.nat(0xffff),
      bytes: fc.uint8Array({ maxLength: 100 }),
    });
    fc.assert(
      fc.property(fc.nat(0xffff), fc.array(record), (linkType, records) => {
        const packets = records.map((r) => ({ ...r, linkType }));
        expect(readCapture(writePcap(packets), "a.pcap")).toEqual(packets);
      }),
    );
  });

  test("bare bytes are frames of time 0", () => {
    expect(readFrames(writePcap([parseHex("aabb")]), "a.pcap")).toEqual([
      { nanoseconds: 0n, originalLength: 2, linkType: ETHERNET, bytes: parseHex("aabb") },
    ]);
  });

  test("any bytes give packets or a diagnostic", () => {
    const good = GOOD.map(([, hex]) => parseHex(hex));
    const overwritten = fc
      .tuple(fc.constantFrom(...good), fc.nat(200), fc.uint8Array({ maxLength: 8 }), fc.nat(200))
      .map(([file, at, bytes, length]) => {
        const changed = Uint8Array.from(file);
        changed.set(bytes.subarray(0, Math.max(file.length - at, 0)), Math.min(at, file.length));
        return changed.subarray(0, Math.max(length, 4));
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), overwritten), (file) => {
        expect(["none", "K001", "K002", "K003"]).toContain(codeOf(() => readCapture(file, "a.pcap")));
      }),
      { numRuns: 1000 },
    );
  });
});
