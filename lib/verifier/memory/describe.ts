/** Registers in words, for the facts of a rejection. */
import { FLAG } from "../state/index.ts";
import type { Reg, RegKind } from "../state/index.ts";

// prettier-ignore
const NAMES: Readonly<Record<RegKind, string>> = {
  none: "no value", scalar: "a number", ctx: "the context", packet: "a packet pointer", packet_meta: "a metadata pointer",
  packet_end: "the end of the packet", map: "a map", map_value: "a map value", map_key: "a map key", stack: "a stack pointer",
  mem: "memory", buf: "a buffer", func: "a function", object: "a kernel object", dynptr: "a dynptr", arena: "arena memory",
  socket: "a socket", sock_common: "a socket", tcp_sock: "a TCP socket", xdp_sock: "an XDP socket", flow_keys: "flow keys",
  tp_buffer: "a tracepoint buffer",
};

/** `a map value`, `a map value that may be null`, `read-only memory`. */
export function describe(reg: Reg): string {
  const name = reg.flags & FLAG.rdonly ? NAMES[reg.kind].replace(/^(an? )?/, "$1read-only ") : NAMES[reg.kind];
  return reg.flags & FLAG.maybe_null ? `${name} that may be null` : name;
}
