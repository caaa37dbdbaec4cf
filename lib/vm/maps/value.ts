/**
 * Fields of map values that the kernel itself keeps: locks, timers, work queues, kernel pointers, lists and trees. Updates
 * leave them as they are, and user space reads them as zeros. They are known by the names of their types.
 * Source: docs.kernel.org/bpf/{graph_ds_impl,map_hash}.html; bpf_spin_lock and bpf_timer in bpf-helpers(7).
 */
import type { Btf, TypeId } from "../../btf/index.ts";
import type { MapType } from "../../kernel/index.ts";

export type SpecialKind =
  | "spin_lock"
  | "res_spin_lock"
  | "timer"
  | "wq"
  | "list_head"
  | "list_node"
  | "rb_root"
  | "rb_node"
  | "refcount"
  | "task_work";

export interface SpecialField {
  readonly kind: SpecialKind;
  readonly offset: number;
  readonly size: number;
}

// prettier-ignore
const KINDS: Readonly<Record<string, SpecialKind>> = {
  bpf_spin_lock: "spin_lock", bpf_res_spin_lock: "res_spin_lock", bpf_timer: "timer", bpf_wq: "wq",
  bpf_list_head: "list_head", bpf_list_node: "list_node", bpf_rb_root: "rb_root", bpf_rb_node: "rb_node",
  bpf_refcount: "refcount", bpf_task_work: "task_work",
};
/** Types of maps whose values may have such fields; of each field the kernel allows some of them. */
// prettier-ignore
export const LOCKABLE: ReadonlySet<MapType> = new Set([
  "hash", "percpu_hash", "lru_hash", "lru_percpu_hash", "array", "percpu_array", "cgroup_storage", "sk_storage", "task_storage",
  "inode_storage", "cgrp_storage",
]);
/** Structures in structures: the kernel looks no deeper. */
const MAX_DEPTH = 4;

/** The special fields of a type, ascending by offset. */
export function specialFields(btf: Btf | undefined, type: TypeId): SpecialField[] {
  return btf === undefined || type === 0 ? [] : fieldsOf(btf, type, 0, 0);
}

function fieldsOf(btf: Btf, id: TypeId, base: number, depth: number): SpecialField[] {
  const type = btf.types[id];
  switch (type?.kind) {
    case "typedef":
    case "const":
    case "volatile":
    case "type_tag":
    case "var":
      return fieldsOf(btf, type.type, base, depth);
    case "struct": {
      const kind = KINDS[type.name];
      if (kind !== undefined) return [{ kind, offset: base, size: type.size }];
      if (depth === MAX_DEPTH) return [];
      return type.members.flatMap((member) => fieldsOf(btf, member.type, base + member.bitOffset / 8, depth + 1));
    }
    case "datasec":
      return type.variables.flatMap((variable) => fieldsOf(btf, variable.type, base + variable.offset, depth + 1));
    case undefined:
    default:
      return [];
  }
}

/** Copies a value and leaves special fields of the target as they are. */
export function copyValue(into: Uint8Array, from: Uint8Array, special: readonly SpecialField[]): void {
  if (special.length === 0) return into.set(from);
  let at = 0;
  for (const { offset, size } of special) {
    into.set(from.subarray(at, offset), at);
    at = offset + size;
  }
  into.set(from.subarray(at), at);
}

/** A copy of a value as user space sees it: special fields are zeros. */
export function readValue(from: Uint8Array, special: readonly SpecialField[]): Uint8Array {
  const out = from.slice();
  for (const { offset, size } of special) out.fill(0, offset, offset + size);
  return out;
}
