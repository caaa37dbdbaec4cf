/**
 * What must hold of the arguments of a call: each register fits what the prototype wants there (kind, null, offset), what is
 * given back is held, and memory is there. What is found on the way is noted in `CallFacts`.
 *
 * The order is the kernel's: argument by argument, and of one argument kind before offset before meaning.
 */
import type { Env } from "../env.ts";
import { regOf, reject } from "../env.ts";
import {
  checkAlignment,
  checkFixedOffset,
  checkRegion,
  checkSizedRegion,
  describe,
  packetAllowed,
} from "../memory/index.ts";
import type { Region } from "../memory/index.ts";
import { markPrecise } from "../prune/index.ts";
import { smallConstant } from "../scalar/index.ts";
import { dynptrAt } from "../state/dynptr.ts";
import { FLAG } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { needValue } from "../step/index.ts";
import { checkKptrValue, kernelType, sameOrEmbedded } from "../types/index.ts";
import { useDynptr } from "./dynptrs.ts";
import type { CallFacts } from "./facts.ts";
import { checkTimer, kptrField } from "./fields.ts";
import { constantKey } from "./keys.ts";
import { FITS, OLD_KEYS, WANTED, argumentOf } from "./kinds.ts";
import type { Argument, Fit } from "./kinds.ts";
import { changeLock } from "./locks.ts";
import { checkString } from "./strings.ts";

const READ: Region = { access: "read", zeroAllowed: false };
const READ_OR_NOTHING: Region = { access: "read", zeroAllowed: true };
const WRITE: Region = { access: "write", zeroAllowed: false };
const WRITE_OR_NOTHING: Region = { access: "write", zeroAllowed: true };
const FILL: Region = { access: "uninit", zeroAllowed: false };
const FILL_OR_NOTHING: Region = { access: "uninit", zeroAllowed: true };

function regionOf(access: Argument["access"], zero: boolean): Region {
  switch (access) {
    case "read":
      return zero ? READ_OR_NOTHING : READ;
    case "write":
      return zero ? WRITE_OR_NOTHING : WRITE;
    case "uninit":
      return zero ? FILL_OR_NOTHING : FILL;
  }
}

/** A map of sockets holds sockets, whatever size it says; a bloom filter reads what it peeks for. */
const SOCKET = argumentOf("sock");
const VALUE = argumentOf("value");

/** The number 0, which is the null pointer. */
export function isNull(reg: Reg): boolean {
  return reg.kind === "scalar" && smallConstant(reg.num) === 0;
}

/** Checks argument `index` (from 0) of the call. */
export function checkArgument(env: Env, facts: CallFacts, index: number): void {
  const register = index + 1;
  const reg = needValue(env, register);
  const named = facts.prototype.args[index] as Argument;
  if (named.base === "any") {
    if (reg.kind !== "scalar" && !env.privileges.perfmon) reject(env, "pointer_leak", { register, where: "a helper" });
    return;
  }
  if (reg.kind === "packet" || reg.kind === "packet_meta") checkPacketRights(env, facts, register);
  const argument = named.base === "value" ? valueOf(env, facts, named) : named;
  if (!(argument.nullable && isNull(reg))) {
    checkFit(env, facts, argument, reg, register);
    checkOffset(env, argument, reg, register);
  }
  if (argument.release) checkRelease(env, facts, argument, reg, register);
  if (reg.ref !== 0 && argument.base !== "kptr") {
    if (facts.ref !== 0) reject(env, "two_references", { register });
    facts.ref = reg.ref;
  }
  checkMeaning(env, facts, argument, reg, index);
}

/** A helper takes packet pointers where its prototype says so; all do in programs whose "packet" is an option of a socket. */
function checkPacketRights(env: Env, { prototype }: CallFacts, register: number): void {
  const fine = packetAllowed(env, "read") && (prototype.packet || env.request.type === "cgroup_sockopt");
  if (!fine) reject(env, "packet_argument", { register, helper: prototype.name });
}

function valueOf(env: Env, { map, prototype }: CallFacts, argument: Argument): Argument {
  const type = map?.map.spec.type;
  if (type === "sockmap" || type === "sockhash") {
    if (argument.nullable || argument.access !== "read") reject(env, "map_kind", { map: type, helper: prototype.name });
    return SOCKET;
  }
  return type === "bloom_filter" && prototype.name === "map_peek_elem" ? VALUE : argument;
}

/** Flags that tell apart slices of dynptrs. */
const DYNPTR_FLAGS =
  FLAG.dynptr_local | FLAG.dynptr_ringbuf | FLAG.dynptr_skb | FLAG.dynptr_xdp | FLAG.dynptr_skb_meta | FLAG.dynptr_file;

function checkFit(env: Env, facts: CallFacts, argument: Argument, reg: Reg, register: number): void {
  const { base } = argument;
  if (base === "any") return;
  const fits = base === "key" && !env.profile.has("keys_in_memory") ? OLD_KEYS : FITS[base];
  let { flags } = reg;
  if (argument.constant) flags &= ~FLAG.rdonly;
  if (argument.nullable) flags &= ~FLAG.maybe_null;
  if (base === "mem" || base === "fixed") flags &= ~DYNPTR_FLAGS;
  const isGiven = facts.prototype.name === "kptr_xchg" && register === 2;
  if (isGiven) flags &= ~(FLAG.alloc | FLAG.percpu);
  if (!isAmong(fits, reg, flags)) {
    const checked = flags & ~FLAG.maybe_null;
    const onlyNull = checked !== flags && isAmong(fits, reg, checked);
    reject(env, onlyNull ? "argument_may_be_null" : "argument_type", {
      register,
      found: describe(reg),
      wanted: WANTED[base],
    });
  }
  if (reg.kind === "object") checkObject(env, facts, argument, reg, register);
}

