import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DiagnosticError } from "../../../lib/diag/index.ts";
import {
  buildFrame,
  checksum,
  formatHex,
  parseHex,
  parseIpv4,
  readPcap,
  writePcap,
} from "../../../lib/packet/index.ts";

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics[0]?.code ?? "";
    throw error;
  }
  return "none";
}

// Hand-assembled from the format's description: one packet "aabb" at 1 s + 2 units, 60 bytes on the wire.
const LITTLE_MICRO = "d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000  01000000 02000000 02000000 3c000000 aabb";
const BIG_NANO = "a1b23c4d 0002 0004 00000000 00000000 00040000 00000001  00000001 00000002 00000002 0000003c aabb";

// prettier-ignore
const GOOD: readonly [name: string, hex: string, nanoseconds: bigint][] = [
  ["little-endian, microseconds",                LITTLE_MICRO, 1_000_002_000n],
  ["big-endian, nanoseconds",                    BIG_NANO,     1_000_000_002n],
];
// prettier-ignore
const BAD: readonly [name: string, hex: string, code: string][] = [
  ["empty",                                      "",                                                     "K002"],
  ["half a header",                              LITTLE_MICRO.slice(0, 30),                              "K002"],
  ["half a record header",                       `${LITTLE_MICRO.slice(0, 58)}0000`,                              "K002"],
  ["packet cut off",                             LITTLE_MICRO.slice(0, -2),                              "K002"],
  ["not a capture",                              `7f454c46${"00".repeat(20)}`,                           "K001"],
  ["pcapng",                                     `0a0d0d0a${"00".repeat(20)}`,                           "K001"],
  ["length of four gigabytes",                   LITTLE_MICRO.replace("02000000 3c", "ffffffff 3c"),     "K003"],
];

describe("pcap", () => {
  test.each(GOOD)("%s", (_name, hex, nanoseconds) => {
    expect(readPcap(parseHex(hex), "a.pcap")).toEqual({
      linkType: 1,
      packets: [{ nanoseconds, originalLength: 60, bytes: parseHex("aabb") }],
    });
  });

  test.each(BAD)("%s", (_name, hex, code) => {
    expect(codeOf(() => readPcap(parseHex(hex), "a.pcap"))).toBe(code);
  });

  test("what is written is read back", () => {
    const packet = fc.record({
      nanoseconds: fc.bigInt(0n, 0xffff_ffffn * 1_000_000_000n),
      originalLength: fc.nat(0xffff),
      bytes: fc.uint8Array({ maxLength: 100 }),
    });
    const capture = fc.record({ linkType: fc.nat(0xffff), packets: fc.array(packet) });
    fc.assert(
      fc.property(capture, (c) => {
        expect(readPcap(writePcap(c), "a.pcap")).toEqual(c);
      }),
    );
  });

  test("any bytes give packets or a diagnostic", () => {
    const header = parseHex(LITTLE_MICRO).subarray(0, 24);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (bytes, headed) => {
        const file = headed ? Uint8Array.of(...header, ...bytes) : bytes;
        expect(["none", "K001", "K002", "K003"]).toContain(codeOf(() => readPcap(file, "a.pcap")));
      }),
    );
  });
});

describe("hex", () => {
  test("separators are allowed, case does not matter", () => {
    expect(parseHex("0x0A:ff 00\n1b")).toEqual(Uint8Array.of(10, 255, 0, 27));
  });
  test.each(["abc", "zz", "12 3", "-1"])("%s is refused", (text) => {
    expect(codeOf(() => parseHex(text))).toBe("K010");
  });
  test("formatHex is the inverse", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(parseHex(formatHex(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe("frames", () => {
  // The example header of RFC 1071's family of texts: 172.16.10.99 to 172.16.10.12, checksum b1e6.
  test("checksum of a known header", () => {
    expect(checksum(parseHex("4500003c1c4640004006 0000 ac100a63ac100a0c"))).toBe(0xb1e6);
  });

  test("lengths and checksums are right for every payload", () => {
    const address = fc.ipV4();
    const port = fc.nat(0xffff);
    // prettier-ignore
    fc.assert(
      fc.property(
        fc.constantFrom("tcp" as const, "udp" as const), address, address, port, port, fc.uint8Array({ maxLength: 64 }),
        (protocol, source, destination, sourcePort, destinationPort, payload) => {
          const frame = buildFrame({ protocol, source, destination, sourcePort, destinationPort, payload });
          const ip = frame.subarray(14);
          expect(checksum(ip.subarray(0, 20))).toBe(0);
          const segment = ip.subarray(20);
          const pseudo = [...ip.subarray(12, 20), 0, protocol === "tcp" ? 6 : 17, 0, segment.length];
          expect(checksum(Uint8Array.of(...pseudo, ...segment))).toBe(0);
          expect(segment.subarray(-payload.length || segment.length)).toEqual(payload);
        },
      ),
    );
  });

  test.each(["1.2.3", "1.2.3.256", "a.b.c.d", "1.2.3.4.5", ""])("%s is no address", (text) => {
    expect(() => parseIpv4(text)).toThrow(RangeError);
  });
});
