// Socket address hooks that do what a rule says, and tell what they saw. Each program has a rule at an index of its own.
import {
  ArrayMap, RingBuffer, SockAddr, Verdict, connect4, connect6, getpeername4, getpeername6, getsockname4, getsockname6,
  recvmsg4, recvmsg6, sendmsg4, sendmsg6,
} from "ebpf-ts/std";
import { get_retval, set_retval } from "ebpf-ts/std/bpf";

namespace Rewrite {
  export const Ip: u32 = 1;
  export const Port: u32 = 2;
}

@unmanaged @final
class Rule {
  /** 1: refuse. */
  deny: u32;
  /** Rewrite bits. */
  rewrite: u32;
  ip4: u32;
  /** For bpf_set_retval; 0: not called. */
  retval: i32;
  ip6High: u64;
  ip6Low: u64;
  port: u16;
  /** The rule is for this port alone; 0: for all. */
  onlyPort: u16;
  /** 1: nothing is told. */
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
  cookie: u64;
  /** bpf_get_retval, where the hook has it. */
  retval: i64;
}

export const rules = new ArrayMap<Rule>(32);
export const calls = new RingBuffer<Call>(4096);

function tell(ctx: SockAddr, program: u32, six: bool, retval: i32): void {
  const call = calls.reserve();
  if (!call) return;
  call.program = program;
  call.family = ctx.family;
  call.type = ctx.type;
  call.protocol = ctx.protocol;
  call.ip4 = six ? 0 : ctx.ip4;
  call.ip6High = six ? ctx.ip6High : 0;
  call.ip6Low = six ? ctx.ip6Low : 0;
  call.port = ctx.port;
  call.cookie = ctx.socketCookie;
  call.retval = retval;
  calls.submit(call);
}

function rewrite(ctx: SockAddr, rule: Rule, six: bool): void {
  if ((rule.rewrite & Rewrite.Ip) != 0) {
    if (six) {
      ctx.ip6High = rule.ip6High;
      ctx.ip6Low = rule.ip6Low;
    } else {
      ctx.ip4 = rule.ip4;
    }
  }
  if ((rule.rewrite & Rewrite.Port) != 0) ctx.port = rule.port;
}

/** Hooks that may refuse. */
function judge(ctx: SockAddr, program: u32, six: bool): Verdict {
  const rule = rules.get(program);
  if (!rule) return Verdict.Allow;
  if (rule.quiet == 0) tell(ctx, program, six, get_retval());
  if (rule.onlyPort != 0 && rule.onlyPort != ctx.port) return Verdict.Allow;
  rewrite(ctx, rule, six);
  if (rule.retval != 0) set_retval(rule.retval);
  return rule.deny != 0 ? Verdict.Deny : Verdict.Allow;
}

/** Hooks that may only rewrite, and know no return value. */
function amend(ctx: SockAddr, program: u32, six: bool): Verdict {
  const rule = rules.get(program);
  if (!rule) return Verdict.Allow;
  if (rule.quiet == 0) tell(ctx, program, six, 0);
  if (rule.onlyPort == 0 || rule.onlyPort == ctx.port) rewrite(ctx, rule, six);
  return Verdict.Allow;
}

export const to4 = connect4((ctx) => judge(ctx, 0, false));
export const to6 = connect6((ctx) => judge(ctx, 1, true));
export const send4 = sendmsg4((ctx) => judge(ctx, 2, false));
export const send6 = sendmsg6((ctx) => judge(ctx, 3, true));
export const recv4 = recvmsg4((ctx) => amend(ctx, 4, false));
export const recv6 = recvmsg6((ctx) => amend(ctx, 5, true));
export const peer4 = getpeername4((ctx) => amend(ctx, 6, false));
export const peer6 = getpeername6((ctx) => amend(ctx, 7, true));
export const self4 = getsockname4((ctx) => amend(ctx, 8, false));
export const self6 = getsockname6((ctx) => amend(ctx, 9, true));

// More programs of one hook, for orders and hierarchies.
export const to4b = connect4((ctx) => judge(ctx, 16, false));
export const to4c = connect4((ctx) => judge(ctx, 17, false));
export const send4b = sendmsg4((ctx) => judge(ctx, 18, false));
export const to6b = connect6((ctx) => judge(ctx, 19, true));
