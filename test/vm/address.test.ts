import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, parseAddress } from "../../lib/vm/address.ts";

test.each([
  ["10.0.0.1", [10, 0, 0, 1]],
  ["255.255.255.255", [255, 255, 255, 255]],
  ["::", Array.from({ length: 16 }, () => 0)],
  ["::1", [...Array.from({ length: 15 }, () => 0), 1]],
  ["fd00::1:2", [0xfd, ...Array.from({ length: 11 }, () => 0), 0, 1, 0, 2]],
  ["1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
])("%s", (text, bytes) => {
  expect([...parseAddress(text, text.includes(":") ? "ipv6" : "ipv4")]).toEqual(bytes);
  expect(formatAddress(Uint8Array.from(bytes))).toBe(text);
});

test("an IPv4 tail is read", () => {
  expect(formatAddress(parseAddress("::ffff:10.0.0.1", "ipv6"))).toBe("::ffff:a00:1");
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
  expect(() => parseAddress(text, "ipv4")).toThrow("is not an IPv4 address");
  expect(() => parseAddress(text, "ipv6")).toThrow("is not an IPv6 address");
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
