/** Text helpers against the running kernel: formats, numbers, comparison. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { call, mov64, r1, r2, r3, r4, r5 } from "../../../lib/asm/index.ts";
import { ldvalue, map } from "../../kernel/specs.ts";
import { u64 } from "../bytes.ts";
import { Both, arg, mem, noKernel, seedFor } from "./both.ts";

const seed = seedFor("text helpers against the kernel");
const text = (value: string): Uint8Array => Uint8Array.from(value, (char) => char.charCodeAt(0));
const word = fc.oneof(
  fc.integer({ min: -20, max: 300 }),
  fc.bigInt(-(1n << 63n), (1n << 63n) - 1n),
  // No address of anything.
  fc.constantFrom(0, -1),
);

describe.skipIf(noKernel !== null)("the machine and the kernel agree", () => {
  test("on strtol and strtoul", async () => {
    using both = await Both.of("tc", [
      [...mem(r1), mov64(r2, 24), arg(r3, 0), ...mem(r4, 64), call("strtol")],
      [...mem(r1), mov64(r2, 24), arg(r3, 0), ...mem(r4, 72), call("strtoul")],
      [...mem(r1), mov64(r2, 3), arg(r3, 0), ...mem(r4, 80), call("strtol")],
    ]);
    const digits = fc.oneof(
      fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 22 }),
      fc.string({ unit: fc.constantFrom(..." \t\n-+0x1789aFfg\u00a0_"), maxLength: 24 }),
      fc
        .tuple(
          fc.constantFrom("", " ", "-", " -", "0x", "-0x", "0", "00x"),
          fc.bigInt(0n, 1n << 65n),
          fc.constantFrom(8, 10, 16),
        )
        .map(([front, n, radix]) => front + n.toString(radix)),
    );
    const flags = fc.constantFrom(0, 0, 8, 10, 16, 1, 7, 32, 48);
    fc.assert(
      fc.property(digits, flags, fc.boolean(), (number, base, space) => {
        // Behind the number a zero, or something that no number goes on with.
        const memory = new Uint8Array(64).fill(space ? 0x20 : 0);
        memory.set(text(number).subarray(0, 24));
        const { machine, kernel } = both.run({ packet: new Uint8Array(64), args: [base], memory });
        expect({ number, base, ...machine }).toEqual({ number, base, ...kernel });
      }),
      { seed, numRuns: 600 },
    );
  });

  test("on strncmp", async () => {
    const maps = [map("word", "array", 4, 8, 1, { flags: 128, initial: text("hello\0\0\0"), frozen: true })];
    using both = await Both.of("tc", [[...mem(r1), mov64(r2, 8), ldvalue(r3, "word"), call("strncmp")]], { maps });
    for (const other of ["hello", "hell", "hellp", "helln", "hello!", "", "\xff", "hello\0x"]) {
      const { machine, kernel } = both.run({ packet: new Uint8Array(64), memory: text(other.padEnd(8, "\0")) });
      expect({ other, ...machine }).toEqual({ other, ...kernel });
    }
  });

  test("on which formats there are, and how long a line of trace is", async () => {
    using both = await Both.of("tc", [
      [...mem(r1), mov64(r2, 64), arg(r3, 0), arg(r4, 1), arg(r5, 2), call("trace_printk")],
    ]);
    const piece = fc.oneof(
      fc.constantFrom(
        "%d",
        "%i",
        "%u",
        "%x",
        "%X",
        "%ld",
        "%llx",
        "%lu",
        "%c",
        "%s",
        "%p",
        "%px",
        "%pK",
        "%pks",
        "%pus",
        "%pi4",
        "%pI4",
        "%pI6",
        "%pi6",
        "%%",
      ),
      fc.constantFrom(
        "%ps",
        "%hd",
        "%zu",
        "%o",
        "%#x",
        "%f",
        "%pB",
        "%pI6c",
        "%pM",
        "%ll",
        "%",
        "%lc",
        "%sx",
        "%s,",
        "%pksa",
        "%5s",
        "%-7d|",
        "%07d",
        "%+d",
        "% d",
        "%08llx",
        "%.3d",
        "%*d",
        "%5%",
        "%012pI4",
      ),
      fc.constantFrom("a", " ", "\n", "\u0001", "\u00e9", "z"),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.array(word, { minLength: 3, maxLength: 3 }), (pieces, args) => {
        const format = pieces.join("");
        const { machine, kernel } = both.run({ packet: new Uint8Array(64), args, memory: text(format.slice(0, 63)) });
        expect({ format, args, results: machine.results }).toEqual({ format, args, results: kernel.results });
      }),
      { seed, numRuns: 800 },
    );
  });

  // prettier-ignore
  const FORMATS = [
    "%d %i %u %x", "%ld %lu %lx %lX", "%lld|%llu|%llX|%d", "[%5d][%-5d][%05d][%+d]", "[% d][%3u][%-20llx][%020llx]", "%c%c%c%c",
    "%s%d%s%u", "%pI4 %pi4 %pI6 %pi6", "100%% %d", "%px %d %ps", "plain", "%3c|%-3c|%+5x|% x", "%pI6c %12pI4|%-20pi4|",
    "[%+05d][%-+6d][%0-6d][%+ d]", "[%+u][%-5s][%5s][% 5d]", "[%20px][%-20px][%020px][%3px]",
  ];
  test.each(FORMATS)("on snprintf: %s", async (format) => {
    const bytes = text(`${format}\0`);
    const maps = [map("format", "array", 4, bytes.length, 1, { flags: 128, initial: bytes, frozen: true })];
    const count = [...format.replaceAll("%%", "").matchAll(/%/g)].length;
    // What the kernel gives for an address that does not fit the buffer has no sense: 11 for any.
    const sizes = format.includes("pI") ? [100, 100] : [7, 1];
    using both = await Both.of(
      "tc",
      [
        [...mem(r1, 64), mov64(r2, 100), ldvalue(r3, "format"), ...mem(r4), mov64(r5, 8 * count), call("snprintf")],
        [
          ...mem(r1, 200),
          mov64(r2, sizes[0] ?? 0),
          ldvalue(r3, "format"),
          ...mem(r4),
          mov64(r5, 8 * count),
          call("snprintf"),
        ],
        [
          ...mem(r1, 340),
          mov64(r2, sizes[1] ?? 0),
          ldvalue(r3, "format"),
          ...mem(r4),
          mov64(r5, 8 * count),
          call("snprintf"),
        ],
        [ldvalue(r1, "format"), mov64(r2, bytes.length), ...mem(r3), mov64(r4, 8 * count), call("trace_vprintk")],
      ],
      { maps },
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 4, maxLength: 4 }), (values) => {
        const memory = Uint8Array.from(values.flatMap((value) => [...u64(BigInt.asUintN(64, BigInt(value)))]));
        const { machine, kernel } = both.run({ packet: new Uint8Array(64), memory });
        expect({ values, ...machine }).toEqual({ values, ...kernel });
      }),
      { seed, numRuns: 40 },
    );
  });
});
