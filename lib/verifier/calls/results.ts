/** r0 after a call, and what it holds. */
import { POINTER_SIZE, resolveType, sizeOf } from "../../btf/index.ts";
import type { Btf, BtfType, TypeId } from "../../btf/index.ts";
import type { Env } from "../env.ts";
import { newId, reject, setReg, unsupported } from "../env.ts";
import { signedRange, unsignedRange } from "../scalar/index.ts";
import { FLAG, NONE, change, pointer, scalar, withId } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { acquire, unknown } from "../step/index.ts";
import { hasField, kernelType } from "../types/index.ts";
import type { CallFacts } from "./facts.ts";
import { isArray } from "./keys.ts";

/** Error numbers are -1 to -4095. */
const LEAST_ERROR = -4095n;
const S64_MIN = -(1n << 63n);

/** Puts the result of the call in r0. */
export function setResult(env: Env, facts: CallFacts): void {
  let reg = resultOf(env, facts);
  if ((reg.flags & FLAG.maybe_null) !== 0) reg = withId(reg, newId(env));
  const { prototype, map } = facts;
  const type = map?.map.spec.type;
  const holdsSocket = prototype.name === "map_lookup_elem" && (type === "sockmap" || type === "sockhash");
  if (prototype.casts) {
    reg = change(reg, { ref: facts.ref });
  } else if (prototype.acquires || holdsSocket) {
    const id = acquire(env, "reference");
    reg = change(reg, { id, ref: id });
  }
  setReg(env, 0, reg);
}

function resultOf(env: Env, facts: CallFacts): Reg {
  const { result } = facts.prototype;
  const flags = result.nullable ? FLAG.maybe_null : 0;
  switch (result.base) {
    case "number":
      return numberOf(env, facts);
    case "void":
      return NONE;
    case "map_value":
      return mapValue(env, facts, flags);
    case "socket":
    case "sock_common":
    case "tcp_sock":
      return pointer(result.base, flags);
    case "ringbuf_mem":
      return pointer("mem", flags | FLAG.ringbuf, { size: facts.bytes });
    case "dynptr_mem":
      return pointer("mem", flags, { size: facts.bytes, dynptr: facts.dynptr.id, ref: facts.dynptr.ref });
    case "percpu":
      return perCpu(env, facts, flags);
    case "kptr":
      return kptrOf(env, facts, flags);
    case "object":
    case "trusted": {
      const type = kernelType(env, result.type);
      if (type === null) return unsupported(`the kernel's struct ${result.type}, which its types do not have`);
      return pointer("object", flags | (result.base === "trusted" ? FLAG.trusted : 0), {
        btf: env.request.kernel,
        type,
      });
    }
  }
}

function numberOf(env: Env, { prototype, sizeLimit }: CallFacts): Reg {
  switch (prototype.name) {
    case "get_stack":
    case "get_task_stack":
    case "probe_read_str":
    case "probe_read_kernel_str":
    case "probe_read_user_str":
      return scalar(
        signedRange(env.profile.has("least_errors") ? LEAST_ERROR : S64_MIN, sizeLimit),
        !env.privileges.bpf,
      );
    case "get_smp_processor_id":
      if (!env.profile.has("processor_numbers")) return unknown(env);
      return scalar(unsignedRange(0n, BigInt(env.profile.limits.processors - 1)), !env.privileges.bpf);
    default:
      return unknown(env);
  }
}

function mapValue(env: Env, { prototype, map, mapUid, key }: CallFacts, flags: number): Reg {
  if (map === null) return reject(env, "not_a_map", { register: 1 });
  const found = prototype.name === "map_lookup_elem" && isArray(map) && key >= 0 && key < map.map.spec.maxEntries;
  const known = found ? flags & ~FLAG.maybe_null : flags;
  const isLockable = known === 0 && hasField(map.record, "spin_lock", "res_spin_lock");
  return pointer("map_value", known, { map, mapUid, id: isLockable ? newId(env) : 0 });
}

/** A CPU's own copy of a variable of the kernel, or of an object of the program. */
function perCpu(env: Env, { percpu }: CallFacts, flags: number): Reg {
  const { btf, type } = percpu;
  if (btf === null)
    return reject(env, "argument_object_type", { register: 1, found: "nothing", wanted: "a per-CPU variable" });
  const resolved = resolveType(btf, type);
  const { kind } = resolved.type;
  const isStruct = kind === "struct" || kind === "union";
  const isOurs = (percpu.flags & FLAG.rcu) !== 0;
  if (isStruct) return pointer("object", isOurs ? FLAG.alloc | FLAG.rcu : flags, { btf, type });
  if (isOurs) return reject(env, "argument_object_type", { register: 1, found: "a number", wanted: "a struct" });
  return pointer("mem", flags | FLAG.rdonly, { size: sizeOfValue(env, btf, resolved) });
}

function sizeOfValue(env: Env, btf: Btf, { id, type }: { readonly id: TypeId; readonly type: BtfType }): number {
  if (type.kind === "ptr") return POINTER_SIZE;
  const size = sizeOf(btf, id);
  return size > 0
    ? size
    : reject(env, "argument_object_type", { register: 1, found: "a type without a size", wanted: "a variable" });
}

function kptrOf(env: Env, { field }: CallFacts, flags: number): Reg {
  if (field === null || field.btf === null) return reject(env, "kptr_exchange", { register: 1, what: "no field" });
  const { btf, type, kind } = field;
  const isOurs = btf !== env.request.kernel;
  const place = isOurs ? FLAG.alloc | (kind === "kptr_percpu" ? FLAG.percpu : 0) : 0;
  return pointer("object", flags | place, { btf, type });
}
