// Programs for the life of a socket in a cgroup: made, bound, closed. Each does what the rule at its index says and tells
// what it saw; the programs of post_bind and sock_release can only look and refuse.
import {
  ArrayMap, BindVerdict, CgroupSock, RingBuffer, SockAddr, Verdict, bind4, bind6, postBind4, postBind6,
  sockCreate, sockRelease,
} from "ebpf-ts/std";
import { get_retval, set_retval } from "ebpf-ts/std/bpf";

namespace Change {
  export const Mark: u32 = 1;
  export const Priority: u32 = 2;
  export const Interface: u32 = 4;
  export const Ip: u32 = 8;
  export const Port: u32 = 16;
}

@unmanaged @final
class Rule {
  /** 1: refuse. */
  deny: u32;
  /** Change bits. */
  change: u32;
  mark: u32;
  priority: u32;
  boundInterface: u32;
  ip4: u32;
  ip6High: u64;
  ip6Low: u64;
  port: u16;
  /** The rule is for this port (bind) or socket type (create) alone; 0: for all. */
  only: u16;
  /** For bpf_set_retval; 0: not called. */
  retval: i32;
  /** bind: 1 for AllowLowPort. */
  lowPort: u32;
  quiet: u32;
}

/** What a program saw when it was called. */
@unmanaged @final
class Call {
  program: u32;
  family: u32;
  type: u32;
  protocol: u32;
  ip4: u32;
  port: u32;
  ip6High: u64;
  ip6Low: u64;
  mark: u32;
  priority: u32;
  boundInterface: u32;
  state: u32;
  cookie: u64;
  /** bpf_get_retval. */
  retval: i64;
}

export const rules = new ArrayMap<Rule>(32);
export const calls = new RingBuffer<Call>(8192);

/** An empty record, or null where the rule wants none. */
function begin(program: u32, rule: Rule): Call | null {
  if (rule.quiet != 0) return null;
  const call = calls.reserve();
  if (!call) return null;
  call.program = program;
  call.ip4 = 0;
  call.port = 0;
  call.ip6High = 0;
  call.ip6Low = 0;
  call.mark = 0;
  call.priority = 0;
  call.boundInterface = 0;
  call.state = 0;
  call.retval = get_retval();
  return call;
}

/** What programs of all kinds may read of a socket. */
function describe(call: Call, sock: CgroupSock): void {
  call.family = sock.family;
  call.type = sock.type;
  call.protocol = sock.protocol;
  call.cookie = sock.socketCookie;
}

/** Making and closing: the socket has no address yet, or none that may be read. */
function look(sock: CgroupSock, program: u32, rule: Rule): void {
  const call = begin(program, rule);
  if (!call) return;
  describe(call, sock);
  call.mark = sock.mark;
  call.priority = sock.priority;
  call.boundInterface = sock.boundInterface;
  calls.submit(call);
}

function create(sock: CgroupSock, program: u32): Verdict {
  const rule = rules.get(program);
  if (!rule) return Verdict.Allow;
  look(sock, program, rule);
  if (rule.only != 0 && rule.only != sock.type) return Verdict.Allow;
  if ((rule.change & Change.Mark) != 0) sock.mark = rule.mark;
  if ((rule.change & Change.Priority) != 0) sock.priority = rule.priority;
  if ((rule.change & Change.Interface) != 0) sock.boundInterface = rule.boundInterface;
  if (rule.retval != 0) set_retval(rule.retval);
  return rule.deny != 0 ? Verdict.Deny : Verdict.Allow;
}

function release(sock: CgroupSock, program: u32): Verdict {
  const rule = rules.get(program);
  if (!rule) return Verdict.Allow;
  look(sock, program, rule);
  return rule.deny != 0 ? Verdict.Deny : Verdict.Allow;
}

/** What the rule says of a socket that has been bound to a port. */
function judge(rule: Rule, port: u32): Verdict {
  if (rule.only != 0 && rule.only != port) return Verdict.Allow;
  if (rule.retval != 0) set_retval(rule.retval);
  return rule.deny != 0 ? Verdict.Deny : Verdict.Allow;
}

// One for each family: a program may read the address of its own family only.
function bound4(sock: CgroupSock, program: u32): Verdict {
  const rule = rules.get(program);
  if (!rule) return Verdict.Allow;
  const call = begin(program, rule);
  if (call) {
    describe(call, sock);
    call.ip4 = sock.localIp4;
    call.port = sock.localPort;
    call.state = sock.state;
    calls.submit(call);
  }
  return judge(rule, sock.localPort);
}

function bound6(sock: CgroupSock, program: u32): Verdict {
  const rule = rules.get(program);
  if (!rule) return Verdict.Allow;
  const call = begin(program, rule);
  if (call) {
    describe(call, sock);
    call.ip6High = sock.localIp6High;
    call.ip6Low = sock.localIp6Low;
    call.port = sock.localPort;
    call.state = sock.state;
    calls.submit(call);
  }
  return judge(rule, sock.localPort);
}

function binding(ctx: SockAddr, program: u32, six: bool): BindVerdict {
  const rule = rules.get(program);
  if (!rule) return BindVerdict.Allow;
  const call = begin(program, rule);
  if (call) {
    call.family = ctx.family;
    call.type = ctx.type;
    call.protocol = ctx.protocol;
    call.cookie = ctx.socketCookie;
    call.ip4 = six ? 0 : ctx.ip4;
    call.ip6High = six ? ctx.ip6High : 0;
    call.ip6Low = six ? ctx.ip6Low : 0;
    call.port = ctx.port;
    calls.submit(call);
  }
  if (rule.only != 0 && rule.only != ctx.port) return BindVerdict.Allow;
  if ((rule.change & Change.Ip) != 0) {
    if (six) {
      ctx.ip6High = rule.ip6High;
      ctx.ip6Low = rule.ip6Low;
    } else {
      ctx.ip4 = rule.ip4;
    }
  }
  if ((rule.change & Change.Port) != 0) ctx.port = rule.port;
  if (rule.retval != 0) set_retval(rule.retval);
  if (rule.deny != 0) return BindVerdict.Deny;
  return rule.lowPort != 0 ? BindVerdict.AllowLowPort : BindVerdict.Allow;
}

export const made = sockCreate((sock) => create(sock, 0));
export const closed = sockRelease((sock) => release(sock, 1));
export const after4 = postBind4((sock) => bound4(sock, 2));
export const after6 = postBind6((sock) => bound6(sock, 3));
export const before4 = bind4((ctx) => binding(ctx, 4, false));
export const before6 = bind6((ctx) => binding(ctx, 5, true));

// More programs of one hook, for orders and hierarchies.
export const made2 = sockCreate((sock) => create(sock, 16));
export const after4b = postBind4((sock) => bound4(sock, 17));
export const before4b = bind4((ctx) => binding(ctx, 18, false));
export const before4c = bind4((ctx) => binding(ctx, 19, false));
