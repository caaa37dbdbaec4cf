/** Addresses and prefixes; the platform's own parser (net) is the independent checker. */
import { BlockList, SocketAddress, isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  contains,
  formatAddress,
  formatPrefix,
  mappedBytes,
  mappedLength,
  parseAddress,
  parseAddressOrPrefix,
  parsePrefix,
} from "../../../mesh/objects/address.ts";

// prettier-ignore
const ADDRESSES: readonly [text: string, canonical: string | null][] = [
  ["10.0.0.1",                "10.0.0.1"],
  ["255.255.255.255",         "255.255.255.255"],
  ["0.0.0.0",                 "0.0.0.0"],
  ["256.0.0.1",               null],
  ["010.0.0.1",               null],
  ["1.2.3",                   null],
  ["1.2.3.4.5",               null],
  ["",                        null],
  ["1.2.3.4 ",                null],
  ["::",                      "::"],
  ["::1",                     "::1"],
  ["FD00:0:0:0::1",           "fd00::1"],
  ["2001:db8:0:1:1:1:1:1",    "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1",      "2001:0:0:1::1"],
  ["2001:db8:0:0:1:0:0:1",    "2001:db8::1:0:0:1"],
  ["1::",                     "1::"],
  ["64:ff9b::1.2.3.4",        "64:ff9b::102:304"],
  ["1:2:3:4:5:6:7",           null],
  ["1:2:3:4:5:6:7::8",        null],
  ["1:2:3:4:5:6:7:8:9",       null],
  ["1::2::3",                 null],
  [":1::2",                   null],
  ["fe80::1%eth0",            null],
  ["::ffff:1.2.3.4",          null],
  ["12345::",                 null],
];

// prettier-ignore
const PREFIXES: readonly [text: string, canonical: string | null][] = [
  ["10.0.0.0/8",     "10.0.0.0/8"],
  ["10.1.2.3/8",     "10.0.0.0/8"],
  ["0.0.0.0/0",      "0.0.0.0/0"],
  ["::/0",           "::/0"],
  ["fd00::1/64",     "fd00::/64"],
  ["10.0.0.0",       null],
  ["10.0.0.0/",      null],
  ["10.0.0.0/33",    null],
  ["10.0.0.0/08",    null],
  ["10.0.0.0/-1",    null],
  ["fd00::/129",     null],
  ["::ffff:0:0/96",  null],
  ["10.0.0.0/8/8",   null],
];

describe("addresses", () => {
  test.each(ADDRESSES)("%s is %s", (text, canonical) => {
    const address = parseAddress(text);
    expect(address === null ? null : formatAddress(address)).toBe(canonical);
  });

  test("are read and written as the platform does", () => {
    const check = (bytes: number[], family: "ipv4" | "ipv6") => {
      const text =
        family === "ipv4"
          ? bytes.slice(0, 4).join(".")
          : Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16)).join(":");
      const address = parseAddress(text)!;
      expect(formatAddress(address)).toBe(new SocketAddress({ address: text, family }).address);
      expect(parseAddress(formatAddress(address))).toEqual(address);
    };
    // Zeros are frequent, so that "::" is somewhere else each time.
    const bytes = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 });
    fc.assert(fc.property(bytes, fc.constantFrom("ipv4", "ipv6"), check), { seed: 4 });
  });

  test("arbitrary text is an address exactly when the platform says so", () => {
    const text = fc.string({ unit: fc.constantFrom(..."0123456789af:."), maxLength: 20 });
    fc.assert(
      fc.property(text, (value) => {
        const mapped = /^(0{0,4}:)*:?(0{1,4}:)*:?ffff:/i.test(value);
        fc.pre(!mapped);
        expect(parseAddress(value)?.family ?? 0).toBe(isIP(value));
      }),
      { seed: 5, numRuns: 2000 },
    );
  });
});

describe("prefixes", () => {
  test.each(PREFIXES)("%s is %s", (text, canonical) => {
    const prefix = parsePrefix(text);
    expect(prefix === null ? null : formatPrefix(prefix)).toBe(canonical);
  });

  test("an address is the prefix of itself", () => {
    expect(formatPrefix(parseAddressOrPrefix("10.0.0.1")!)).toBe("10.0.0.1/32");
    expect(formatPrefix(parseAddressOrPrefix("fd00::1")!)).toBe("fd00::1/128");
  });

  test("hold what the platform's BlockList holds", () => {
    const near = fc.tuple(fc.constantFrom(10, 11), fc.constantFrom(0, 128), fc.constantFrom(0, 1), fc.nat(3));
    fc.assert(
      fc.property(near, near, fc.nat(32), (outer, inner, length) => {
        const list = new BlockList();
        list.addSubnet(outer.join("."), length, "ipv4");
        const prefix = parsePrefix(`${outer.join(".")}/${length}`)!;
        expect(contains(prefix, parseAddressOrPrefix(inner.join("."))!)).toBe(list.check(inner.join("."), "ipv4"));
      }),
      { seed: 6 },
    );
  });

  test("families never hold each other, and a longer one never a shorter", () => {
    const holds = (outer: string, inner: string) => contains(parsePrefix(outer)!, parsePrefix(inner)!);
    expect(holds("::/0", "10.0.0.0/8")).toBe(false);
    expect(holds("10.0.0.0/16", "10.0.0.0/8")).toBe(false);
    expect(holds("10.0.0.0/8", "10.0.0.0/8")).toBe(true);
    expect(holds("fd00::/8", "fd00:1::/32")).toBe(true);
  });
});

describe("as programs know them", () => {
  test("IPv4 is mapped into IPv6", () => {
    expect(Buffer.from(mappedBytes(parseAddress("10.1.2.3")!)).toString("hex")).toBe(
      "00000000000000000000ffff0a010203",
    );
    expect(Buffer.from(mappedBytes(parseAddress("fd00::1")!)).toString("hex")).toBe("fd000000000000000000000000000001");
    expect(mappedLength(parsePrefix("10.0.0.0/8")!)).toBe(104);
    expect(mappedLength(parsePrefix("fd00::/8")!)).toBe(8);
  });
});
