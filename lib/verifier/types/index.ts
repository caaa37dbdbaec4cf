/** Objects and structures that BTF describes. OWNER: types. */
import type { Size } from "../../isa/index.ts";
import type { Btf, TypeId } from "../../btf/index.ts";
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import type { Reg } from "../state/reg.ts";

export { fieldAt, hasField, isKptr, NO_FIELDS } from "./record.ts";
export type { Field, FieldKind, Record } from "./record.ts";
export { recordOf } from "./fields.ts";
export type { Owner } from "./fields.ts";
export { mapOf } from "./maps.ts";
export { accessContext } from "./context.ts";
export { argumentsOf } from "./arguments.ts";
export { returnRangeOf } from "./returns.ts";
export type { ReturnRange } from "./returns.ts";

/**
 * Checks an access to an `object` register (a struct of the kernel or of the program) and says what a load gives. A callee may
 * be given any number of bytes.
 */
export function accessObject(
  _env: Env,
  _access: "read" | "write",
  _register: number,
  _reg: Reg,
  _off: number,
  _size: number,
): Reg {
  return unsupported("accessObject: not built");
}
/** Checks an access that touches a kptr field of a map value or object; null when the bytes are no special field. */
export function accessKptr(
  _env: Env,
  _access: "read" | "write",
  _reg: Reg,
  _off: number,
  _size: Size,
  _value: number,
): Reg | null {
  return unsupported("accessKptr: not built");
}
/** Fields of struct bpf_sock, bpf_tcp_sock, bpf_xdp_sock, bpf_sock_common. */
export function accessSocket(_env: Env, _access: "read" | "write", _reg: Reg, _off: number, _size: Size): Reg {
  return unsupported("accessSocket: not built");
}

/** A call of a global function: the arguments fit its prototype. The caller knows no more of the result than its type. */
export function checkGlobalCall(_env: Env, _subprogram: number): void {
  return unsupported("checkGlobalCall: not built");
}
/** The attach target and program type fit together; types of functions and lines are in order. Before the walk. */
export function checkAttachment(env: Env): void {
  if (env.request.target !== null) unsupported("attach targets");
}
/** `object` registers of the kernel by struct name (`task_struct`): the type's id in `request.kernel`, or null. */
export function kernelType(_env: Env, _name: string): TypeId | null {
  return unsupported("kernelType: not built");
}
/** inner is outer or its first members lead to it (a pointer to outer may be passed for inner at offset `off`). */
export function sameOrEmbedded(_btf: Btf, _outer: TypeId, _off: number, _wantedBtf: Btf, _wanted: TypeId): boolean {
  return unsupported("sameOrEmbedded: not built");
}
