// sk_skb programs: a parser that finds messages in a stream, verdicts with and without it. They do what a rule says and tell
// what they saw; rules are found as in sk-msg.ts, by the receiving socket's local port and how often it was asked.
import {
  ArrayMap, Cell, HashMap, RingBuffer, SkAction, SkBuff, SockHash, SockMap, skSkbParser, skSkbStreamVerdict, skSkbVerdict,
} from "ebpf-ts/std";

const LAST: u32 = 9;

/** What the parser does: the first map entry says. */
namespace Framing {
  /** All that is there is one message. */
  export const Whole: u32 = 0;
  /** Messages of `size` bytes. */
  export const Fixed: u32 = 1;
  /** The first byte, a digit, is the message's length with itself. */
  export const Length: u32 = 2;
  /** Gives up. */
  export const Fail: u32 = 3;
}

namespace Action {
  export const RedirectMap: u32 = 1;
  export const RedirectHash: u32 = 2;
  /** Writes `!` over the first byte. */
  export const Write: u32 = 4;
  /** Makes the message this long. */
  export const Tail: u32 = 8;
}

@unmanaged @final
class Parser {
  framing: u32;
  size: u32;
}

@unmanaged @final
class Key {
  port: u32;
  call: u32;
}

@unmanaged @final
class Rule {
  /** 1: refuse. */
  drop: u32;
  /** Action bits. */
  actions: u32;
  /** The socket to redirect to. */
  index: u32;
  /** 1: into its receive queue, 0: out of it. */
  ingress: u32;
  tail: u32;
}

/** What a program saw when it was called. Program 0 parses, 1 judges after a parser, 2 judges without. */
@unmanaged @final
class Call {
  program: u32;
  family: u32;
  localPort: u32;
  remotePort: u32;
  length: u32;
  /** The first byte, or 0xffffffff. */
  first: u32;
  /** What the parser returned. */
  result: i32;
}

export const parsers = new ArrayMap<Parser>(1);
export const sockets = new SockMap(8);
export const hashed = new SockHash<u32>(8);
export const rules = new HashMap<Key, Rule>(64);
export const turns = new HashMap<u32, Cell<u32>>(16);
export const calls = new RingBuffer<Call>(8192);

function turnOf(port: u32): u32 {
  const known = turns.get(port);
  if (known) {
    const turn = known.value;
    if (turn < LAST) known.value = turn + 1;
    return turn;
  }
  const one = new Cell<u32>();
  one.value = 1;
  turns.set(port, one);
  return 0;
}

function ruleOf(port: u32): Rule | null {
  const key = new Key();
  key.port = port;
  key.call = turnOf(port);
  const rule = rules.get(key);
  if (rule) return rule;
  key.call = LAST;
  return rules.get(key);
}

function firstByte(skb: SkBuff): u32 {
  const byte = new Cell<u8>();
  if (skb.loadBytes<Cell<u8>>(0, byte) != 0) return 0xffffffff;
  return byte.value;
}

function tell(skb: SkBuff, program: u32, result: i32): void {
  const first = firstByte(skb);
  const call = calls.reserve();
  if (!call) return;
  call.program = program;
  call.family = skb.family;
  call.localPort = skb.localPort;
  call.remotePort = skb.remotePort;
  call.length = skb.length;
  call.first = first;
  call.result = result;
  calls.submit(call);
}

function frame(skb: SkBuff): i32 {
  const parser = parsers.get(0);
  if (!parser) return skb.length;
  if (parser.framing == Framing.Fixed) return parser.size;
  if (parser.framing == Framing.Length) return <i32>firstByte(skb) - 0x30;
  if (parser.framing == Framing.Fail) return -71;
  return skb.length;
}

function change(skb: SkBuff, rule: Rule): void {
  if ((rule.actions & Action.Tail) != 0) skb.changeTail(rule.tail);
  if ((rule.actions & Action.Write) != 0) {
    if (skb.pullData(1) != 0) return;
    const byte = skb.at<Cell<u8>>(0);
    if (byte) byte.value = 0x21;
  }
}

function judge(skb: SkBuff, program: u32): SkAction {
  tell(skb, program, 0);
  const rule = ruleOf(skb.localPort);
  if (!rule) return SkAction.Pass;
  if (rule.drop != 0) return SkAction.Drop;
  const flags: u64 = rule.ingress != 0 ? 1 : 0;
  const index = rule.index;
  const actions = rule.actions;
  change(skb, rule);
  if ((actions & Action.RedirectMap) != 0) return sockets.redirectPacket(skb, index, flags);
  if ((actions & Action.RedirectHash) != 0) return hashed.redirectPacket(skb, index, flags);
  return SkAction.Pass;
}

export const parse = skSkbParser((skb) => {
  const size = frame(skb);
  tell(skb, 0, size);
  return size;
});
export const judgeParsed = skSkbStreamVerdict((skb) => judge(skb, 1));
export const judgeAll = skSkbVerdict((skb) => judge(skb, 2));
