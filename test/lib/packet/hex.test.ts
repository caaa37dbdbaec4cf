import fc from "fast-check";
import { expect, test } from "vitest";
import { formatHex, parseHex } from "../../../lib/packet/index.ts";
import { codeOf } from "./code-of.ts";

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
