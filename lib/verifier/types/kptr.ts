/**
 * Special fields of map values: locks, timers, lists ... which no load or store may touch, and pointers to kernel objects,
 * which may be loaded whole and, where nothing is owned, stored to.
 */
import type { Size } from "../../isa/index.ts";
import { newId, regOf, reject } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, NONE, pointer } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { ZERO, sameScalar, smallConstant } from "../scalar/index.ts";
import { checkFixedOffset } from "../memory/fixed-offset.ts";
import { markPrecise } from "../prune/index.ts";
import { recordOf } from "./fields.ts";
import { nameOf } from "./lookup.ts";
import { inRcuSection } from "./object.ts";
import { FIELD_STRUCTS, fieldAt, hasField, isKptr } from "./record.ts";
import type { Field, Record } from "./record.ts";
import { sameOrEmbedded } from "./same.ts";
import { resolveSize } from "./walk.ts";

const { alloc, maybe_null, non_own_ref, percpu, rcu, trusted, untrusted } = FLAG;

/** Kernel types whose objects outlive an RCU section that saw them. */
// prettier-ignore
const RCU_PROTECTED: ReadonlySet<string> = new Set(["task_struct", "cgroup", "bpf_cpumask", "bpf_crypto_ctx", "prog_test_ref_kfunc"]);

/**
 * Checks `size` bytes at `off` from where a map value's register points (its own constant offset included, its variable part
 * not) against the value's special fields; `direct`: by a load or store, not by a callee. Gives the pointer field that the
 * access is of, null where the bytes are none.
 */
export function guardFields(
  env: Env,
  record: Record,
  reg: Reg,
  off: number,
  size: number,
  direct: boolean,
): Field | null {
  if (record.fields.length === 0) return null;
  const fixed = smallConstant(reg.num);
  const first = fixed ?? reg.num.sminRounded;
  const last = fixed ?? reg.num.umaxRounded;
  for (const field of record.fields) {
    if (first + off >= field.offset + field.size || field.offset >= last + off + size) continue;
    if (!isKptr(field)) reject(env, "special_field_access", { field: FIELD_STRUCTS[field.kind] });
    if (!direct) reject(env, "kptr_access", { what: "a helper would touch it" });
    if (fixed === null) reject(env, "kptr_access", { what: "its offset is no constant" });
    if (field.offset !== fixed + off)
      reject(env, "kptr_access", { what: `its field starts at ${field.offset}, not ${fixed + off}` });
    if (size !== 8) reject(env, "kptr_access", { what: "it has 8 bytes" });
  }
  return fixed === null || record.fields.length === 0 ? null : pointerAt(record, fixed + off);
}

function pointerAt(record: Record, offset: number): Field | null {
  const field = fieldAt(record, offset);
  return field !== null && isKptr(field) ? field : null;
}

/**
 * A load or store of a map value that may be of a special field: rejects what those do not allow; of a pointer field checks
 * the whole access and says what a load gives. Null when the bytes are no field: the access is then one of plain bytes.
 * `value`: the register that is stored, or a negative number for an immediate.
 */
export function accessKptr(
  env: Env,
  access: "read" | "write",
  reg: Reg,
  off: number,
  size: Size,
  value: number,
): Reg | null {
  if (reg.kind !== "map_value" || reg.map === null) return null;
  const field = guardFields(env, reg.map.record, reg, off, size, true);
  if (field === null) return null;
  const insn = env.program.insns[env.slot] ?? null;
  if (insn === null || (insn.kind === "load" ? insn.signed : insn.kind !== "store")) {
    reject(env, "kptr_access", { what: "it is loaded and stored plainly, not atomically or sign-extended" });
  }
  if (access === "read") return loadOf(env, field);
  if (field.kind !== "kptr_unref") reject(env, "kptr_store_owned");
  if (value >= 0) checkStored(env, field, regOf(env, value), value);
  else if (insn.kind === "store" && "imm" in insn.src && insn.src.imm !== 0) reject(env, "kptr_store_number");
  return NONE;
}

function checkStored(env: Env, field: Field, reg: Reg, register: number): void {
  if (reg.kind === "scalar" && sameScalar(reg.num, ZERO)) markPrecise(env, register);
  else checkKptrValue(env, field, reg, register);
}

/** A pointer that is put into a pointer field (by a store, or exchanged) is of the field's type and may be kept. */
export function checkKptrValue(env: Env, field: Field, reg: Reg, register: number): void {
  const wanted = field.btf === null ? "?" : nameOf(field.btf, field.type);
  const refuse = (found: string): never => reject(env, "kptr_type", { register, found, wanted });
  if (reg.kind !== "object" || reg.btf === null || field.btf === null) return refuse(reg.kind);
  const allowed =
    reg.btf === env.request.kernel
      ? maybe_null | trusted | rcu | (field.kind === "kptr_unref" ? untrusted : 0)
      : maybe_null | alloc | (field.kind === "kptr_percpu" ? percpu : 0);
  const name = nameOf(reg.btf, reg.type);
  if ((reg.flags & ~allowed) !== 0) return refuse(`an untrusted or otherwise special ${name}`);
  if ((field.kind === "kptr_percpu") !== ((reg.flags & percpu) !== 0))
    return refuse(`${name} of another address space`);
  checkFixedOffset(env, reg, register, true);
  const strict = field.kind !== "kptr_unref";
  if (!sameOrEmbedded(reg.btf, reg.type, reg.off, field.btf, field.type, strict)) refuse(name);
}

/** What a load of a pointer field gives. Nothing is owned: the object may go away, but for an RCU section. */
function loadOf(env: Env, field: Field): Reg {
  const id = newId(env);
  const { btf, type } = field;
  if (btf === null) throw new Error("a pointer field has a type");
  if (field.kind === "uptr") {
    return pointer("mem", maybe_null, { size: resolveSize(btf, type)?.size ?? 0, id });
  }
  const ofKernel = btf === env.request.kernel;
  const safe =
    field.kind === "kptr_percpu" || (field.kind === "kptr_ref" && (!ofKernel || RCU_PROTECTED.has(nameOf(btf, type))));
  if (!safe || !inRcuSection(env)) return pointer("object", maybe_null | untrusted, { btf, type, id });
  const place = field.kind === "kptr_percpu" ? percpu : ofKernel ? 0 : alloc;
  const node = !ofKernel && hasField(recordOf(btf, type, env.request.kernel), "list_node", "rb_node") ? non_own_ref : 0;
  return pointer("object", maybe_null | rcu | place | node, { btf, type, id });
}
