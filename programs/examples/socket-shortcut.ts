// A shortcut between two TCP sockets of one node: what one sends goes straight to the other's receive queue, past both
// TCP stacks and every device. sock_ops notes each established socket under its four-tuple; sk_msg looks whether the
// mirrored four-tuple, the other end, is on this node as well.
import { Cell, Family, LruHashMap, PerCpuArrayMap, SkAction, SockHash, SockOp, Verdict, skMsg, sockOps } from "ebpf-ts/std";

/** One end of a connection. */
@unmanaged @final
class Tuple {
  localIp: u32;
  remoteIp: u32;
  localPort: u32;
  remotePort: u32;
}

export const sockets = new SockHash<Tuple>(65536);
/** Which ends are in `sockets`: sk_msg programs cannot ask a SockHash itself. */
export const local = new LruHashMap<Tuple, Cell<u32>>(65536);
/** Messages: 0 sent the normal way, 1 by the shortcut. */
export const messages = new PerCpuArrayMap<Cell<u64>>(2);

export const remember = sockOps((ctx) => {
  if (ctx.family != Family.Inet) return Verdict.Allow;
  if (ctx.op != SockOp.ActiveEstablished && ctx.op != SockOp.PassiveEstablished) return Verdict.Allow;
  const tuple = new Tuple();
  tuple.localIp = ctx.localIp4;
  tuple.remoteIp = ctx.remoteIp4;
  tuple.localPort = ctx.localPort;
  tuple.remotePort = ctx.remotePort;
  if (sockets.add(ctx, tuple) != 0) return Verdict.Allow;
  const present = new Cell<u32>();
  present.value = 1;
  local.set(tuple, present);
  return Verdict.Allow;
});

function count(way: u32): void {
  const n = messages.get(way);
  if (n) n.value += 1;
}

export const shortcut = skMsg((msg) => {
  const other = new Tuple();
  other.localIp = msg.remoteIp4;
  other.remoteIp = msg.localIp4;
  other.localPort = msg.remotePort;
  other.remotePort = msg.localPort;
  if (!local.get(other)) {
    count(0);
    return SkAction.Pass;
  }
  count(1);
  return sockets.redirect(msg, other) ? SkAction.Pass : SkAction.Drop;
});
