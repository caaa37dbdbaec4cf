// sock_ops programs that do what a rule says at each event of a TCP socket, and tell what they saw. A rule's index is the
// event's number, 32 more for sockets of a server (local ports 8000 to 8999), 64 more for the second program.
import {
  ArrayMap, Cell, CgroupAction, RingBuffer, SockMap, SockOp, SockOps, Verdict, cgroupSkbIngress, sockOps,
} from "ebpf-ts/std";

namespace Action {
  export const Reply: u32 = 1;
  /** Asks for more events. */
  export const Callbacks: u32 = 2;
  export const SetOption: u32 = 4;
  /** Adds the socket to `sockets`. */
  export const Keep: u32 = 8;
  export const GetOption: u32 = 16;
}

@unmanaged @final
class Rule {
  /** 1: the program returns 0. */
  deny: u32;
  /** Action bits. */
  actions: u32;
  reply: i32;
  callbacks: i32;
  level: i32;
  option: i32;
  value: i32;
  /** Where in `sockets`. */
  index: u32;
  /** 1: nothing is told. */
  quiet: u32;
}

/** What a program saw when it was called. */
@unmanaged @final
class Event {
  program: u32;
  op: u32;
  family: u32;
  localIp4: u32;
  remoteIp4: u32;
  localPort: u32;
  remotePort: u32;
  fullSocket: u32;
  state: u32;
  callbacks: u32;
  /** Of SockOp.State: the old and the new state; of SockOp.Timeout: retransmissions so far; else zero. */
  arg0: u32;
  arg1: u32;
  cookie: u64;
  /** What the last action gave: 0, or a negative errno; of GetOption the value. */
  result: i64;
}

export const rules = new ArrayMap<Rule>(128);
export const events = new RingBuffer<Event>(16384);
export const sockets = new SockMap(8);
/** Index 0: how many incoming packets to drop yet. */
export const drops = new ArrayMap<Cell<u32>>(1);

function act(ctx: SockOps, rule: Rule): i64 {
  let result: i64 = 0;
  if ((rule.actions & Action.Callbacks) != 0) result = ctx.setCallbacks(rule.callbacks);
  if ((rule.actions & Action.SetOption) != 0) {
    const value = new Cell<i32>();
    value.value = rule.value;
    result = ctx.setOption(rule.level, rule.option, value);
  }
  if ((rule.actions & Action.GetOption) != 0) {
    const value = new Cell<i32>();
    result = ctx.getOption(rule.level, rule.option, value);
    if (result == 0) result = value.value;
  }
  if ((rule.actions & Action.Keep) != 0) result = sockets.add(ctx, rule.index);
  return result;
}

function watch(ctx: SockOps, program: u32): Verdict {
  const server = ctx.localPort >= 8000 && ctx.localPort < 9000;
  const place = ctx.op + (server ? 32 : 0) + program * 64;
  const rule = rules.get(place);
  if (!rule) return Verdict.Allow;
  // The reply shares its place with the first argument.
  const arg0 = ctx.op == SockOp.State || ctx.op == SockOp.Timeout ? ctx.arg0 : 0;
  const arg1 = ctx.op == SockOp.State ? ctx.arg1 : 0;
  const result = act(ctx, rule);
  const event = rule.quiet == 0 ? events.reserve() : null;
  if (event) {
    event.program = program;
    event.op = ctx.op;
    event.family = ctx.family;
    event.localIp4 = ctx.localIp4;
    event.remoteIp4 = ctx.remoteIp4;
    event.localPort = ctx.localPort;
    event.remotePort = ctx.remotePort;
    event.fullSocket = ctx.isFullSocket;
    event.state = ctx.state;
    event.callbacks = ctx.callbackFlags;
    event.arg0 = arg0;
    event.arg1 = arg1;
    event.cookie = ctx.socketCookie;
    event.result = result;
    events.submit(event);
  }
  if ((rule.actions & Action.Reply) != 0) ctx.reply = rule.reply;
  return rule.deny != 0 ? Verdict.Deny : Verdict.Allow;
}

export const first = sockOps((ctx) => watch(ctx, 0));
export const second = sockOps((ctx) => watch(ctx, 1));

/** Loses packets on the way in. */
export const lose = cgroupSkbIngress((skb) => {
  const left = drops.get(0);
  if (!left) return CgroupAction.Pass;
  if (left.value == 0) return CgroupAction.Pass;
  left.value -= 1;
  return CgroupAction.Drop;
});
