// Sockets that are looked up, looked at and given back.
import {
  Cell, HashMap, SkAction, SkBuff, SkLookup, SockMap, Tuple4, Tuple6, TcAction, TcxAction, Verdict, XdpAction, connect4, lookupTcp,
  lookupUdp, skLookup, tc, tcxEgress, tcxIngress, xdp,
} from "ebpf-ts/std";

export const seen = new HashMap<u32, Cell<u64>>(64);

export const ingress = tcxIngress((skb) => {
  const tuple = new Tuple4();
  tuple.destinationPort = 443;
  const listener = lookupTcp(skb, tuple);
  if (!listener) return TcxAction.Pass;
  const state = listener.state;
  listener.release();
  return state == 10 ? TcxAction.Pass : TcxAction.Drop;
});

export const egress = tcxEgress((skb) => {
  const tuple = new Tuple6();
  tuple.sourcePort = 53;
  const resolver = lookupUdp(skb, tuple);
  if (!resolver) return TcxAction.Drop;
  if (resolver.mark == 7) {
    resolver.release();
    return TcxAction.Drop;
  }
  resolver.release();
  return TcxAction.Pass;
});

export const count = xdp((ctx) => {
  const tuple = new Tuple4();
  tuple.sourcePort = 80;
  const web = lookupTcp(ctx, tuple);
  if (web) {
    const n = seen.get(web.localIp4);
    if (n) n.value += 1;
    web.release();
  }
  return XdpAction.Pass;
});

export const both = tc((skb) => {
  const tuple = new Tuple4();
  tuple.destinationPort = 22;
  const first = lookupTcp(skb, tuple);
  if (!first) return TcAction.Ok;
  tuple.destinationPort = 23;
  const second = lookupTcp(skb, tuple);
  if (!second) {
    first.release();
    return TcAction.Ok;
  }
  const same = first.localPort == second.localPort;
  second.release();
  first.release();
  return same ? TcAction.Ok : TcAction.Shot;
});

export const connect = connect4((ctx) => {
  const tuple = new Tuple4();
  tuple.destination = ctx.ip4;
  const peer = lookupTcp(ctx, tuple);
  if (!peer) return Verdict.Allow;
  const blocked = peer.priority > 3;
  peer.release();
  return blocked ? Verdict.Deny : Verdict.Allow;
});

export const own = connect4((ctx) => {
  const socket = ctx.socket;
  if (!socket) return Verdict.Deny;
  const n = seen.get(socket.mark);
  if (n) n.value += 1;
  return Verdict.Allow;
});
