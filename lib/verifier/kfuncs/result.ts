/** What a call leaves in r0. */
import type { Env } from "../env.ts";
import { newId, reject, setReg } from "../env.ts";
import { packetAllowed } from "../memory/index.ts";
import { ZERO } from "../scalar/index.ts";
import { dynptrKind } from "../state/dynptr.ts";
import { FLAG, change, pointer, scalar } from "../state/index.ts";
import type { DynptrKind, Reg } from "../state/index.ts";
import { acquire, unknown } from "../step/index.ts";
import { hasField, kernelType, recordOf } from "../types/index.ts";
import { skipModifiers, typeAt } from "../types/lookup.ts";
import { contextStruct } from "./context-struct.ts";
import type { CallFacts } from "./facts.ts";
import { KF } from "./flags.ts";
import { nodeOf, recordOfReg, withoutOwner } from "./graph.ts";
import { iteratorIn } from "./iterator.ts";
import { isNumberStruct } from "./prototype.ts";

/** Objects for each CPU are small. Source: the kernel's allocator for them. */
const MAX_PER_CPU = 512;

export function setResult(env: Env, facts: CallFacts): void {
  const { name, flags, returns } = facts.prototype;
  if (returns.kind === "number") {
    // The way on which the lock was not taken waits already.
    setReg(env, 0, isResLock(name) ? scalar(ZERO, !env.privileges.bpf) : unknown(env));
    return;
  }
  if (returns.kind !== "pointer") return;
  let reg = madeBy(env, facts) ?? pointedTo(env, facts);
  const mayBeNull = (flags & KF.ret_null) !== 0 && !(name === "bpf_refcount_acquire_impl" && facts.owning);
  if (mayBeNull) reg = change(reg, { flags: reg.flags | FLAG.maybe_null, id: newId(env) });
  if ((flags & KF.acquire) !== 0) {
    const ref = acquire(env, "reference");
    reg = change(reg, { ref, id: mayBeNull ? ref : reg.id });
  } else if (returns.typeName === "bpf_list_node" || returns.typeName === "bpf_rb_node") {
    reg = withoutOwner(env, reg);
  }
  if (reg.id === 0 && hasField(recordOfReg(env, reg), "spin_lock", "res_spin_lock"))
    reg = change(reg, { id: newId(env) });
  setReg(env, 0, reg);
}

export function isResLock(name: string): boolean {
  return name === "bpf_res_spin_lock" || name === "bpf_res_spin_lock_irqsave";
}

/** Results that a function has a rule of its own for; null: what the prototype says. */
function madeBy(env: Env, facts: CallFacts): Reg | null {
  const { name, returns } = facts.prototype;
  switch (name) {
    case "bpf_obj_new_impl":
    case "bpf_percpu_obj_new_impl":
      return newObject(env, facts);
    case "bpf_refcount_acquire_impl":
      return pointer("object", FLAG.alloc, facts.object ?? {});
    case "bpf_cast_to_kern_ctx":
      return kernelContext(env, facts);
    case "bpf_rdonly_cast":
      return castTo(env, facts);
    case "bpf_dynptr_slice":
    case "bpf_dynptr_slice_rdwr":
      return sliceOf(env, facts);
    default:
  }
  const isNode = returns.typeName === "bpf_list_node" || returns.typeName === "bpf_rb_node";
  return isNode && facts.root !== null ? nodeOf(facts.root) : null;
}

function newObject(env: Env, { prototype, constant }: CallFacts): Reg {
  const refuse = (what: string): never => reject(env, "object_new", { what });
  const { btf } = env.request;
  if (constant === null || constant > 0xffff_ffffn) return refuse("the type's number is out of range");
  if (btf === null) return refuse("the program was loaded without types");
  const type = Number(constant);
  const struct = typeAt(btf, type);
  if (struct.kind !== "struct") return refuse("it is no structure");
  if (prototype.name === "bpf_obj_new_impl") return pointer("object", FLAG.alloc, { btf, type });
  if (struct.size > MAX_PER_CPU) refuse(`it has ${struct.size} bytes, and may have ${MAX_PER_CPU}`);
  if (!isNumberStruct(btf, type, 0)) refuse("it has members that are no numbers");
  if (recordOf(btf, type, env.request.kernel).fields.length > 0) refuse("it has special fields");
  return pointer("object", FLAG.alloc | FLAG.percpu, { btf, type });
}

/** The kernel's own structure behind the context. */
function kernelContext(env: Env, { prototype }: CallFacts): Reg {
  const name = contextStruct(env.request.type);
  const type = name === null ? null : kernelType(env, name);
  if (type === null)
    return reject(env, "kfunc_argument_type", { argument: 0, what: "the context has no structure of the kernel" });
  return pointer("object", FLAG.trusted, { btf: prototype.btf, type });
}

function castTo(env: Env, { prototype, constant }: CallFacts): Reg {
  const { btf } = prototype;
  const type = Number(constant ?? -1n);
  if (btf.types[type] === undefined) return reject(env, "object_cast");
  const target = typeAt(btf, type);
  if (target.kind === "struct" || target.kind === "union") return pointer("object", FLAG.untrusted, { btf, type });
  if (target.kind === "void") return pointer("mem", FLAG.rdonly | FLAG.untrusted);
  return reject(env, "object_cast");
}

const SLICES: Readonly<Record<DynptrKind, number>> = {
  local: FLAG.dynptr_local,
  ringbuf: FLAG.dynptr_ringbuf,
  skb: FLAG.dynptr_skb,
  xdp: FLAG.dynptr_xdp,
  skb_meta: FLAG.dynptr_skb_meta,
  file: FLAG.dynptr_file,
};

function sliceOf(env: Env, { prototype, constant, dynptr }: CallFacts): Reg {
  const kind = dynptr === null ? null : dynptrKind(dynptr);
  if (kind === null || constant === null) return reject(env, "kfunc_prototype", { name: prototype.name });
  const isReadOnly = prototype.name === "bpf_dynptr_slice";
  if (!isReadOnly && !packetAllowed(env, "write")) reject(env, "packet_write");
  const flags = SLICES[kind] | (isReadOnly ? FLAG.rdonly : 0);
  return pointer("mem", flags, { size: Number(constant), dynptr: dynptr?.id ?? 0 });
}

function pointedTo(env: Env, facts: CallFacts): Reg {
  const { prototype } = facts;
  const { name, flags, returns, btf } = prototype;
  const rcu = (flags & KF.rcu_protected) === 0 ? 0 : FLAG.rcu;
  if (returns.isVoid) return unknown(env);
  if (!returns.isStruct) {
    const known = name === "bpf_session_cookie" ? 8 : facts.resultBytes;
    const size = known === 0 ? returns.bytes : known;
    if (size === null || size === 0) return reject(env, "kfunc_prototype", { name });
    const isReadOnly = known === 0 || facts.resultReadOnly;
    return pointer("mem", rcu | (isReadOnly ? FLAG.rdonly : 0), { size, ref: facts.ref });
  }
  let trust = name === "bpf_get_kmem_cache" ? FLAG.untrusted : rcu;
  if ((flags & KF.iter_next) !== 0 && facts.iterator !== null)
    trust |= (iteratorIn(env.state, facts.iterator).flags & FLAG.rcu) === 0 ? FLAG.trusted : FLAG.rcu;
  return pointer("object", trust, { btf, type: skipModifiers(btf, returns.type) });
}
