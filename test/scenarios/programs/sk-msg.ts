// sk_msg programs that do what a rule says of each message, and tell what they saw. A rule's key is the sending socket's
// local port and how often the program was called for that port before (from `LAST` on always the same rule).
import { Cell, HashMap, RingBuffer, SkAction, SkMsg, SockHash, SockMap, skMsg } from "ebpf-ts/std";
import { msg_apply_bytes, msg_cork_bytes, msg_pop_data, msg_pull_data, msg_push_data, msg_redirect_hash, msg_redirect_map } from "ebpf-ts/std/bpf";

const LAST: u32 = 9;

namespace Action {
  export const Apply: u32 = 1;
  export const Cork: u32 = 2;
  /** Makes bytes linear. */
  export const Pull: u32 = 4;
  /** Inserts bytes and writes `+` into the first eight of them. */
  export const Push: u32 = 8;
  export const Pop: u32 = 16;
  export const RedirectMap: u32 = 32;
  export const RedirectHash: u32 = 64;
  /** Writes `!` over the first byte. */
  export const Write: u32 = 128;
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
  /** Bytes for Apply and Cork. */
  apply: u32;
  cork: u32;
  /** Pull from `start` to `end`; push or pop `length` bytes at `start`. */
  start: u32;
  end: u32;
  length: u32;
  /** The socket to redirect to. */
  index: u32;
  /** 1: into its receive queue, 0: out of it. */
  ingress: u32;
}

/** What a program saw when it was called. */
@unmanaged @final
class Call {
  program: u32;
  family: u32;
  localPort: u32;
  remotePort: u32;
  /** Bytes of the message, before and after what was done. */
  size: u32;
  sizeAfter: u32;
  /** The first four bytes, or none (0xffffffff) where they cannot be seen. */
  first: u32;
  /** The last result of Pull, Push or Pop. */
  result: i32;
}

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

function fill(msg: SkMsg, start: u32, length: u32): void {
  for (let i: u32 = 0; i < 8; i++) {
    if (i >= length) return;
    const byte = msg.at<Cell<u8>>(start + i);
    if (byte) byte.value = 0x2b;
  }
}

function change(msg: SkMsg, rule: Rule): i32 {
  const self = changetype<usize>(msg);
  let result = 0;
  if ((rule.actions & Action.Apply) != 0) msg_apply_bytes(self, rule.apply);
  if ((rule.actions & Action.Cork) != 0) msg_cork_bytes(self, rule.cork);
  if ((rule.actions & Action.Pull) != 0) result = msg_pull_data(self, rule.start, rule.end, 0);
  if ((rule.actions & Action.Push) != 0) {
    result = msg_push_data(self, rule.start, rule.length, 0);
    if (result == 0) {
      msg_pull_data(self, 0, rule.start + rule.length, 0);
      fill(msg, rule.start, rule.length);
    }
  }
  if ((rule.actions & Action.Pop) != 0) result = msg_pop_data(self, rule.start, rule.length, 0);
  if ((rule.actions & Action.Write) != 0) {
    const byte = msg.at<Cell<u8>>(0);
    if (byte) byte.value = 0x21;
  }
  return result;
}

function verdict(msg: SkMsg, rule: Rule): SkAction {
  if (rule.drop != 0) return SkAction.Drop;
  const self = changetype<usize>(msg);
  const flags: u64 = rule.ingress != 0 ? 1 : 0;
  if ((rule.actions & Action.RedirectMap) != 0) {
    const index = rule.index;
    return msg_redirect_map(self, changetype<usize>(sockets), index, flags);
  }
  if ((rule.actions & Action.RedirectHash) != 0) {
    const key = new Cell<u32>();
    key.value = rule.index;
    return msg_redirect_hash(self, changetype<usize>(hashed), changetype<usize>(key), flags);
  }
  return SkAction.Pass;
}

function judge(msg: SkMsg, program: u32): SkAction {
  const call = calls.reserve();
  if (!call) return SkAction.Drop;
  call.program = program;
  call.family = msg.family;
  call.localPort = msg.localPort;
  call.remotePort = msg.remotePort;
  call.size = msg.size;
  const first = msg.at<Cell<u32>>(0);
  call.first = first ? first.value : 0xffffffff;
  const rule = ruleOf(msg.localPort);
  call.result = rule ? change(msg, rule) : 0;
  call.sizeAfter = msg.size;
  calls.submit(call);
  return rule ? verdict(msg, rule) : SkAction.Pass;
}

export const first = skMsg((msg) => judge(msg, 0));
export const second = skMsg((msg) => judge(msg, 1));
