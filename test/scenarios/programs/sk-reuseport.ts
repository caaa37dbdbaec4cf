// sk_reuseport programs: which socket of a group that shares a port gets a connection or datagram. They choose as a rule
// says, and tell what they saw. A rule's index is how often a program was called before (from `LAST` on always the same).
import {
  ArrayMap, Cell, ReuseportArray, RingBuffer, SkAction, SkReuseport, SockHash, SockMap, skReuseport, skReuseportMigrate,
} from "ebpf-ts/std";
import { bswap16, sk_select_reuseport } from "ebpf-ts/std/bpf";

const LAST: u32 = 9;

namespace Choose {
  /** Leaves it to the kernel. */
  export const Nothing: u32 = 0;
  /** The socket at `index`. */
  export const Index: u32 = 1;
  /** The source port modulo `index`. */
  export const SourcePort: u32 = 2;
  /** The digit that the datagram starts with. */
  export const Payload: u32 = 3;
}

@unmanaged @final
class Rule {
  choose: u32;
  index: u32;
  /** 0 from `group`, 1 from `sockets`, 2 from `hashed`. */
  from: u32;
  /** 1: refuse in any case; 2: refuse when the choice failed. */
  drop: u32;
}

/** What a program saw when it was called. */
@unmanaged @final
class Call {
  program: u32;
  length: u32;
  protocol: u32;
  ipProtocol: u32;
  boundToAny: u32;
  sourcePort: u32;
  destinationPort: u32;
  /** 1: a connection whose listener has closed. */
  migrating: u32;
  /** What the choice gave: 0, or a negative errno. */
  result: i32;
}

export const group = new ReuseportArray(8);
export const sockets = new SockMap(8);
export const hashed = new SockHash<u32>(8);
export const rules = new ArrayMap<Rule>(10);
export const turns = new ArrayMap<Cell<u32>>(1);
export const calls = new RingBuffer<Call>(8192);

function turn(): u32 {
  const known = turns.get(0);
  if (!known) return LAST;
  const now = known.value;
  if (now < LAST) known.value = now + 1;
  return now;
}

function portAt(ctx: SkReuseport, offset: u32): u32 {
  const port = new Cell<u16>();
  return ctx.loadBytes<Cell<u16>>(offset, port) == 0 ? bswap16(port.value) : 0;
}

function digitAt(ctx: SkReuseport, offset: u32): u32 {
  const byte = new Cell<u8>();
  return ctx.loadBytes<Cell<u8>>(offset, byte) == 0 ? (<u32>byte.value) - 0x30 : 0;
}

function select(ctx: SkReuseport, rule: Rule, sourcePort: u32): i32 {
  if (rule.choose == Choose.Nothing) return 0;
  const key = new Cell<u32>();
  key.value = rule.index;
  if (rule.choose == Choose.SourcePort) key.value = rule.index == 0 ? 0 : sourcePort % rule.index;
  if (rule.choose == Choose.Payload) key.value = digitAt(ctx, 8);
  const self = changetype<usize>(ctx);
  if (rule.from == 1) return sk_select_reuseport(self, changetype<usize>(sockets), changetype<usize>(key), 0);
  if (rule.from == 2) return sk_select_reuseport(self, changetype<usize>(hashed), changetype<usize>(key), 0);
  return sk_select_reuseport(self, changetype<usize>(group), changetype<usize>(key), 0);
}

function judge(ctx: SkReuseport, program: u32, migrating: u32): SkAction {
  const now = turn();
  const rule = rules.get(now);
  if (!rule) return SkAction.Pass;
  const sourcePort = portAt(ctx, 0);
  const destinationPort = portAt(ctx, 2);
  const result = select(ctx, rule, sourcePort);
  const call = calls.reserve();
  if (call) {
    call.program = program;
    call.length = ctx.length;
    call.protocol = ctx.protocol;
    call.ipProtocol = ctx.ipProtocol;
    call.boundToAny = ctx.boundToAny;
    call.sourcePort = sourcePort;
    call.destinationPort = destinationPort;
    call.migrating = migrating;
    call.result = result;
    calls.submit(call);
  }
  if (rule.drop == 1) return SkAction.Drop;
  if (rule.drop == 2 && result != 0) return SkAction.Drop;
  return SkAction.Pass;
}

export const choose = skReuseport((ctx) => judge(ctx, 0, 0));
export const choose2 = skReuseport((ctx) => judge(ctx, 1, 0));
export const migrate = skReuseportMigrate((ctx) => judge(ctx, 2, ctx.migrating ? 1 : 0));
