/** Hand-built objects: small, but with every kind of thing that an ObjectSpec can say. */
import {
  assemble,
  call,
  exit,
  jmp,
  label,
  lddw,
  ldx,
  mov64,
  r0,
  r1,
  r2,
  r3,
  r10,
  st,
  add64,
} from "../../lib/asm/index.ts";
import { BtfBuilder } from "../../lib/btf/index.ts";
import { HOOKS, MAP_FLAGS } from "../../lib/kernel/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import type { MapSpec, ObjectSpec, SourceLine } from "../../lib/object/index.ts";

const SOURCE = [
  "export const filter = xdp((ctx) => {",
  "  const seen = flows.get(key);",
  "  if (seen) return limit(seen.packets);",
  "  return XDP_PASS;",
  "});",
  "function limit(packets: u64): i32 {",
  "  return packets > config.most ? XDP_DROP : XDP_PASS;",
];

function line(slot: number, number: number, column = 3): SourceLine {
  return { slot, file: "programs/filter.ts", line: number, column, text: SOURCE[number - 1] ?? "" };
}

const localCall: Insn = { kind: "call", target: { kind: "local", delta: -1 } };

/**
 * An XDP program that looks up a hash map and calls a subprogram, which reads `.rodata`; a `.data`, a `.bss` and a ring
 * buffer are there too. `section` and `linkage` (of the subprogram) are what varies.
 */
export function filterObject(linkage: "static" | "global" = "static"): ObjectSpec {
  const b = new BtfBuilder();
  const u32 = b.int("u32", 4);
  const u64 = b.int("u64", 8);
  const i32 = b.int("i32", 4, "signed");
  const key = b.struct("FlowKey", 8, [
    { name: "saddr", type: u32, bitOffset: 0 },
    { name: "daddr", type: u32, bitOffset: 32 },
  ]);
  const stats = b.struct("FlowStats", 16, [
    { name: "packets", type: u64, bitOffset: 0 },
    { name: "bytes", type: u64, bitOffset: 64 },
  ]);
  const context = b.ptr(b.fwd("xdp_md"));
  const filter = b.func("filter", b.funcProto(i32, [{ name: "ctx", type: context }]));
  const limit = b.func("limit", b.funcProto(i32, [{ name: "packets", type: u64 }]), linkage);
  const data = (name: string, size: number, variables: [string, number][]): number =>
    b.datasec(
      name,
      size,
      variables.map(([variable, offset]) => ({ type: b.var(variable, u64, "static"), offset, size: 8 })),
    );
  const rodata = data(".rodata", 16, [
    ["salt", 0],
    ["most", 8],
  ]);
  const bss = data(".bss", 8, [["dropped", 0]]);
  // prettier-ignore
  const map = (name: string, rest: Partial<MapSpec>): MapSpec => ({
    name, type: "hash", keySize: 0, valueSize: 0, maxEntries: 0, flags: 0, keyType: 0, valueType: 0, initial: null, frozen: false, inner: null, ...rest,
  });
  return {
    license: "Dual MIT/GPL",
    programs: [
      {
        name: "filter",
        section: HOOKS.xdp.section,
        type: HOOKS.xdp.type,
        attach: HOOKS.xdp.attach,
        flags: 0,
        linkage: "global",
        btfId: filter,
        // prettier-ignore
        insns: assemble([
          st(8, r10, -8, 0),                 //  0
          mov64(r2, r10), add64(r2, -8),     //  1, 2
          lddw(r1, 0n),                      //  3: flows
          call("map_lookup_elem"),           //  5
          jmp("ne", r0, 0, "seen"),          //  6
          mov64(r0, 2), exit(),              //  7, 8
          label("seen"), ldx(8, r1, r0, 0),  //  9
          localCall,                         // 10: limit
          exit(),                            // 11
        ]),
        relocations: [
          { kind: "map", slot: 3, map: "flows" },
          { kind: "call", slot: 10, func: "limit" },
        ],
        lines: [line(0, 2), line(6, 3), line(7, 4), line(9, 3, 20)],
      },
    ],
    subprograms: [
      {
        name: "limit",
        linkage,
        btfId: limit,
        // prettier-ignore
        insns: assemble([
          lddw(r2, 0n),                      //  0: .rodata + 8
          ldx(8, r2, r2, 0),                 //  2
          lddw(r3, 0n),                      //  3: .bss
          st(8, r3, 0, 1),                   //  5
          mov64(r0, 1),                      //  6
          jmp("gt", r1, r2, "drop"),         //  7
          mov64(r0, 2),                      //  8
          label("drop"), exit(),             //  9
        ]),
        relocations: [
          { kind: "map_value", slot: 0, map: ".rodata", offset: 8 },
          { kind: "map_value", slot: 3, map: ".bss", offset: 0 },
        ],
        lines: [line(0, 7), line(6, 7, 10)],
      },
    ],
    // prettier-ignore
    maps: [
      map("flows", { keySize: 8, valueSize: 16, maxEntries: 1024, flags: MAP_FLAGS.no_prealloc, keyType: key, valueType: stats }),
      map("events", { type: "ringbuf", maxEntries: 4096, valueType: stats }),
      map("raw", { type: "array", keySize: 4, valueSize: 24, maxEntries: 1 }),
      map(".rodata", {
        type: "array", keySize: 4, valueSize: 16, maxEntries: 1, flags: MAP_FLAGS.rdonly_prog, valueType: rodata, frozen: true,
        initial: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 100, 0, 0, 0, 0, 0, 0, 0),
      }),
      map(".bss", { type: "array", keySize: 4, valueSize: 8, maxEntries: 1, valueType: bss, initial: new Uint8Array(8) }),
    ],
    btf: b.finish(),
  };
}

