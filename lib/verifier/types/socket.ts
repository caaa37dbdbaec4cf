/**
 * Loads through pointers to the sockets' structures that the kernel shows programs (`struct bpf_sock`, `bpf_tcp_sock`,
 * `bpf_xdp_sock`): read only, field by field.
 */
import { SOCKET_FIELDS, TCP_SOCK_FIELDS, mayLoad } from "../../kernel/index.ts";
import type { ContextField } from "../../kernel/index.ts";
import type { Size } from "../../isa/index.ts";
import { reject, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { scalar } from "../state/index.ts";
import type { Reg, RegKind } from "../state/index.ts";
import { UNKNOWN, zeroExtend } from "../scalar/index.ts";

/** Fields that only a full socket has: a request's or a time-wait's has them not. */
const FULL: ReadonlySet<string> = new Set(["type", "protocol", "mark", "priority"]);

const FIELDS: { readonly [kind in RegKind]?: readonly ContextField[] } = {
  socket: SOCKET_FIELDS,
  sock_common: SOCKET_FIELDS.filter(({ name }) => !FULL.has(name)),
  tcp_sock: TCP_SOCK_FIELDS,
  xdp_sock: [{ name: "queue_id", offset: 0, size: 4, kind: "uint" }],
};

/** Checks an access at an offset of the structure and says what a load gives: a number. */
export function accessSocket(env: Env, access: "read" | "write", reg: Reg, off: number, size: Size): Reg {
  const loads = FIELDS[reg.kind];
  if (loads === undefined) unsupported(`socket of kind ${reg.kind}`);
  if (access === "write" || off < 0 || !mayLoad({ loads }, off, size)) {
    reject(env, "socket_access", { kind: reg.kind, offset: off, size });
  }
  return scalar(zeroExtend(UNKNOWN, size));
}
