/** Dynptrs and the kernel functions on them, against the running kernel. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alu64, call, jmp, ldx, mov64, r0, r1, r10, r2, r3, r4, r5, st } from "../../../lib/asm/index.ts";
import type { HookName } from "../../../lib/kernel/index.ts";
import { callKernel, ldmap, map } from "../../kernel/specs.ts";
import { Both, arg, ctx, mem, noKernel, seedFor } from "./both.ts";
import type { Part } from "./both.ts";

const seed = seedFor("dynptrs against the kernel");
const stack = (reg: typeof r1, at: number): Part[] => [mov64(reg, r10), alu64("add", reg, at)];
/** Two dynptrs on the stack. */
const [A, B] = [-16, -32];

const fromMem = (size: number, flags = 0): Part[] => [
  ...mem(r1),
  mov64(r2, size),
  mov64(r3, flags),
  ...stack(r4, A),
  call("dynptr_from_mem"),
];
const fromPacket = (kind: "skb" | "xdp" | "skb_meta"): Part[] => [
  ctx,
  mov64(r2, 0),
  ...stack(r3, A),
  callKernel(`bpf_dynptr_from_${kind}`),
];
const on = (at: number, name: string, ...args: Part[]): Part[] => [...stack(r1, at), ...args, callKernel(name)];
const read = (at: number, offset: number, to: number): Part[] => [
  ...mem(r1, to),
  mov64(r2, 8),
  ...stack(r3, at),
  arg(r4, offset),
  mov64(r5, 0),
  call("dynptr_read"),
];
const write = (at: number, offset: number, from: number, flags = 0): Part[] => [
  ...stack(r1, at),
  arg(r2, offset),
  ...mem(r3, from),
  mov64(r4, 4),
  mov64(r5, flags),
  call("dynptr_write"),
];
/** 0, or the first 4 bytes of a slice of 8; without or with a buffer. */
const slice = (at: number, offset: number, buffer: boolean, name = "bpf_dynptr_slice"): Part[] => [
  ...stack(r1, at),
  arg(r2, offset),
  ...(buffer ? mem(r3, 240) : [mov64(r3, 0)]),
  mov64(r4, 8),
  callKernel(name),
  jmp("eq", r0, 0, 1),
  ldx(4, r0, r0, 0),
];
const data = (at: number, offset: number): Part[] => [
  ...stack(r1, at),
  mov64(r2, offset),
  mov64(r3, 8),
  call("dynptr_data"),
  jmp("eq", r0, 0, 1),
  ldx(4, r0, r0, 0),
];

// What can be done with any dynptr A. Arguments 0 and 1: what to cut it to; 2 and 3: offsets in what is left.
const common: Part[][] = [
  on(A, "bpf_dynptr_size"),
  ...["bpf_dynptr_is_null", "bpf_dynptr_is_rdonly"].map((name) => [...on(A, name), alu64("and", r0, 0xff)]), // a bool has 8 bits
  on(A, "bpf_dynptr_clone", ...stack(r2, B)),
  on(A, "bpf_dynptr_adjust", arg(r2, 0), arg(r3, 1)),
  on(A, "bpf_dynptr_size"),
  on(B, "bpf_dynptr_size"),
  read(A, 2, 400),
  read(B, 3, 408),
  write(A, 3, 416),
  write(B, 2, 420, 2),
  slice(A, 2, false),
  slice(B, 3, true),
  on(A, "bpf_dynptr_memset", arg(r2, 3), mov64(r3, 3), mov64(r4, 0x1ff)),
  on(A, "bpf_dynptr_copy", arg(r2, 2), ...stack(r3, B), arg(r4, 3), mov64(r5, 5)),
  read(B, 2, 428),
];
const writable: Part[][] = [slice(A, 3, true, "bpf_dynptr_slice_rdwr")];

