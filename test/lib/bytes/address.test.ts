import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, formatMac, parseAddress, parseMac } from "../../../lib/bytes/index.ts";

test.each([
  ["10.0.0.1", [10, 0, 0, 1]],
  ["255.255.255.255", [255, 255, 255, 255]],
  ["::", Array.from({ length: 16 }, () => 0)],
  ["::1", [...Array.from({ length: 15 }, () => 0), 1]],
  ["fd00::1:2", [0xfd, ...Array.from({ length: 11 }, () => 0), 0, 1, 0, 2]],
  ["1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
])("%s", (text, bytes) => {
  expect(parseAddress(text, text.includes(":") ? "ipv6" : "ipv4")).toEqual(Uint8Array.from(bytes));
  expect(formatAddress(Uint8Array.from(bytes))).toBe(text);
});

test("an IPv4 tail is read", () => {
  const bytes = parseAddress("::ffff:10.0.0.1", "ipv6");
  expect(bytes === null ? null : formatAddress(bytes)).toBe("::ffff:a00:1");
});

test.each([
  "",
  "10.0.0",
  "10.0.0.256",
  "10.0.0.1.2",
  "1.2.3.x",
  "::1::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "g::",
  "12345::",
])("%j is none", (text) => {
  expect(parseAddress(text, "ipv4")).toBe(null);
  expect(parseAddress(text, "ipv6")).toBe(null);
  expect(parseMac(text)).toBe(null);
});

test("what is written is read back", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((b) => Uint8Array.from(b)),
  );
  fc.assert(
    fc.property(bytes, (b) => {
      expect(parseAddress(formatAddress(b), b.length === 4 ? "ipv4" : "ipv6")).toEqual(b);
    }),
  );
});

test("MAC addresses", () => {
  expect(parseMac("02:00:00:00:00:FF")).toEqual(Uint8Array.of(2, 0, 0, 0, 0, 255));
  expect(parseMac("02:00:00:00:00:1")).toBe(null);
  const bytes = fc.uint8Array({ minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(bytes, (b) => {
      expect(parseMac(formatMac(b))).toEqual(b);
    }),
  );
});
