/** Helpers on socket buffers and XDP packets against the running kernel: chains of random calls, everything compared. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alu64, call, ldx, mov64, r0, r1, r2, r3, r4, r5, r6, r9 } from "../../../lib/asm/index.ts";
import { Both, IO, ctx, mem, noKernel, seedFor } from "./both.ts";
import type { Part } from "./both.ts";

const seed = seedFor("packet helpers against the kernel");
/** The test run's interface is `lo`. */
const options = { world: { interfaces: [{ ifindex: 1, mtu: 65_536 }] } };

const ETHER_TYPES = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806];
const VERSION: Readonly<Record<number, number>> = { 0x0800: 0x45, 0x86dd: 0x60 };

interface Step {
  readonly name: string;
  readonly parts: readonly Part[];
}
const step = (name: string, ...parts: Part[]): Step => ({ name, parts: [ctx, ...parts] });
const number = (n: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -n, max: n }) },
    fc.constantFrom(0, 1, 16_000, 70_000, 2 ** 31 - 1),
  );
const offset = fc.oneof({ weight: 5, arbitrary: fc.nat(80) }, fc.constantFrom(0xffff, 0x1_0000, 0x7fff_ffff, -1));
const size = fc.constantFrom(1, 2, 4, 8, 16, 40);

// prettier-ignore
const SKB_STEPS = fc.oneof(
  fc.tuple(offset, size).map(([at, n]) => step(`load ${at} ${n}`, mov64(r2, at), ...mem(r3), mov64(r4, n), call("skb_load_bytes"))),
  fc.tuple(offset, size, fc.nat(2)).map(([at, n, start]) => step(`relative ${at} ${n} ${start}`, mov64(r2, at), ...mem(r3, 64), mov64(r4, n), mov64(r5, start), call("skb_load_bytes_relative"))),
  fc.tuple(offset, size, fc.constantFrom(0, 0, 1, 2, 3, 4)).map(([at, n, flags]) => step(`store ${at} ${n} ${flags}`, mov64(r2, at), ...mem(r3), mov64(r4, n), mov64(r5, flags), call("skb_store_bytes"))),
  number(60).map((n) => step(`pull ${n}`, mov64(r2, n), call("skb_pull_data"))),
  fc.tuple(number(90), fc.constantFrom(0, 0, 0, 1)).map(([n, flags]) => step(`tail ${n}`, mov64(r2, n), mov64(r3, flags), call("skb_change_tail"))),
  fc.tuple(number(40), fc.constantFrom(0, 0, 0, 1)).map(([n, flags]) => step(`head ${n}`, mov64(r2, Math.abs(n) < 100 ? Math.abs(n) : 20_000), mov64(r3, flags), call("skb_change_head"))),
  fc.tuple(fc.constantFrom(0x0008, 0xdd86, 0x0608), fc.constantFrom(0, 0, 1)).map(([to, flags]) => step(`proto ${to}`, mov64(r2, to), mov64(r3, flags), call("skb_change_proto"))),
  fc.nat(4).map((type) => step(`type ${type}`, mov64(r2, type), call("skb_change_type"))),
  fc.tuple(number(44), fc.nat(2), fc.oneof(fc.constant(0), fc.constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 256), fc.nat(0x3ff))).map(([n, mode, flags]) => step(`room ${n} ${mode} ${flags}`, mov64(r2, n), mov64(r3, mode), mov64(r4, flags), call("skb_adjust_room"))),
  fc.tuple(fc.constantFrom(0x0081, 0xa888, 0x0008), fc.nat(0x1_0fff)).map(([protocol, tci]) => step(`push ${protocol} ${tci}`, mov64(r2, protocol), mov64(r3, tci), call("skb_vlan_push"))),
  fc.constant(step("pop", call("skb_vlan_pop"))),
  fc.constant(step("csum_update", mov64(r2, 5), call("csum_update"))),
  fc.nat(4).map((level) => step(`level ${level}`, mov64(r2, level), call("csum_level"))),
  fc.nat(9).map((hash) => step(`hash ${hash}`, mov64(r2, hash), call("set_hash"))),
  fc.constant(step("no hash", call("set_hash_invalid"))),
  fc.tuple(fc.nat(2), fc.nat(3)).map(([stamp, clock]) => step(`tstamp ${stamp} ${clock}`, mov64(r2, stamp), mov64(r3, clock), call("skb_set_tstamp"))),
  fc.constant(step("ecn", call("skb_ecn_set_ce"))),
  fc.tuple(fc.constantFrom(0, 1, 99), number(70_000), fc.nat(2)).map(([ifindex, more, flags]) => step(`mtu ${ifindex} ${more} ${flags}`, mov64(r2, ifindex), ...mem(r3, 200), mov64(r4, more), mov64(r5, flags), call("check_mtu"))),
  fc.tuple(fc.constantFrom(44, 28, 24, 22, 8, 43), fc.nat(32)).map(([n, flags]) => step(`get key ${n} ${flags}`, ...mem(r2, 128), mov64(r3, n), mov64(r4, flags), call("skb_get_tunnel_key"))),
  fc.tuple(fc.constantFrom(44, 28, 24, 22, 8, 43), fc.nat(32), fc.constantFrom(0, 300)).map(([n, flags, from]) => step(`set key ${n} ${flags}`, ...mem(r2, from), mov64(r3, n), mov64(r4, flags), call("skb_set_tunnel_key"))),
  fc.constantFrom(4, 8, 12, 7).map((n) => step(`set opt ${n}`, ...mem(r2, 20), mov64(r3, n), call("skb_set_tunnel_opt"))),
  fc.constantFrom(4, 8, 12, 7).map((n) => step(`get opt ${n}`, ...mem(r2, 176), mov64(r3, n), call("skb_get_tunnel_opt"))),
);
/** len, pkt_type, protocol, vlan_present, vlan_tci, vlan_proto, tstamp_type; cut short by what a step writes. */
const FIELDS = [0, 4, 16, 20, 24, 28].map((at): Step => ({ name: `field ${at}`, parts: [ldx(4, r0, r6, at)] }));
const HASH: Step = { name: "hash", parts: [ldx(4, r0, r6, 68)] };

