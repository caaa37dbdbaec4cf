/** Formats of the kernel's printf for programs. */
import { expect, test } from "vitest";
import { isFormat } from "../../../lib/verifier/calls/strings.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);

// prettier-ignore
const FORMATS: readonly (readonly [format: string, args: number, fine: boolean])[] = [
  ["", 0, true], ["plain", 0, true], ["100%%", 0, true], ["%d", 1, true], ["%d", 0, false], ["%d %u %x %X %i", 5, true],
  ["%ld %lld %llu", 3, true], ["%llld", 1, false], ["%5d", 1, true], ["%-05d", 1, true], ["%.2d", 1, false], ["%f", 1, false],
  ["%s", 1, true], ["%s.", 1, true], ["%sx", 1, false], ["%c", 1, true], ["%cx", 1, true], ["%p", 1, true], ["%p ", 1, true],
  ["%pK", 1, true], ["%px", 1, true], ["%ps %pS %pB", 3, true], ["%pks", 1, true], ["%pus!", 1, true], ["%pksx", 1, false],
  ["%pi4 %pI6", 2, true], ["%pI5", 1, false], ["%pz", 1, false], ["%", 1, false], ["%d", 3, true], ["tab\there\n", 0, true],
  ["bell\x07", 0, false],
];

test.each(FORMATS)("%j with %d arguments", (format, args, fine) => {
  expect(isFormat(bytes(format), args)).toBe(fine);
});
