/** Which maps a program may refer to at all, whatever it does with them: by its type, and by what their values hold. */
import { PROGRAM_FLAGS } from "../../kernel/index.ts";
import type { MapType, ProgramType } from "../../kernel/index.ts";
import { Rejection } from "../outcome.ts";
import type { LoadRequest } from "../request.ts";
import type { FieldKind } from "../types/record.ts";
import type { VerifierMap } from "./maps.ts";

/** Programs that may run in the middle of anything, also of what holds the lock that they would wait for. */
// prettier-ignore
const INTERRUPTING: readonly ProgramType[] = ["kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable"];

/** Fields of values, and the program types that cannot use maps with them. */
const NOT_FOR: { readonly [kind in FieldKind]?: readonly ProgramType[] } = {
  list_head: INTERRUPTING,
  rb_root: INTERRUPTING,
  spin_lock: [...INTERRUPTING, "socket_filter"],
  res_spin_lock: [...INTERRUPTING, "socket_filter"],
  timer: INTERRUPTING,
  workqueue: INTERRUPTING,
};

/** Maps whose elements outlive the programs that sleep while they use them. */
// prettier-ignore
const FOR_SLEEPABLE: ReadonlySet<MapType> = new Set([
  "hash", "lru_hash", "array", "percpu_hash", "percpu_array", "lru_percpu_hash", "array_of_maps", "hash_of_maps", "ringbuf",
  "user_ringbuf", "inode_storage", "sk_storage", "task_storage", "cgrp_storage", "queue", "stack", "arena",
]);

const ONE_EACH: readonly MapType[] = ["cgroup_storage", "percpu_cgroup_storage"];

/** Throws a Rejection where the program may not use a map that it refers to. */
export function checkMapsFit(request: LoadRequest, maps: readonly VerifierMap[]): void {
  const sleepable = (request.flags & PROGRAM_FLAGS.sleepable) !== 0;
  const storages = new Map<MapType, VerifierMap>();
  for (const [slot, reference] of request.mapReferences) {
    const map = maps[reference.map];
    if (map === undefined) continue;
    const { type } = map.map.spec;
    for (const { kind } of map.record.fields) {
      if (NOT_FOR[kind]?.includes(request.type) === true)
        throw new Rejection("map_field_not_here", slot, { field: `bpf_${kind}` });
    }
    if (type === "struct_ops") throw new Rejection("map_not_for_program", slot, { what: type });
    if (sleepable && !FOR_SLEEPABLE.has(type)) throw new Rejection("map_for_sleepable", slot, { map: type });
    if (!ONE_EACH.includes(type)) continue;
    if ((storages.get(type) ?? map) !== map) throw new Rejection("one_storage", slot, { what: type });
    storages.set(type, map);
  }
}