const frame = fc
  .tuple(
    fc.constantFrom(...ETHER_TYPES),
    fc.constantFrom(...ETHER_TYPES),
    fc.uint8Array({ minLength: 54, maxLength: 90 }),
  )
  .map(([type, inner, bytes]) => {
    // To the address of `lo`.
    const packet = bytes.slice().fill(0, 0, 6);
    packet.set([type >> 8, type & 255], 12);
    if (packet.length > 20) packet.set([VERSION[type] ?? 0, bytes[15] ?? 0, inner >> 8, inner & 255], 14);
    return packet;
  });

/** Room made behind a network header that the packet has cut off: the kernel leaves what was there before. */
function roomBehindTheEnd(names: readonly string[], results: readonly bigint[]): boolean {
  return names.some((name, i) => {
    const [length, protocol] = [results[i - FIELDS.length], results[i - FIELDS.length + 2]];
    return /^room -?\d+ 0 /.test(name) && length !== undefined && length < (protocol === 0xdd86n ? 54n : 34n);
  });
}

describe.skipIf(noKernel !== null)("the machine and the kernel agree", () => {
  test("on chains of socket buffer helpers", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(SKB_STEPS, { minLength: 1, maxLength: 5 }),
        frame,
        fc.uint8Array({ minLength: 300, maxLength: 300 }),
        async (chain, packet, bytes) => {
          // A memory of zeros too, from byte 300: a tunnel key that is acceptable.
          const steps = [...chain.flatMap((one) => [one, ...FIELDS]), HASH].slice(0, 32);
          using both = await Both.of(
            "tc",
            steps.map(({ parts }) => parts),
            { options },
          );
          try {
            const { machine, kernel } = both.run({ packet, memory: bytes });
            const names = steps.map(({ name }) => name);
            fc.pre(!roomBehindTheEnd(names, machine.results));
            expect({ names, ...machine }).toEqual({ names, ...kernel });
          } catch (error) {
            // The kernel has no room to give a packet back that grew too much.
            if (!String(error).includes("ENOSPC")) throw error;
          }
        },
      ),
      { seed, numRuns: 250 },
    );
  }, 60_000);

  test("on helpers of cgroup_skb, which sees packets from the network header on", async () => {
    // prettier-ignore
    const NETWORK_STEPS = fc.oneof(
      fc.tuple(offset, size).map(([at, n]) => step(`load ${at} ${n}`, mov64(r2, at), ...mem(r3), mov64(r4, n), call("skb_load_bytes"))),
      fc.tuple(offset, size, fc.constantFrom(1, 2)).map(([at, n, start]) => step(`relative ${at} ${n} ${start}`, mov64(r2, at), ...mem(r3, 64), mov64(r4, n), mov64(r5, start), call("skb_load_bytes_relative"))),
      fc.constant(step("ecn", call("skb_ecn_set_ce"))),
      fc.constantFrom(0, 16).map((at): Step => ({ name: `field ${at}`, parts: [ldx(4, r0, r6, at)] })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(NETWORK_STEPS, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        fc.uint8Array({ minLength: 40, maxLength: 80 }),
        async (chain, v6, bytes) => {
          const packet = Uint8Array.from([...new Uint8Array(12), ...(v6 ? [0x86, 0xdd] : [8, 0]), ...bytes]);
          packet[14] = v6 ? 0x60 : 0x45;
          using both = await Both.of(
            "cgroup_skb_ingress",
            chain.map(({ parts }) => parts),
            { options, verdict: 1 },
          );
          const { machine, kernel } = both.run({ packet });
          const names = chain.map(({ name }) => name);
          expect({ names, ...machine }).toEqual({ names, ...kernel });
        },
      ),
      { seed, numRuns: 60 },
    );
  }, 60_000);

  const XDP_STEPS = fc.oneof(
    fc
      .tuple(offset, size)
      .map(([at, n]) => step(`load ${at} ${n}`, mov64(r2, at), ...mem(r3), mov64(r4, n), call("xdp_load_bytes"))),
    fc
      .tuple(offset, size)
      .map(([at, n]) => step(`store ${at} ${n}`, mov64(r2, at), ...mem(r3), mov64(r4, n), call("xdp_store_bytes"))),
    number(60).map((n) => step(`head ${n}`, mov64(r2, n), call("xdp_adjust_head"))),
    number(60).map((n) => step(`tail ${n}`, mov64(r2, n), call("xdp_adjust_tail"))),
    fc.constant(step("length", call("xdp_get_buff_len"))),
    fc
      .tuple(fc.constantFrom(0, 1, 99), number(70_000), fc.nat(1))
      .map(([ifindex, more, flags]) =>
        step(
          `mtu ${ifindex} ${more} ${flags}`,
          mov64(r2, ifindex),
          ...mem(r3, 200),
          mov64(r4, more),
          mov64(r5, flags),
          call("check_mtu"),
        ),
      ),
  );
  const FRAGS = 1 << 5;
  test.each([
    ["linear", 90, 0],
    ["in fragments", 9000, FRAGS],
  ])(
    "on chains of XDP helpers, packets %s",
    async (_, longest, flags) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(XDP_STEPS, { minLength: 1, maxLength: 6 }),
          fc.integer({ min: 14, max: longest }),
          fc.nat(),
          async (chain, length, start) => {
            const packet = Uint8Array.from({ length }, (_, i) => (start + i * 7) & 255);
            using both = await Both.of(
              "xdp",
              chain.map(({ parts }) => parts),
              { options, flags, verdict: 2 },
            );
            const { machine, kernel } = both.run({ packet, memory: packet.subarray(0, 40).toReversed() });
            const names = chain.map(({ name }) => name);
            expect({ names, length, ...machine }).toEqual({ names, length, ...kernel });
          },
        ),
        { seed, numRuns: 60 },
      );
    },
    60_000,
  );
});

