/** The table of helpers and map types against the running kernel: one tiny program for each pair of them. */
import { closeSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  assemble,
  call,
  encode,
  exit,
  jmp,
  label,
  lddw,
  ldx,
  mov64,
  alu64,
  r0,
  r1,
  r10,
  r2,
  r3,
  r4,
  r5,
  r6,
  st,
} from "../../lib/asm/index.ts";
import type { Item, Register } from "../../lib/asm/index.ts";
import { encodeBtf } from "../../lib/btf/index.ts";
import { ATTACH_TYPES, MAP_TYPES, PROGRAM_TYPES, helperNumber, takesMap } from "../../lib/kernel/index.ts";
import type { AttachType, MapHelperName, MapType, ProgramType } from "../../lib/kernel/index.ts";
import { canLoad } from "../../loader/index.ts";
import { textOf } from "../../loader/program.ts";
import { encodeText } from "../../loader/sys/attr.ts";
import { bpf } from "../../loader/sys/calls.ts";
import { T, TYPES } from "./specs.ts";

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: helpers of map types: ${loadable.reason}\n`);

/** One map of each type, by descriptor. */
const maps = new Map<MapType, number>();
const others: number[] = [];

beforeAll(() => {
  if (!loadable.ok) return;
  const types = encodeBtf(TYPES);
  const btf_fd = bpf("btf_load", { btf: types, btf_size: types.length });
  const create = (map_type: number, fields: readonly number[], more: object = {}): number => {
    const [key_size = 0, value_size = 0, max_entries = 0, map_flags = 0] = fields;
    return bpf("map_create", { map_type, key_size, value_size, max_entries, map_flags, ...more });
  };
  const inner_map_fd = create(MAP_TYPES.array, [4, 4, 1]);
  others.push(btf_fd, inner_map_fd);
  const typed = { btf_fd, btf_key_type_id: T.u32, btf_value_type_id: T.u64 };
  // prettier-ignore
  const shapes: { readonly [type in MapType]?: readonly number[] } = {
    hash: [4, 8, 2], percpu_hash: [4, 8, 2], lru_hash: [4, 8, 2], lru_percpu_hash: [4, 8, 2], array: [4, 8, 2], percpu_array: [4, 8, 2],
    lpm_trie: [8, 8, 2, 1], prog_array: [4, 4, 2], perf_event_array: [4, 4, 2], cgroup_array: [4, 4, 2], stack_trace: [4, 80, 2],
    array_of_maps: [4, 4, 2], hash_of_maps: [4, 4, 2], devmap: [4, 4, 2], devmap_hash: [4, 4, 2], cpumap: [4, 4, 2], xskmap: [4, 4, 2],
    sockmap: [4, 8, 2], sockhash: [4, 8, 2], reuseport_sockarray: [4, 8, 2], cgroup_storage: [8, 8, 0], percpu_cgroup_storage: [8, 8, 0],
    queue: [0, 8, 2], stack: [0, 8, 2], bloom_filter: [0, 8, 2], ringbuf: [0, 0, 4096], user_ringbuf: [0, 0, 4096],
    sk_storage: [4, 8, 0, 1], task_storage: [4, 8, 0, 1], inode_storage: [4, 8, 0, 1], cgrp_storage: [4, 8, 0, 1],
  };
  for (const [type, fields] of Object.entries(shapes)) {
    const more = type.endsWith("_of_maps") ? { inner_map_fd } : /^(sk|task|inode|cgrp)_storage/.test(type) ? typed : {};
    const fd = create(MAP_TYPES[type as MapType], fields, more);
    if (fd < 0) throw new Error(`${type}: ${fd}`);
    maps.set(type as MapType, fd);
  }
});
afterAll(() => {
  for (const fd of [...maps.values(), ...others]) closeSync(fd);
});

// ---- calls: `map` loads the map into a register

type Load = (register: Register) => Item;
const stack = (register: Register, at: number): Item[] => [mov64(register, r10), alu64("add", register, at)];
const KEY = -16;
const VALUE = -128;
const ZEROES: Item[] = Array.from({ length: 16 }, (_, i) => st(8, r10, -8 * (i + 1), 0));

/** A program for the call, the context in r6. */
interface Call {
  readonly type: ProgramType;
  readonly attach?: AttachType;
  readonly body: (map: Load, type: MapType) => Item[];
}
const scalar = (...values: number[]): Item[] => values.map((value, i) => mov64([r2, r3, r4, r5][i] ?? r5, value));
// prettier-ignore
const CALLS: { readonly [helper in MapHelperName]?: readonly Call[] } = {
  map_lookup_elem:        [{ type: "xdp", body: (map) => [map(r1), ...stack(r2, KEY)] }],
  map_update_elem:        (["sched_cls", "sock_ops", "sk_msg"] as const).map((type) => ({ type, body: (map, of) => [...valueFor(of, type), map(r1), ...stack(r2, KEY), mov64(r4, 0)] })),
  map_delete_elem:        (["xdp", "sock_ops", "sk_msg"] as const).map((type) => ({ type, body: (map) => [map(r1), ...stack(r2, KEY)] })),
  map_lookup_percpu_elem: [{ type: "xdp", body: (map) => [map(r1), ...stack(r2, KEY), mov64(r3, 0)] }],
  map_push_elem:          [{ type: "xdp", body: (map) => [map(r1), ...stack(r2, VALUE), mov64(r3, 0)] }],
  map_pop_elem:           [{ type: "xdp", body: (map) => [map(r1), ...stack(r2, VALUE)] }],
  map_peek_elem:          [{ type: "xdp", body: (map) => [map(r1), ...stack(r2, VALUE)] }],
  tail_call:              [{ type: "xdp", body: (map) => [mov64(r1, r6), map(r2), mov64(r3, 0)] }],
  perf_event_read:        [{ type: "xdp", body: (map) => [map(r1), ...scalar(0)] }],
  perf_event_read_value:  [{ type: "xdp", body: (map) => [map(r1), mov64(r2, 0), ...stack(r3, VALUE), mov64(r4, 24)] }],
  perf_event_output:      [{ type: "xdp", body: (map) => [mov64(r1, r6), map(r2), mov64(r3, 0), ...stack(r4, VALUE), mov64(r5, 8)] }],
  get_stackid:            [{ type: "raw_tracepoint", body: (map) => [mov64(r1, r6), map(r2), mov64(r3, 0)] }],
  skb_under_cgroup:       [{ type: "sched_cls", body: (map) => [mov64(r1, r6), map(r2), mov64(r3, 0)] }],
  current_task_under_cgroup: [{ type: "raw_tracepoint", body: (map) => [map(r1), mov64(r2, 0)] }],
  redirect_map:           [{ type: "xdp", body: (map) => [map(r1), ...scalar(0, 0)] }],
  sk_redirect_map:        [{ type: "sk_skb", body: (map) => [mov64(r1, r6), map(r2), mov64(r3, 0), mov64(r4, 0)] }],
  sk_redirect_hash:       [{ type: "sk_skb", body: (map) => [mov64(r1, r6), map(r2), ...stack(r3, KEY), mov64(r4, 0)] }],
  msg_redirect_map:       [{ type: "sk_msg", body: (map) => [mov64(r1, r6), map(r2), mov64(r3, 0), mov64(r4, 0)] }],
  msg_redirect_hash:      [{ type: "sk_msg", body: (map) => [mov64(r1, r6), map(r2), ...stack(r3, KEY), mov64(r4, 0)] }],
  sock_map_update:        [{ type: "sock_ops", body: (map) => [mov64(r1, r6), map(r2), ...stack(r3, KEY), mov64(r4, 0)] }],
  sock_hash_update:       [{ type: "sock_ops", body: (map) => [mov64(r1, r6), map(r2), ...stack(r3, KEY), mov64(r4, 0)] }],
  sk_select_reuseport:    [{ type: "sk_reuseport", body: (map) => [mov64(r1, r6), map(r2), ...stack(r3, KEY), mov64(r4, 0)] }],
  get_local_storage:      [{ type: "cgroup_skb", body: (map) => [map(r1), mov64(r2, 0)] }],
  sk_storage_get:         [{ type: "sched_cls", body: (map) => [...SOCKET, map(r1), mov64(r3, 0), mov64(r4, 0)] }],
  sk_storage_delete:      [{ type: "sched_cls", body: (map) => [...SOCKET, map(r1)] }],
  task_storage_get:       [{ type: "raw_tracepoint", body: (map) => [call(158), mov64(r2, r0), map(r1), mov64(r3, 0), mov64(r4, 0)] }],
  task_storage_delete:    [{ type: "raw_tracepoint", body: (map) => [call(158), mov64(r2, r0), map(r1)] }],
  ringbuf_output:         [{ type: "xdp", body: (map) => [map(r1), ...stack(r2, VALUE), mov64(r3, 8), mov64(r4, 0)] }],
  ringbuf_reserve:        [{ type: "xdp", body: (map) => [map(r1), ...scalar(8, 0)] }],
  ringbuf_query:          [{ type: "xdp", body: (map) => [map(r1), ...scalar(0)] }],
};
/** Where contexts have a socket. */
const SOCKET_AT = { sched_cls: 168, sock_ops: 184, sk_msg: 72 };
/** r3 = a value: of maps of sockets, the context's socket. */
const valueFor = (map: MapType, type: keyof typeof SOCKET_AT): Item[] =>
  map.startsWith("sock") ? [ldx(8, r3, r6, SOCKET_AT[type]), jmp("eq", r3, 0, "end")] : stack(r3, VALUE);
/** r2 = the packet's socket, if it has one (`__sk_buff.sk`). */
const SOCKET: Item[] = [ldx(8, r2, r6, 168), jmp("eq", r2, 0, "end")];
/** Gives back what some helpers acquire: a socket, a record. */
const release = (helper: MapHelperName, map: MapType): Item[] => {
  const acquires =
    helper === "ringbuf_reserve" ? 133 : helper === "map_lookup_elem" && map.startsWith("sock") ? 86 : null;
  return acquires === null ? [] : [jmp("eq", r0, 0, "end"), mov64(r1, r0), mov64(r2, 0), call(acquires)];
};

/** What the verifier says to the call, or null. */
function refusal(helper: MapHelperName, { type, attach, body }: Call, map: MapType): string | null {
  const load: Load = (dst) => lddw(dst, BigInt(maps.get(map) ?? -1), "map_fd");
  const items = [
    mov64(r6, r1),
    ...ZEROES,
    ...body(load, map),
    call(helperNumber(helper)),
    ...release(helper, map),
    label("end"),
    mov64(r0, 1),
    exit(),
  ];
  const insns = encode(assemble(items));
  const log = new Uint8Array(8192);
  const result = bpf("prog_load", {
    prog_type: PROGRAM_TYPES[type],
    expected_attach_type: attach === undefined ? (DEFAULT_ATTACH[type] ?? 0) : ATTACH_TYPES[attach],
    insns,
    insn_cnt: insns.length / 8,
    license: encodeText("GPL"),
    log_level: 1,
    log_size: log.length,
    log_buf: log,
  });
  if (result < 0) return textOf(log);
  closeSync(result);
  return null;
}
const DEFAULT_ATTACH: { readonly [type in ProgramType]?: number } = {
  sock_ops: ATTACH_TYPES.cgroup_sock_ops,
  sk_msg: ATTACH_TYPES.sk_msg_verdict,
  xdp: ATTACH_TYPES.xdp,
};

describe.skipIf(!loadable.ok)("which helper takes which map", () => {
  test.each(Object.keys(CALLS) as MapHelperName[])("%s", (helper) => {
    for (const one of CALLS[helper] ?? []) {
      const types = [...maps.keys()];
      const refusals = types.map((map) => refusal(helper, one, map));
      const taken = types.filter((_, i) => refusals[i] === null);
      const ours = types.filter((map) => takesMap(helper, map, one.type));
      const differs = types.findIndex((map) => ours.includes(map) !== taken.includes(map));
      expect({ type: one.type, taken: ours, log: "" }).toEqual({
        type: one.type,
        taken,
        log: refusals[differs]?.slice(-300) ?? "",
      });
    }
  });
});
