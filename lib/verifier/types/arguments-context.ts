/**
 * Contexts that are a list of arguments: of tracing, LSM and struct_ops programs. One word for each argument (structures take
 * as many as they need); what a load gives follows from the target's prototype.
 */
import type { Size } from "../../isa/index.ts";
import type { TypeId } from "../../btf/index.ts";
import { newId, reject } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, pointer, scalar, withId } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { UNKNOWN, signedRange } from "../scalar/index.ts";
import { findType, pointerTag, skipModifiers, typeAt } from "./lookup.ts";
import { lsmResult } from "./lsm.ts";
import { resolveSize } from "./walk.ts";
import { targetOf } from "./target.ts";
import type { Target } from "./target.ts";

const { maybe_null, percpu, rdonly, trusted, user } = FLAG;
/** Arguments of a function that programs may see, 8 bytes each. */
const MAX_BYTES = 12 * 8;

/** What loads of the context of the program being verified give, by offset and width. */
const loads = new WeakMap<Env, Map<number, Reg>>();

/** Checks an access to a context of arguments and says what a load gives. */
export function accessArguments(env: Env, access: "read" | "write", off: number, size: Size): Reg {
  let known = loads.get(env);
  if (known === undefined) loads.set(env, (known = new Map()));
  const key = off * 16 + size;
  let load = access === "read" ? known.get(key) : undefined;
  if (load === undefined) {
    load = loadOf(env, access, off, size);
    known.set(key, load);
  }
  return (load.flags & maybe_null) === 0 ? load : withId(load, newId(env));
}

function loadOf(env: Env, access: "read" | "write", off: number, size: Size): Reg {
  const refuse = (what: string): never => reject(env, "argument_access", { what });
  if (access === "write") refuse("arguments are read, not written");
  if (off < 0 || off >= MAX_BYTES || off % size !== 0) refuse(`${size} bytes at offset ${off} are no argument`);
  if (off % 8 !== 0) refuse(`offset ${off} is not multiple of 8`);
  const target = targetOf(env);
  const index = argumentAt(target, off);
  const { params } = target;
  if (index > params.length || (index === params.length && !target.showsResult)) {
    refuse(`${target.name} has no argument ${index + 1}`);
  }
  const type = skipModifiers(target.btf, index === params.length ? target.result : (params[index]?.type ?? 0));
  return valueOf(env, target, index, type, size, refuse);
}

/** The argument that an offset lies in; the number of arguments for the result, more for what is behind. */
function argumentAt({ btf, hidden, params, result }: Target, off: number): number {
  let end = 0;
  // The hidden words count for where an argument lies, not for its number: the kernel takes the sizes one word early.
  const types = [...hidden, ...params.map((param) => param.type)];
  for (let i = 0; i < types.length; i++) {
    end += slotsOf(btf, types[i] ?? 0);
    if (off < end) return i;
  }
  return off < end + slotsOf(btf, result) ? types.length : types.length + 1;
}

function slotsOf(btf: Target["btf"], type: TypeId): number {
  return Math.ceil((resolveSize(btf, type)?.size ?? 0) / 8) * 8;
}

const NUMBER = scalar(UNKNOWN);

function valueOf(
  env: Env,
  target: Target,
  index: number,
  id: TypeId,
  size: Size,
  refuse: (what: string) => never,
): Reg {
  const { btf } = target;
  const type = typeAt(btf, id);
  const isResult = index === target.params.length;
  const isWord = type.kind === "int" && type.size <= 8;
  if (isResult && env.request.attach === "modify_return" && !isWord) refuse("the result is no number");
  if (isWord || ["enum", "enum64", "struct", "union"].includes(type.kind)) {
    const range = isResult ? lsmResult(env.request.attach, target) : null;
    return range === null ? NUMBER : scalar(signedRange(BigInt(range.min), BigInt(range.max)));
  }
  if (type.kind !== "ptr") refuse(`a ${type.kind} cannot be read`);
  if (size !== 8) refuse("a pointer is read with 8 bytes");
  const fact = isResult ? null : target.knownOf(index);
  if (fact === "buffer") return pointer("buf", maybe_null);
  if (fact === "rdonly_buffer") return pointer("buf", maybe_null | rdonly);
  const of = skipModifiers(btf, type.type);
  const pointee = typeAt(btf, of);
  if (pointee.kind === "void" || pointee.kind === "int") return NUMBER;
  if (pointee.kind !== "struct" && pointee.kind !== "union") refuse(`a pointer to a ${pointee.kind} cannot be read`);
  if (fact === "error") return NUMBER;
  const tag = pointerTag(btf, type.type);
  const space = (tag === "user" ? user : 0) | (tag === "percpu" ? percpu : 0);
  const trust = fact === "object" || !target.trusted ? 0 : trusted;
  const flags = trust | space | (fact === null ? 0 : maybe_null);
  return pointer("object", flags, { btf, type: promoted(env, target, of, flags) });
}

/** Congestion control is of TCP sockets only: a socket there is one. */
function promoted(env: Env, { btf }: Target, type: TypeId, flags: number): TypeId {
  const { request } = env;
  if (request.type !== "struct_ops" || request.target === null || flags !== trusted) return type;
  if (request.target.type !== findType(btf, "struct", "tcp_congestion_ops")) return type;
  return type === findType(btf, "struct", "sock") ? (findType(btf, "struct", "tcp_sock") ?? type) : type;
}