describe("a packet that is not all linear", () => {
  const packet = Uint8Array.from({ length: 100 }, (_, i) => i);
  // prettier-ignore
  const CASES: [string, readonly Part[], results: readonly bigint[]][] = [
    ["is reached by skb_load_bytes",      [ctx, mov64(r2, 60), ...mem(r3), mov64(r4, 8), call("skb_load_bytes"), ldx(8, r0, r9, IO.memory)], [0x4342_4140_3f3e_3d3cn]],
    ["shows data_end where it ends",      [ldx(4, r1, r6, 76), ldx(4, r0, r6, 80), alu64("sub", r0, r1)], [20n]],
    ["has the length of all of it",       [ldx(4, r0, r6, 0)], [100n]],
    ["is made linear by skb_pull_data",   [ctx, mov64(r2, 50), call("skb_pull_data"), ldx(4, r1, r6, 76), ldx(4, r0, r6, 80), alu64("sub", r0, r1)], [50n]],
    ["not longer than it is",             [ctx, mov64(r2, 101), call("skb_pull_data")], [-12n]],
    ["is made linear by a store",         [ctx, mov64(r2, 30), ...mem(r3), mov64(r4, 4), mov64(r5, 0), call("skb_store_bytes"), ldx(4, r1, r6, 76), ldx(4, r0, r6, 80), alu64("sub", r0, r1)], [34n]],
  ];
  test.each(CASES)("%s", async (_, parts, results) => {
    using both = await Both.of("tc", [parts]);
    const { machine, result } = both.run({ packet, linear: 20 });
    expect({ results: machine.results, fault: result.fault, length: result.packet?.length }).toEqual({
      results,
      fault: null,
      length: 100,
    });
  });
});
