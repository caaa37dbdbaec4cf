/**
 * Loads and stores through pointers to objects that BTF describes: the kernel's, and those that programs allocate.
 *
 * How far a loaded pointer can be trusted hangs on the one it was loaded through: what is trusted stays so through few
 * fields only, which the kernel lists as structures of its own BTF (`task_struct__safe_rcu`); pointers tagged `rcu` are good
 * inside of an RCU section; the rest may be read (a fault reads as zero), never passed on.
 */
import type { Btf, TypeId } from "../../btf/index.ts";
import { newId, reject } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, NONE, pointer, scalar, withId } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { UNKNOWN, ZERO, sameScalar, zeroExtend } from "../scalar/index.ts";
import { recordOf } from "./fields.ts";
import { FIELD_STRUCTS } from "./record.ts";
import { findType, nameOf, skipModifiers, typeAt } from "./lookup.ts";
import { isGplCompatible } from "./license.ts";
import { walk } from "./walk.ts";
import type { Walk } from "./walk.ts";
import { isWritable } from "./writable.ts";

const { alloc, maybe_null, percpu, rcu, rdonly, trusted, untrusted, user } = FLAG;
/** Flags that make a pointer good to pass on, where no other flag stands beside them. */
const TRUSTED = trusted | alloc;

/** Memory that may be read at any offset: a pointer of unknown worth to something that is no structure. */
const UNTRUSTED_MEMORY: Reg = pointer("mem", rdonly | untrusted);
const numbers = new Map<number, Reg>();

/** Inside of an RCU section: an explicit one, a lock that is held, or a program that cannot sleep. */
export function inRcuSection({ state }: Pick<Env, "state">): boolean {
  return state.rcu > 0 || state.activeLocks > 0 || !state.sleepable;
}

/** A pointer that helpers and kernel functions take as trusted. */
export function isTrusted(reg: Reg): boolean {
  return reg.ref !== 0 || ((reg.flags & TRUSTED) !== 0 && (reg.flags & ~TRUSTED) === 0);
}

/**
 * Checks an access to an `object` register at an offset (the register's own included) and says what a load gives. The
 * register is not null. A callee may be given any number of bytes.
 */
export function accessObject(
  env: Env,
  access: "read" | "write",
  register: number,
  reg: Reg,
  off: number,
  size: number,
): Reg {
  const { btf, type, flags } = reg;
  if (btf === null) throw new Error("an object has a type");
  if (!env.privileges.perfmon) reject(env, "object_needs_perfmon", { name: nameOf(btf, type) });
  if (btf === env.request.kernel && !isGplCompatible(env.request.license)) {
    reject(env, "object_needs_gpl", { name: nameOf(btf, type) });
  }
  if (off < 0) reject(env, "object_offset", { register, what: `the negative offset ${off}` });
  if (!sameScalar(reg.num, ZERO)) reject(env, "object_offset", { register, what: "an offset that is no constant" });
  if ((flags & user) !== 0) reject(env, "object_address_space", { register, what: "it is user memory" });
  if ((flags & percpu) !== 0) reject(env, "object_address_space", { register, what: "it is per-CPU memory" });
  const own = (flags & alloc) !== 0;
  if (access === "write") {
    if ((flags & untrusted) !== 0) reject(env, "object_read_only");
    if (!own) {
      if (!isWritable(env, btf, type, off, size)) reject(env, "object_read_only");
      return NONE;
    }
  }
  if (own) checkSpecialFields(env, btf, type, off, size);
  const met = walk(btf, type, off, size, !own);
  if (met.kind === "problem") reject(env, "object_access", { register, what: met.problem });
  return access === "write" ? NONE : loaded(env, reg, btf, met, own, size);
}

