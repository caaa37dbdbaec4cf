/**
 * Special fields of a structure that BTF names: what may only be touched through helpers and kernel functions.
 */
import type { Btf, TypeId } from "../../btf/index.ts";

// prettier-ignore
export type FieldKind =
  | "spin_lock" | "res_spin_lock" | "timer" | "workqueue" | "task_work" | "refcount" | "list_head" | "list_node" | "rb_root"
  | "rb_node" | "kptr_unref" | "kptr_ref" | "kptr_percpu" | "uptr";

/** What the fields are in C: the kernel's structure, or a pointer. */
// prettier-ignore
export const FIELD_STRUCTS: { readonly [kind in FieldKind]: string } = {
  spin_lock: "bpf_spin_lock", res_spin_lock: "bpf_res_spin_lock", timer: "bpf_timer", workqueue: "bpf_wq",
  task_work: "bpf_task_work", refcount: "bpf_refcount", list_head: "bpf_list_head", list_node: "bpf_list_node",
  rb_root: "bpf_rb_root", rb_node: "bpf_rb_node", kptr_unref: "kptr", kptr_ref: "kptr", kptr_percpu: "percpu_kptr", uptr: "uptr",
};

export interface Field {
  readonly kind: FieldKind;
  /** Bytes. */
  readonly offset: number;
  readonly size: number;
  /** kptr: the type pointed to, and the BTF (kernel's or program's) that it is in; list_head and rb_root: the value's type. */
  readonly btf: Btf | null;
  readonly type: TypeId;
  /** list_head, rb_root: offset of the node in the value. */
  readonly node: number;
  /** list_head, rb_root: the record of the value type, null until resolved. */
  readonly record: Record | null;
}

export interface Record {
  /** By ascending offset. */
  readonly fields: readonly Field[];
}

export const NO_FIELDS: Record = { fields: [] };

/** The field that starts at an offset, or null. */
export function fieldAt(record: Record, offset: number): Field | null {
  for (const field of record.fields) if (field.offset === offset) return field;
  return null;
}

/** Whether the structure has a field of one of the kinds. */
export function hasField(record: Record, ...kinds: readonly FieldKind[]): boolean {
  return record.fields.some((field) => kinds.includes(field.kind));
}

/** A pointer to an object that is kept in a field. */
export function isKptr(field: Field): boolean {
  return (
    field.kind === "kptr_unref" || field.kind === "kptr_ref" || field.kind === "kptr_percpu" || field.kind === "uptr"
  );
}