/** As bpf2bpf tests of clang write it: a program that hands a static function's address to `for_each_map_elem`. */
export function callbackObject(): ObjectSpec {
  const b = new BtfBuilder();
  const u32 = b.int("u32", 4);
  const u64 = b.int("u64", 8);
  const i64 = b.int("i64", 8, "signed");
  const any = b.ptr(0);
  const callbackProto = b.funcProto(
    i64,
    ["map", "key", "value", "ctx"].map((name) => ({ name, type: any })),
  );
  const program = b.func(
    "walk",
    b.funcProto(b.int("i32", 4, "signed"), [{ name: "ctx", type: b.ptr(b.fwd("__sk_buff")) }]),
  );
  const visit = b.func("visit", callbackProto, "static");
  const idle = b.func("idle", callbackProto, "static");
  return {
    license: "GPL",
    programs: [
      {
        name: "walk",
        section: "tc",
        type: "sched_cls",
        attach: null,
        flags: 0,
        linkage: "global",
        btfId: program,
        // prettier-ignore
        insns: assemble([
          lddw(r1, 0n),          // 0: counts
          lddw(r2, 0n),          // 2: visit
          mov64(r3, 0),          // 4
          mov64({ reg: 4 }, 0),  // 5
          call(164),             // 6: bpf_for_each_map_elem
          mov64(r0, 0), exit(),  // 7
        ]),
        relocations: [
          { kind: "map", slot: 0, map: "counts" },
          { kind: "func", slot: 2, func: "visit" },
        ],
        lines: [],
      },
    ],
    subprograms: [
      { name: "idle", linkage: "static", btfId: idle, insns: [mov64(r0, 1), exit()], relocations: [], lines: [] },
      { name: "visit", linkage: "static", btfId: visit, insns: [mov64(r0, 0), exit()], relocations: [], lines: [] },
    ],
    // prettier-ignore
    maps: [
      { name: "counts", type: "array", keySize: 4, valueSize: 8, maxEntries: 4, flags: 0, keyType: u32, valueType: u64, initial: null, frozen: false, inner: null },
    ],
    btf: b.finish(),
  };
}

/** Counts in the map that a map of maps holds at an index; inner maps of the two kinds that say different things of values. */
export function nestedObject(): ObjectSpec {
  const b = new BtfBuilder();
  const u32 = b.int("u32", 4);
  const u64 = b.int("u64", 8);
  const context = b.ptr(b.fwd("xdp_md"));
  const count = b.func("count", b.funcProto(b.int("i32", 4, "signed"), [{ name: "ctx", type: context }]));
  // prettier-ignore
  const map = (name: string, rest: Partial<MapSpec>): MapSpec => ({
    name, type: "array", keySize: 4, valueSize: 4, maxEntries: 1, flags: 0, keyType: 0, valueType: 0, initial: null, frozen: false, inner: null, ...rest,
  });
  return {
    license: "GPL",
    programs: [
      {
        name: "count",
        section: HOOKS.xdp.section,
        type: HOOKS.xdp.type,
        attach: HOOKS.xdp.attach,
        flags: 0,
        linkage: "global",
        btfId: count,
        // prettier-ignore
        insns: assemble([
          st(4, r10, -4, 1),                                    //  0
          mov64(r2, r10), add64(r2, -4), lddw(r1, 0n),          //  1, 2, 3: tenants
          call("map_lookup_elem"), jmp("eq", r0, 0, "out"),     //  5, 6
          mov64(r2, r10), add64(r2, -4), mov64(r1, r0),         //  7
          call("map_lookup_elem"), jmp("eq", r0, 0, "out"),     // 10
          ldx(8, r1, r0, 0), add64(r1, 1), st(8, r0, 0, r1),   // 12
          label("out"), mov64(r0, 2), exit(),                   // 15
        ]),
        relocations: [{ kind: "map", slot: 3, map: "tenants" }],
        lines: [],
      },
    ],
    subprograms: [],
    // prettier-ignore
    maps: [
      map("tenants", { type: "array_of_maps", keyType: u32, maxEntries: 8, inner: map("tenants.inner", { type: "hash", valueSize: 8, maxEntries: 64, keyType: u32, valueType: u64 }) }),
      map("rings", { type: "hash_of_maps", maxEntries: 4, inner: map("rings.inner", { type: "ringbuf", keySize: 0, valueSize: 0, maxEntries: 4096, valueType: u64 }) }),
    ],
    btf: b.finish(),
  };
}