describe.skipIf(noKernel !== null)("the machine and the kernel agree", () => {
  // prettier-ignore
  const CASES: [string, HookName, readonly (readonly Part[])[], packet: number][] = [
    ["memory",            "tc", [fromMem(64), ...common, ...writable, data(A, 4), data(B, 60)], 64],
    ["memory, too long or with flags", "tc", [fromMem(64, 1), ...common.slice(0, 6)], 64],
    ["a socket buffer",   "tc", [fromPacket("skb"), ...common, ...writable, data(A, 4)], 90],
    ["an XDP packet",     "xdp", [fromPacket("xdp"), ...common, ...writable], 90],
  ];
  const offset = fc.oneof(fc.nat(70), fc.constantFrom(0, 0xff_ffff, 0x7fff_ffff, 0xffff_ffff));
  test.each(CASES)("on dynptrs of %s", async (_, hook, steps, length) => {
    using both = await Both.of(hook, steps, { verdict: hook === "xdp" ? 2 : 0 });
    fc.assert(
      fc.property(fc.array(offset, { minLength: 4, maxLength: 4 }), fc.nat(255), (args, start) => {
        const packet = Uint8Array.from({ length }, (__, i) =>
          i < 14 ? [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0][i]! : (start + i) & 255,
        );
        const memory = Uint8Array.from({ length: 600 }, (__, i) => (start * 3 + i) & 255);
        const { machine, kernel } = both.run({ packet, args, memory });
        expect({ args, ...machine }).toEqual({ args, ...kernel });
      }),
      { seed, numRuns: 200 },
    );
  });

  test("on records of ring buffers", async () => {
    const maps = [map("events", "ringbuf", 0, 0, 4096)];
    const reserve = (flags: number): Part[] => [
      ldmap(r1, "events"),
      arg(r2, 0),
      mov64(r3, flags),
      ...stack(r4, A),
      call("ringbuf_reserve_dynptr"),
    ];
    const done = (how: "submit" | "discard"): Part[] => [
      ...stack(r1, A),
      mov64(r2, 0),
      call(`ringbuf_${how}_dynptr`),
      mov64(r0, 0),
    ];
    const query = (what: number): Part[] => [ldmap(r1, "events"), mov64(r2, what), call("ringbuf_query")];
    const queries = [0, 1, 2, 3, 4].map(query);
    using both = await Both.of(
      "tc",
      [
        reserve(0),
        write(A, 1, 0),
        read(A, 2, 300),
        on(A, "bpf_dynptr_size"),
        done("submit"),
        reserve(1),
        write(A, 1, 0),
        done("discard"),
        ...queries,
      ],
      { maps },
    );
    for (const size of [8, 100, 0, 4000, 4088, 5000, 0x100_0000]) {
      const { machine, kernel } = both.run({ packet: new Uint8Array(64), args: [size, 4, 0] });
      expect({ size, ...machine }).toEqual({ size, ...kernel });
    }
  });

  test("on numbers' iterators", async () => {
    // Sums at most 20 numbers.
    const steps: Part[][] = [
      [...stack(r1, -8), arg(r2, 0), arg(r3, 1), callKernel("bpf_iter_num_new")],
      ...[1, 2, 3].map(() => [
        ...stack(r1, -8),
        callKernel("bpf_iter_num_next"),
        jmp("eq", r0, 0, 2),
        ldx(4, r0, r0, 0),
        alu64("add", r0, 100),
      ]),
      [...stack(r1, -8), callKernel("bpf_iter_num_destroy"), mov64(r0, 0)],
    ];
    using both = await Both.of("tc", steps);
    for (const args of [
      [0, 2],
      [0, 0],
      [5, 4],
      [-3, 9],
      [0, 8 << 20],
      [0, (8 << 20) + 1],
      [-(2 ** 31), 2 ** 31 - 1],
    ]) {
      const { machine, kernel } = both.run({ packet: new Uint8Array(64), args });
      expect({ args, ...machine }).toEqual({ args, ...kernel });
    }
  });
});

describe("faults", () => {
  test.each([
    [
      "a dynptr of a ring buffer kept",
      [ldmap(r1, "events"), mov64(r2, 8), mov64(r3, 0), ...stack(r4, A), call("ringbuf_reserve_dynptr")],
      /dynptr of ring buffer events|records? of ring buffer events/,
    ],
    [
      "no dynptr at all",
      [st(8, r10, A, 5), st(8, r10, A + 8, 0x1000_0008), ...on(A, "bpf_dynptr_size")],
      /there is no dynptr at/,
    ],
    [
      "an iterator not destroyed",
      [...stack(r1, -8), mov64(r2, 0), mov64(r3, 1), callKernel("bpf_iter_num_new")],
      /without releasing an iterator/,
    ],
    ["the RCU lock kept", [callKernel("bpf_rcu_read_lock")], /without releasing the RCU read lock/],
    ["RCU unlocked only", [callKernel("bpf_rcu_read_unlock")], /bpf_rcu_read_unlock of/],
    ["a function of other programs", [callKernel("bpf_dynptr_from_xdp")], /is not for programs of type sched_cls/],
    ["a function that is not simulated", [callKernel("bpf_crypto_encrypt")], /bpf_crypto_encrypt is not simulated/],
  ] as [string, Part[], RegExp][])("%s", async (_, step, message) => {
    const both = await Both.alone("tc", [step], { maps: [map("events", "ringbuf", 0, 0, 4096)] });
    expect(both.run({ packet: new Uint8Array(64) }).machine.fault).toMatch(message);
  });
});