/** Locks, nodes, lists ... of allocated objects are touched through kernel functions only. */
function checkSpecialFields(env: Env, btf: Btf, type: TypeId, off: number, size: number): void {
  for (const field of recordOf(btf, type, env.request.kernel).fields) {
    if (off < field.offset + field.size && field.offset < off + size) {
      reject(env, "special_field_access", { field: FIELD_STRUCTS[field.kind] });
    }
  }
}

function loaded(env: Env, from: Reg, btf: Btf, met: Walk, own: boolean, size: number): Reg {
  if (met.kind === "other_pointer") return env.profile.has("untrusted_memory") ? UNTRUSTED_MEMORY : numberOf(size);
  // What an object of the program's points to, the verifier does not know.
  if (met.kind !== "pointer" || own) return numberOf(size);
  const flags = flagsOf(env, from, btf, met);
  const object = pointer("object", flags, { btf, type: met.type });
  return (flags & maybe_null) === 0 ? object : withId(object, newId(env));
}

/** A number as wide as the load; a callee may be given any number of bytes, of which nothing is loaded. */
function numberOf(size: number): Reg {
  let number = numbers.get(size);
  if (number === undefined) {
    const num = size === 1 || size === 2 || size === 4 ? zeroExtend(UNKNOWN, size) : UNKNOWN;
    numbers.set(size, (number = scalar(num)));
  }
  return number;
}

/** Flags of a pointer that was loaded through another. */
function flagsOf(env: Env, from: Reg, btf: Btf, met: PointerWalk): number {
  if ((from.flags & untrusted) !== 0) return untrusted;
  const tagged = (met.tag === "user" ? user : 0) | (met.tag === "percpu" ? percpu : 0) | (met.tag === "rcu" ? rcu : 0);
  const known = tagged | (met.union ? untrusted : 0);
  if (!isTrusted(from) && (from.flags & rcu) === 0) return known & ~(TRUSTED | rcu);
  const safety = safetyOf(btf, from.type, met);
  if (safety === "__safe_trusted") return known | trusted;
  if (safety === "__safe_trusted_or_null") return known | trusted | maybe_null;
  if (!inRcuSection(env) || (from.flags & maybe_null) !== 0) return untrusted;
  if (safety === "__safe_rcu") return known | rcu;
  if (safety === "__safe_rcu_or_null") return (known & ~untrusted) | rcu | maybe_null;
  if ((known & rcu) !== 0) return known | maybe_null;
  if ((known & (percpu | user)) !== 0) return known;
  return known & ~(TRUSTED | rcu);
}

/** Lists of safe fields in the kernel's BTF, by the end of their names; the first that has a field decides. */
const LISTS = ["__safe_trusted", "__safe_trusted_or_null", "__safe_rcu", "__safe_rcu_or_null"] as const;
type Safety = (typeof LISTS)[number] | "none";
type PointerWalk = Extract<Walk, { kind: "pointer" }>;

/** By walk: a walk is of one structure of one BTF. */
const safeties = new WeakMap<PointerWalk, Safety>();

/** Which list has the field that a walk from a structure met: the same name, of the same type. */
function safetyOf(btf: Btf, struct: TypeId, met: PointerWalk): Safety {
  let safety = safeties.get(met);
  if (safety === undefined) {
    safety = LISTS.find((suffix) => lookUpSafe(btf, struct, met.field, met.type, suffix)) ?? "none";
    safeties.set(met, safety);
  }
  return safety;
}

function lookUpSafe(btf: Btf, struct: TypeId, field: string, target: TypeId, suffix: string): boolean {
  const { kind } = typeAt(btf, struct);
  if (kind !== "struct" && kind !== "union") return false;
  const id = findType(btf, kind, `${nameOf(btf, struct)}${suffix}`);
  const list = id === null ? null : typeAt(btf, id);
  if (list === null || (list.kind !== "struct" && list.kind !== "union")) return false;
  return list.members.some((member) => {
    const type = typeAt(btf, member.type);
    return type.kind === "ptr" && member.name === field && skipModifiers(btf, type.type) === target;
  });
}
