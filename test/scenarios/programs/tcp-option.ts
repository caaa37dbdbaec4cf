// A sock_ops program that writes an option into TCP headers and reads it on the other side, as a rule for each side says.
// It tells of segments that carry SYN, PSH or FIN: how many others there are depends on when acknowledgements are sent.
import { ArrayMap, RingBuffer, SockOp, SockOps, Verdict, sockOps } from "ebpf-ts/std";

// @ts-ignore: decorator
@external("bpf", "load_hdr_opt")
declare function load_hdr_opt(ctx: usize, option: usize, size: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "store_hdr_opt")
declare function store_hdr_opt(ctx: usize, option: usize, size: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "reserve_hdr_opt")
declare function reserve_hdr_opt(ctx: usize, size: u32, flags: u64): i32;

namespace TcpFlag {
  export const Fin: u32 = 1;
  export const Syn: u32 = 2;
  export const Psh: u32 = 8;
}

/** Index 0 for sockets of a client, 1 for those of a server (local ports 8000 to 8999). */
@unmanaged @final
class Rule {
  /** For setCallbacks when a client connects or a server listens, and when the connection is there. */
  early: i32;
  late: i32;
  /** Bytes to reserve, and the length that the written option says. 0: not done. */
  reserve: u32;
  write: u32;
  /** Kind of the option that is written, and of that which is read; 0: none is read. */
  kind: u32;
  read: u32;
  /** The two bytes behind kind and length. */
  value: u32;
  /** Flags of load_hdr_opt: 1 reads the SYN that the server kept. */
  readFlags: u32;
}

@unmanaged @final
class Option {
  kind: u8;
  length: u8;
  value: u16;
  rest: u32;
}

@unmanaged @final
class Event {
  op: u32;
  server: u32;
  tcpFlags: u32;
  /** What reserve_hdr_opt, store_hdr_opt or load_hdr_opt gave. */
  result: i32;
  /** What was read. */
  value: u32;
  callbacks: u32;
  cookie: u64;
}

export const rules = new ArrayMap<Rule>(2);
export const events = new RingBuffer<Event>(16384);

function tell(ctx: SockOps, server: u32, tcpFlags: u32, result: i32, value: u32): void {
  const event = events.reserve();
  if (!event) return;
  event.op = ctx.op;
  event.server = server;
  event.tcpFlags = tcpFlags;
  event.result = result;
  event.value = value;
  event.callbacks = ctx.callbackFlags;
  event.cookie = ctx.socketCookie;
  events.submit(event);
}

function read(ctx: SockOps, server: u32, rule: Rule, tcpFlags: u32): void {
  if (rule.read == 0) return;
  const option = new Option();
  option.kind = <u8>rule.read;
  // Experimental kinds are found by the two bytes behind the length as well (RFC 6994).
  option.length = rule.read >= 253 ? 4 : 0;
  option.value = rule.read >= 253 ? <u16>rule.value : 0;
  const result = load_hdr_opt(changetype<usize>(ctx), changetype<usize>(option), 8, rule.readFlags);
  tell(ctx, server, tcpFlags, result, option.value);
}

function write(ctx: SockOps, server: u32, rule: Rule, tcpFlags: u32): void {
  if (rule.write == 0) return;
  const option = new Option();
  option.kind = <u8>rule.kind;
  option.length = <u8>rule.write;
  option.value = <u16>rule.value;
  tell(ctx, server, tcpFlags, store_hdr_opt(changetype<usize>(ctx), changetype<usize>(option), 8, 0), 0);
}

export const watch = sockOps((ctx) => {
  const server: u32 = ctx.localPort >= 8000 && ctx.localPort < 9000 ? 1 : 0;
  const rule = rules.get(server);
  if (!rule) return Verdict.Allow;
  const tcpFlags = ctx.tcpFlags;
  const told = (tcpFlags & (TcpFlag.Fin | TcpFlag.Syn | TcpFlag.Psh)) != 0;
  const op = ctx.op;
  if (op == SockOp.TcpConnect || op == SockOp.TcpListen) ctx.setCallbacks(rule.early);
  if (op == SockOp.ActiveEstablished || op == SockOp.PassiveEstablished) {
    read(ctx, server, rule, tcpFlags);
    ctx.setCallbacks(rule.late);
  }
  if (op == SockOp.OptionLength && rule.reserve != 0) {
    const result = reserve_hdr_opt(changetype<usize>(ctx), rule.reserve, 0);
    if (told) tell(ctx, server, tcpFlags, result, 0);
  }
  if (op == SockOp.WriteOption && told) write(ctx, server, rule, tcpFlags);
  if (op == SockOp.ParseOption && told) read(ctx, server, rule, tcpFlags);
  return Verdict.Allow;
});
