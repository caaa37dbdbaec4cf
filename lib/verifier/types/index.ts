/** Objects and structures that BTF describes. OWNER: types. */
import type { Size } from "../../isa/index.ts";
import type { Btf, TypeId } from "../../btf/index.ts";
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
export declare function accessObject(
  env: Env,
  access: "read" | "write",
  register: number,
  reg: Reg,
  off: number,
  size: number,
): Reg;
/** Checks an access that touches a kptr field of a map value or object; null when the bytes are no special field. */
export declare function accessKptr(
  env: Env,
  access: "read" | "write",
  reg: Reg,
  off: number,
  size: Size,
  value: number,
): Reg | null;
/** Fields of struct bpf_sock, bpf_tcp_sock, bpf_xdp_sock, bpf_sock_common. */
export declare function accessSocket(env: Env, access: "read" | "write", reg: Reg, off: number, size: Size): Reg;

/** A call of a global function: the arguments fit its prototype. The caller knows no more of the result than its type. */
export declare function checkGlobalCall(env: Env, subprogram: number): void;
/** The attach target and program type fit together; types of functions and lines are in order. Before the walk. */
export declare function checkAttachment(env: Env): void;
/** `object` registers of the kernel by struct name (`task_struct`): the type's id in `request.kernel`, or null. */
export declare function kernelType(env: Env, name: string): TypeId | null;
/** inner is outer or its first members lead to it (a pointer to outer may be passed for inner at offset `off`). */
export declare function sameOrEmbedded(btf: Btf, outer: TypeId, off: number, wantedBtf: Btf, wanted: TypeId): boolean;
