/** Map values and keys, and what a program sees of a map itself. */
import { MAP_FLAGS } from "../../kernel/index.ts";
import type { MapType } from "../../kernel/index.ts";
import type { Size } from "../../isa/index.ts";
import { constant, smallConstant } from "../scalar/index.ts";
import { reject, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import type { VerifierMap } from "../program/maps.ts";
import { pointer, scalar } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { isHidden, unknown } from "../step/index.ts";
import { accessKptr, accessObject, fieldAt, isKptr, kernelType } from "../types/index.ts";
import type { Field } from "../types/index.ts";
import { checkBounds } from "./bounds.ts";

type Access = "read" | "write";

/** A map's programs may read it, or write it, unless it was made otherwise. */
export function checkMapRights(env: Env, register: number, map: VerifierMap, access: Access): void {
  const { flags, name } = map.map.spec;
  if (access === "write" && flags & MAP_FLAGS.rdonly_prog) reject(env, "map_write_forbidden", { register, map: name });
  if (access === "read" && flags & MAP_FLAGS.wronly_prog) reject(env, "map_read_forbidden", { register, map: name });
}

/** Bounds of a map value, and its special fields. `direct`: by an instruction, not by a callee. `off` with the pointer's own. */
export function checkMapValue(
  env: Env,
  register: number,
  reg: Reg,
  off: number,
  size: number,
  zeroAllowed: boolean,
  direct: boolean,
): void {
  const map = reg.map as VerifierMap;
  checkBounds(env, register, reg, off, size, map.map.spec.valueSize, zeroAllowed, "out_of_map_value");
  const { fields } = map.record;
  if (fields.length === 0) return;
  const known = smallConstant(reg.num);
  const least = (known ?? reg.num.sminRounded) + off;
  const greatest = (known ?? reg.num.umaxRounded) + off;
  for (const field of fields) {
    if (least >= field.offset + field.size || field.offset >= greatest + size) continue;
    checkField(env, field, known === null ? null : known + off, size, direct);
  }
}

/** `at` is null for a variable offset. */
function checkField(env: Env, field: Field, at: number | null, size: number, direct: boolean): void {
  const facts = { field: field.kind, at: field.offset };
  if (!isKptr(field)) reject(env, "special_field_access", facts);
  if (!direct) reject(env, "kptr_access", { ...facts, what: "by a helper" });
  if (at === null) reject(env, "kptr_access", { ...facts, what: "at a variable offset" });
  if (at !== field.offset) reject(env, "kptr_access", { ...facts, what: `at offset ${at}, not at ${field.offset}` });
  if (size !== 8) reject(env, "kptr_access", { ...facts, what: `${size} bytes instead of 8` });
}

/** A load or store of a map value by the current instruction. What a load gives; a store's result is not looked at. */
export function accessMapValue(
  env: Env,
  access: Access,
  register: number,
  reg: Reg,
  off: number,
  size: Size,
  value: number,
  signed: boolean,
): Reg {
  const map = reg.map as VerifierMap;
  checkMapRights(env, register, map, access);
  checkMapValue(env, register, reg, off, size, false, true);
  const known = smallConstant(reg.num);
  if (known === null) return unknown(env);
  if (map.record.fields.length > 0) {
    const field = fieldAt(map.record, known + off);
    if (field !== null && isKptr(field)) return accessKptr(env, access, reg, off, size, value) ?? unknown(env);
  }
  if (access === "read" && value >= 0) return contentsAt(env, map, known + off, size, signed);
  return unknown(env);
}

/** Loads of a frozen map that programs cannot write give what is in it. */
function contentsAt(env: Env, map: VerifierMap, at: number, size: Size, signed: boolean): Reg {
  const { spec, contents } = map.map;
  if (spec.type !== "array" || !spec.frozen || !(spec.flags & MAP_FLAGS.rdonly_prog)) return unknown(env);
  if (spec.maxEntries !== 1) reject(env, "frozen_array_entries", { map: spec.name, entries: spec.maxEntries });
  if (contents === null) return unknown(env);
  return scalar(constant(numberAt(contents, at, size, signed)), !env.privileges.bpf);
}

/** Little-endian, zero- or sign-extended. */
function numberAt(bytes: Uint8Array, at: number, size: Size, signed: boolean): bigint | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (size) {
    case 1:
      return signed ? view.getInt8(at) : view.getUint8(at);
    case 2:
      return signed ? view.getInt16(at, true) : view.getUint16(at, true);
    case 4:
      return signed ? view.getInt32(at, true) : view.getUint32(at, true);
    default:
      return view.getBigUint64(at, true);
  }
}

/** The kernel's structure behind each map type. Those that are missing cannot be looked into. */
// prettier-ignore
const MAP_STRUCTURES: Readonly<Partial<Record<MapType, string>>> = {
  array: "bpf_array", percpu_array: "bpf_array", prog_array: "bpf_array", perf_event_array: "bpf_array",
  cgroup_array: "bpf_array", array_of_maps: "bpf_array",
  hash: "bpf_htab", percpu_hash: "bpf_htab", lru_hash: "bpf_htab", lru_percpu_hash: "bpf_htab", hash_of_maps: "bpf_htab",
  stack_trace: "bpf_stack_map", lpm_trie: "lpm_trie", devmap: "bpf_dtab", devmap_hash: "bpf_dtab", cpumap: "bpf_cpu_map",
  sockmap: "bpf_stab", sockhash: "bpf_shtab", xskmap: "xsk_map", reuseport_sockarray: "reuseport_array",
  queue: "bpf_queue_stack", stack: "bpf_queue_stack", struct_ops: "bpf_struct_ops_map", ringbuf: "bpf_ringbuf_map",
  user_ringbuf: "bpf_ringbuf_map", bloom_filter: "bpf_bloom_filter", arena: "bpf_arena",
  cgroup_storage: "bpf_cgroup_storage_map", percpu_cgroup_storage: "bpf_cgroup_storage_map",
  sk_storage: "bpf_local_storage_map", inode_storage: "bpf_local_storage_map", task_storage: "bpf_local_storage_map",
  cgrp_storage: "bpf_local_storage_map",
};

/** A load through a pointer to the map itself: its kernel structure, read only. */
export function accessMapStructure(env: Env, access: Access, register: number, reg: Reg, off: number, size: Size): Reg {
  const structure = MAP_STRUCTURES[(reg.map as VerifierMap).map.spec.type];
  if (structure === undefined) unsupported("fields of a map's structure");
  if (!env.privileges.perfmon) reject(env, "object_needs_perfmon", { register, name: structure });
  if (off < 0) reject(env, "map_internals", { register, what: `${structure} has nothing at ${off}` });
  if (access === "write") reject(env, "map_internals", { register, what: `${structure} can only be read` });
  const type = env.request.kernel === null ? null : kernelType(env, structure);
  if (type === null) unsupported("fields of a map's structure");
  return accessObject(env, "read", register, pointer("object", 0, { btf: env.request.kernel, type }), off, size);
}

/** A pointer stored in a map would tell user space where the kernel keeps things. */
export function checkLeak(env: Env, value: number, reg: Reg, into: string): void {
  if (isHidden(env, reg)) reject(env, "pointer_leak", { register: value, where: into });
}
