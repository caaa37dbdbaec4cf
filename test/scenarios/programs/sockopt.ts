// getsockopt and setsockopt programs that do what a rule says of an option, and tell what they saw. A rule's key is the
// option and the program; programs do nothing of options without a rule.
import { Cell, HashMap, RingBuffer, Sockopt, Verdict, getsockopt, setsockopt } from "ebpf-ts/std";
import { get_retval, set_retval } from "ebpf-ts/std/bpf";

namespace Action {
  /** Sets the length of the value. */
  export const Length: u32 = 1;
  /** Writes the first four bytes. */
  export const Value: u32 = 2;
  /** getsockopt: sets the result to 0. */
  export const Forgive: u32 = 4;
  /** Adds to the first four bytes. */
  export const Add: u32 = 8;
  /** Writes the level and name: the kernel then sets another option. */
  export const Other: u32 = 16;
}

@unmanaged @final
class Key {
  level: i32;
  name: i32;
  program: u32;
}

@unmanaged @final
class Rule {
  /** 1: refuse. */
  deny: u32;
  /** Action bits. */
  actions: u32;
  length: i32;
  value: u32;
  otherLevel: i32;
  otherName: i32;
  /** For bpf_set_retval; 0: not called. */
  retval: i32;
}

/** What a program saw when it was called. */
@unmanaged @final
class Call {
  program: u32;
  level: i32;
  name: i32;
  length: i32;
  /** getsockopt: the kernel's answer. */
  result: i32;
  /** The first four bytes of the value, or none (0xffffffff) when there are not so many. */
  value: u32;
  /** bpf_get_retval. */
  retval: i32;
  /** Whether the first 64 bytes can be seen. */
  sees64: u32;
}

export const rules = new HashMap<Key, Rule>(64);
export const calls = new RingBuffer<Call>(8192);

@unmanaged @final
class Chunk {
  a: u64; b: u64; c: u64; d: u64; e: u64; f: u64; g: u64; h: u64;
}

function ruleOf(ctx: Sockopt, program: u32): Rule | null {
  const key = new Key();
  key.level = ctx.level;
  key.name = ctx.name;
  key.program = program;
  return rules.get(key);
}

function tell(ctx: Sockopt, program: u32, result: i32): void {
  const call = calls.reserve();
  if (!call) return;
  call.program = program;
  call.level = ctx.level;
  call.name = ctx.name;
  call.length = ctx.length;
  call.result = result;
  const value = ctx.at<Cell<u32>>(0);
  call.value = value ? value.value : 0xffffffff;
  call.retval = get_retval();
  call.sees64 = ctx.at<Chunk>(0) ? 1 : 0;
  calls.submit(call);
}

function change(ctx: Sockopt, rule: Rule): void {
  if ((rule.actions & (Action.Value | Action.Add)) != 0) {
    const value = ctx.at<Cell<u32>>(0);
    if (value) value.value = (rule.actions & Action.Add) != 0 ? value.value + rule.value : rule.value;
  }
  if ((rule.actions & Action.Length) != 0) ctx.length = rule.length;
  if (rule.retval != 0) set_retval(rule.retval);
}

function get(ctx: Sockopt, program: u32): Verdict {
  const rule = ruleOf(ctx, program);
  if (!rule) return Verdict.Allow;
  tell(ctx, program, ctx.result);
  change(ctx, rule);
  if ((rule.actions & Action.Forgive) != 0) ctx.result = 0;
  return rule.deny != 0 ? Verdict.Deny : Verdict.Allow;
}

function set(ctx: Sockopt, program: u32): Verdict {
  const rule = ruleOf(ctx, program);
  if (!rule) return Verdict.Allow;
  tell(ctx, program, 0);
  change(ctx, rule);
  if ((rule.actions & Action.Other) != 0) {
    ctx.level = rule.otherLevel;
    ctx.name = rule.otherName;
  }
  return rule.deny != 0 ? Verdict.Deny : Verdict.Allow;
}

export const onGet = getsockopt((ctx) => get(ctx, 0));
export const onSet = setsockopt((ctx) => set(ctx, 1));

// More programs of one hook, for orders and hierarchies.
export const onGet2 = getsockopt((ctx) => get(ctx, 2));
export const onSet2 = setsockopt((ctx) => set(ctx, 3));