function isAmong(fits: readonly Fit[], { kind }: Reg, flags: number): boolean {
  for (const fit of fits) if (fit.kind === kind && fit.flags === flags) return true;
  return false;
}

function checkObject(env: Env, facts: CallFacts, argument: Argument, reg: Reg, register: number): void {
  const { name } = facts.prototype;
  switch (argument.base) {
    case "key":
    case "value":
    case "mem":
    case "fixed":
      if (!argument.constant) reject(env, "helper_may_write", { register, helper: name, found: describe(reg) });
      return;
    case "lock":
    case "kptr":
    case "percpu":
      return;
    default:
  }
  if ((reg.flags & FLAG.maybe_null) !== 0 && (!argument.nullable || argument.release))
    reject(env, "argument_may_be_null", { register, found: describe(reg) });
  if (facts.field !== null) return checkKptrValue(env, facts.field, reg, register);
  const wanted = argument.type ?? "sock_common";
  const { kernel } = env.request;
  const type = kernelType(env, wanted);
  checkFixedOffset(env, reg, register, true);
  if (kernel === null || type === null || reg.btf === null || !sameOrEmbedded(reg.btf, reg.type, reg.off, kernel, type))
    reject(env, "argument_object_type", { register, found: nameOf(reg), wanted });
}

function nameOf({ btf, type }: Reg): string {
  const known = btf?.types[type];
  return known !== undefined && "name" in known ? String(known.name) : "another type";
}

/** Memory may be pointed into; everything else is a pointer to its start, objects of structs but for a constant. */
function checkOffset(env: Env, argument: Argument, reg: Reg, register: number): void {
  if (argument.release) {
    if (argument.base === "dynptr" && reg.kind === "stack") return;
    if (reg.off !== 0) reject(env, "argument_offset", { register });
    return checkFixedOffset(env, reg, register, false);
  }
  switch (reg.kind) {
    case "stack":
    case "packet":
    case "packet_meta":
    case "map_key":
    case "map_value":
    case "buf":
    case "arena":
    case "scalar":
      return;
    case "mem":
      if ((reg.flags & ~(FLAG.rdonly | FLAG.ringbuf)) === 0) return;
      break;
    case "object":
      if (LOOSE_OBJECTS.has(reg.flags)) return checkFixedOffset(env, reg, register, true);
      break;
    default:
  }
  checkFixedOffset(env, reg, register, false);
}

const LOOSE_OBJECTS: ReadonlySet<number> = new Set([
  0,
  FLAG.alloc,
  FLAG.trusted,
  FLAG.rcu,
  FLAG.alloc | FLAG.non_own_ref,
  FLAG.alloc | FLAG.non_own_ref | FLAG.rcu,
]);

/** What is given back is held by somebody, or null. */
function checkRelease(env: Env, facts: CallFacts, argument: Argument, reg: Reg, register: number): void {
  if (argument.base === "dynptr") {
    if (reg.kind !== "stack") reject(env, "dynptr_read_only", { register });
    if ((dynptrAt(env.state, reg)?.ref ?? 0) === 0) reject(env, "argument_not_released", { register });
  } else if (reg.ref === 0 && !isNull(reg)) {
    reject(env, "argument_not_released", { register });
  }
  facts.release = register;
}

/** The kind is right; is what it means? */
function checkMeaning(env: Env, facts: CallFacts, argument: Argument, reg: Reg, index: number): void {
  const register = index + 1;
  switch (argument.base) {
    case "map":
      if (facts.map !== null && (facts.map !== reg.map || facts.mapUid !== reg.mapUid))
        reject(env, "special_argument", { register, field: "bpf_timer", what: "the timer is in another map" });
      facts.map = reg.map;
      facts.mapUid = reg.mapUid;
      return;
    case "key":
      checkRegion(env, register, facts.map?.map.spec.keySize ?? 0, READ);
      facts.key = constantKey(env, facts.map, reg);
      return;
    case "value":
      if (argument.nullable && isNull(reg)) return;
      checkRegion(env, register, facts.map?.map.spec.valueSize ?? 0, regionOf(argument.access, false));
      return;
    case "fixed":
      checkRegion(env, register, argument.bytes, regionOf(argument.access, false));
      if (argument.aligned) checkAlignment(env, register, regOf(env, register), 0, argument.bytes, true);
      return;
    case "size": {
      const memory = facts.prototype.args[index - 1] as Argument;
      facts.sizeLimit = reg.num.umax;
      checkSizedRegion(env, index, register, regionOf(memory.access, argument.zero));
      return;
    }
    case "alloc_size":
      if (!reg.num.isConst) reject(env, "argument_not_constant", { register });
      facts.bytes = Number(BigInt.asUintN(32, reg.num.value));
      markPrecise(env, register);
      return;
    case "percpu":
      if (reg.type === 0)
        reject(env, "argument_object_type", { register, found: "nothing", wanted: "a per-CPU variable" });
      facts.percpu = reg;
      return;
    case "lock":
      changeLock(env, reg, register, "lock", facts.prototype.name === "spin_lock");
      return;
    case "timer":
      checkTimer(env, reg, register);
      facts.map = reg.map;
      facts.mapUid = reg.mapUid;
      return;
    case "func":
      facts.subprogram = reg.size;
      return;
    case "dynptr":
      facts.dynptr = useDynptr(env, argument, reg, register);
      return;
    case "string":
      checkString(env, reg, register);
      return;
    case "kptr":
      facts.field = kptrField(env, reg, register);
      if (reg.kind === "map_value") facts.map = reg.map;
      return;
    default:
  }
}
