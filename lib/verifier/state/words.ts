/** What a register holds, in words for the author of a program. */
import type { RegKind } from "./reg.ts";

// prettier-ignore
export const KIND_WORDS: Readonly<Record<RegKind, string>> = {
  none: "no value", scalar: "a number", ctx: "the context", map: "a map", map_value: "a map's value", map_key: "a map's key",
  stack: "an object on the stack", packet: "a pointer into the packet", packet_meta: "a pointer to the packet's metadata",
  packet_end: "the packet's end", flow_keys: "the flow keys", socket: "a socket", sock_common: "a socket", tcp_sock: "a TCP socket",
  xdp_sock: "an AF_XDP socket", tp_buffer: "a tracepoint's buffer", object: "a kernel object", mem: "memory", buf: "a buffer",
  func: "a function", dynptr: "a dynptr", arena: "a pointer into the arena",
};
