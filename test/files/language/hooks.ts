// A program for every hook, reading and writing what its context offers.
import {
  ArrayMap, Cell, Family, HashMap, SkAction, SockHash, SockMap, SockOp, TcAction, TcxAction, Verdict, XdpAction, connect4, connect6,
  getpeername4, getpeername6, getsockname4, getsockname6, recvmsg4, recvmsg6, sendmsg4, sendmsg6, skLookup, skMsg, sk_release,
  sockOps, tc, tcxEgress, tcxIngress, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class Bytes4 { v: u32; }

export const seen = new ArrayMap<Cell<u64>>(64);
export const cookies = new HashMap<u64, Cell<u64>>(64);
export const listeners = new SockMap(4);
export const peers = new SockHash<u64>(64);

function note(index: u32, value: u64): void {
  const cell = seen.get(index);
  if (cell) cell.value = value;
}

export const onXdp = xdp((ctx) => {
  note(0, ctx.ingressIfindex); note(1, ctx.rxQueueIndex);
  return XdpAction.Pass;
});
export const onXdpResize = xdp((ctx) => {
  if (ctx.adjustHead(-4) != 0) return XdpAction.Aborted;
  const added = ctx.at<Bytes4>(0);
  if (!added) return XdpAction.Aborted;
  added.v = 0x01020304;
  if (ctx.adjustTail(-1) != 0) return XdpAction.Aborted;
  return XdpAction.Tx;
});
export const onIngress = tcxIngress((skb) => {
  note(2, skb.length); note(3, skb.mark); note(4, skb.protocol); note(5, skb.ifindex); note(6, skb.hash);
  skb.mark = 7;
  skb.cb0 = 3;
  return TcxAction.Next;
});
export const onEgress = tcxEgress((skb) => {
  note(7, skb.priority); note(8, skb.vlanPresent); note(9, skb.socketCookie);
  skb.priority = 1;
  return TcxAction.Pass;
});
export const onTc = tc((skb) => (skb.at<Bytes4>(0) ? TcAction.Ok : TcAction.Shot));
export const onConnect4 = connect4((ctx) => {
  note(10, ctx.ip4); note(11, ctx.port); note(12, ctx.protocol); note(13, ctx.type); note(14, ctx.netnsCookie);
  if (ctx.port == 81) ctx.port = 80;
  return ctx.family == Family.Inet ? Verdict.Allow : Verdict.Deny;
});
export const onConnect6 = connect6((ctx) => {
  note(15, ctx.ip6High); note(16, ctx.ip6Low);
  if (ctx.ip6Low == 0xffff) {
    ctx.ip6High = 0xfd00000000000000;
    ctx.ip6Low = 1;
    ctx.port = 443;
  }
  return Verdict.Allow;
});
export const onSendmsg4 = sendmsg4((ctx) => {
  if (ctx.port == 54) {
    ctx.ip4 = 0x7f000001;
    ctx.port = 53;
  }
  return Verdict.Allow;
});
export const onSendmsg6 = sendmsg6((ctx) => (ctx.port == 1 ? Verdict.Deny : Verdict.Allow));
export const onRecvmsg4 = recvmsg4((ctx) => {
  if (ctx.port == 53) ctx.port = 54;
  return Verdict.Allow;
});
export const onRecvmsg6 = recvmsg6((ctx) => Verdict.Allow);
export const onPeer4 = getpeername4((ctx) => {
  if (cookies.get(ctx.socketCookie)) ctx.ip4 = 0x0a600001;
  return Verdict.Allow;
});
export const onPeer6 = getpeername6((ctx) => Verdict.Allow);
export const onName4 = getsockname4((ctx) => Verdict.Allow);
export const onName6 = getsockname6((ctx) => Verdict.Allow);
export const onSocket = sockOps((ctx) => {
  if (ctx.op != SockOp.PassiveEstablished && ctx.op != SockOp.ActiveEstablished) return Verdict.Allow;
  note(20, ctx.remoteIp4); note(21, ctx.localIp4); note(22, ctx.remotePort); note(23, ctx.localPort); note(24, ctx.family);
  peers.add(ctx, ctx.socketCookie);
  listeners.add(ctx, 0);
  return Verdict.Allow;
});
export const onMessage = skMsg((msg) => {
  note(25, msg.size); note(26, msg.remoteIp4); note(27, msg.remotePort); note(28, msg.netnsCookie);
  const start = msg.at<Bytes4>(0);
  if (start && start.v == 0) return SkAction.Drop;
  return msg.localPort == 9 ? (listeners.redirect(msg, 0) ? SkAction.Pass : SkAction.Drop) : SkAction.Pass;
});
export const onLookup = skLookup((ctx) => {
  note(30, ctx.remoteIp4); note(31, ctx.localIp4); note(32, ctx.localPort); note(33, ctx.remotePort); note(34, ctx.protocol);
  if (ctx.localPort < 1000) return SkAction.Pass;
  const socket = listeners.get(1);
  if (!socket) return SkAction.Drop;
  const result = ctx.assign(socket);
  sk_release(changetype<usize>(socket));
  return result == 0 ? SkAction.Pass : SkAction.Drop;
});
