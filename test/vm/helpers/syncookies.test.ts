/** SYN cookies: what they tell agrees with the running kernel's, and each side takes back its own. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alu64, call, mov64, r0, r1, r2, r3, r7, st, swap } from "../../../lib/asm/index.ts";
import { Both, mem, noKernel, seedFor } from "./both.ts";
import type { Part } from "./both.ts";

const seed = seedFor("SYN cookies against the kernel");
// In the memory: an IP header at 0, a SYN of 24 bytes at 64, the ACK that follows at 128.
const [SYN, ACK] = [64, 128];

/** Makes a cookie, and checks an ACK that answers it, and one that does not. The cookie itself is each side's own. */
function steps(version: "ipv4" | "ipv6", length: number): Part[][] {
  const check: Part[] = [...mem(r1), ...mem(r2, ACK), call(`tcp_raw_check_syncookie_${version}`)];
  return [
    [
      ...mem(r1), ...mem(r2, SYN), mov64(r3, length), call(`tcp_raw_gen_syncookie_${version}`),
      mov64(r7, r0), alu64("add", r7, 1), swap("be", 32, r7), ...mem(r1), st(4, r1, ACK + 8, r7), alu64("arsh", r0, 32),
    ],
    check,
    [...mem(r1), st(4, r1, ACK + 8, 0x0102_0304), ...check],
    // So that both sides' memory is the same.
    [...mem(r1), st(4, r1, ACK + 8, 0), mov64(r0, 0)],
  ];
} // prettier-ignore

describe.skipIf(noKernel !== null)("the machine and the kernel agree", () => {
  const mss = fc.oneof(
    fc.constant(null),
    fc.constantFrom(0, 535, 536, 1219, 1220, 1300, 1439, 1440, 1459, 1460, 1461, 8940, 65_535),
    fc.nat(65_535),
  );
  test.each([
    ["ipv4", 24],
    ["ipv4", 20],
    ["ipv6", 24],
  ] as const)("on cookies of %s, headers of %i bytes", async (version, length) => {
    using both = await Both.of("tc", steps(version, length));
    fc.assert(
      fc.property(mss, fc.uint8Array({ minLength: 64, maxLength: 64 }), (size, random) => {
        const memory = new Uint8Array(256);
        memory.set(random.subarray(0, 40));
        memory.set(random.subarray(40, 52), SYN);
        memory.set([0x60, 2], SYN + 12);
        if (size !== null) memory.set([2, 4, size >> 8, size & 255], SYN + 20);
        memory.set(memory.subarray(SYN, SYN + 4), ACK);
        // The ACK's sequence number is one more than the SYN's.
        const view = new DataView(memory.buffer);
        view.setUint32(ACK + 4, view.getUint32(SYN + 4) + 1);
        memory.set([0x50, 16], ACK + 12);
        const { machine, kernel } = both.run({ packet: new Uint8Array(64), memory });
        expect({ size, ...machine }).toEqual({ size, ...kernel });
        if (length === 24) expect(machine.results.slice(1, 3)).toEqual([0n, -13n]);
      }),
      { seed, numRuns: 150 },
    );
  });
});
