// Programs whose effect real sockets show: test/kernel/hooks.test.ts attaches each and looks.
import {
  ArrayMap, BindVerdict, Cell, CgroupAction, FlowVerdict, HashMap, ReuseportArray, SkAction, SockMap, SockOp, SocketStorage, Udp, Verdict,
  XdpAction, bind4, bind6, cgroupSkbEgress, cgroupSkbIngress, connect4, flowDissector, getsockopt, postBind4, postBind6, setsockopt,
  skReuseport, skSkbParser, skSkbStreamVerdict, skSkbVerdict, sockCreate, sockOps, sockRelease, socketFilter, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class Byte { v: u8; }
@unmanaged @final
class Word { v: u32; }
@unmanaged @final
class Calls { connects: u32; type: u32; }

export const seen = new ArrayMap<Cell<u64>>(16);
export const streams = new SockMap(4);
export const group = new ReuseportArray(4);
export const calls = new SocketStorage<Calls>();
export const closed = new HashMap<u64, Cell<u64>>(64);

function add(index: u32, n: u64): void {
  const cell = seen.get(index);
  if (cell) cell.add(n);
}

/** Drops what goes to port 9001 or, of the cgroup, comes to port 9002. */
export const leaving = cgroupSkbEgress((skb) => {
  add(0, skb.length);
  // `remotePort` is the socket's, and 0 where that is not connected.
  const udp = skb.at<Udp>(20);
  return udp && udp.dport == 9001 ? CgroupAction.Drop : CgroupAction.Pass;
});
export const arriving = cgroupSkbIngress((skb) => {
  add(1, skb.length);
  return skb.localPort == 9002 ? CgroupAction.Drop : CgroupAction.Pass;
});

/** No datagram sockets; marks the others. */
export const born = sockCreate((socket) => {
  if (socket.type == 2) return Verdict.Deny;
  socket.mark = 77;
  return Verdict.Allow;
});
export const dead = sockRelease((socket) => {
  const one = new Cell<u64>();
  one.value = socket.mark;
  closed.set(socket.socketCookie, one);
  return Verdict.Allow;
});
export const bound4 = postBind4((socket) => (socket.localPort == 9003 && socket.localIp4 == 0x7f000001 ? Verdict.Deny : Verdict.Allow));
export const bound6 = postBind6((socket) => (socket.localPort == 9003 && socket.localIp6Low == 1 ? Verdict.Deny : Verdict.Allow));
export const binding4 = bind4((ctx) => {
  if (ctx.port == 9004) ctx.port = 9005;
  return BindVerdict.Allow;
});
/** Goes on where `binding4` left off, if it runs behind it. */
export const bindingOn4 = bind4((ctx) => {
  if (ctx.port == 9005) ctx.port = 9006;
  return BindVerdict.Allow;
});
export const binding6 = bind6((ctx) => {
  if (ctx.port == 9004 && ctx.ip6Low == 0) ctx.ip6Low = 1;
  return BindVerdict.Allow;
});

/** Answers an option that the kernel does not have, hides the TTL, and keeps a TOS of 8 from being set. */
export const asked = getsockopt((ctx) => {
  const value = ctx.at<Word>(0);
  if (!value) return Verdict.Allow;
  if (ctx.level == 0x1234) {
    value.v = <u32>ctx.name + 1;
    ctx.length = 4;
    ctx.result = 0;
  } else if (ctx.level == 0 && ctx.name == 2) value.v = 99;
  return Verdict.Allow;
});
export const told = setsockopt((ctx) => {
  const value = ctx.at<Word>(0);
  if (!value) return Verdict.Allow;
  if (ctx.level == 0x1234) {
    add(2, value.v);
    ctx.length = -1;
  } else if (ctx.level == 0 && ctx.name == 1 && value.v == 8) return Verdict.Deny;
  return Verdict.Allow;
});

/** Counts the connects of each socket in the socket itself; the third fails. */
export const connecting = connect4((ctx) => {
  const socket = ctx.socket;
  if (!socket) return Verdict.Deny;
  const mine = calls.getOrCreate(socket);
  if (!mine) return Verdict.Deny;
  mine.type = socket.type;
  mine.connects += 1;
  return mine.connects < 3 ? Verdict.Allow : Verdict.Deny;
});

/** Takes accepted connections into the map; what comes on them goes back without a process that reads it. */
export const accepted = sockOps((ctx) => {
  if (ctx.op == SockOp.PassiveEstablished && ctx.localPort == 9010) streams.add(ctx, 0);
  return Verdict.Allow;
});
export const echo = skSkbVerdict((skb) => {
  add(3, 1);
  return streams.redirectPacket(skb, 0) != 0 ? SkAction.Pass : SkAction.Drop;
});
/**
 * Messages start with their length; those with a zero behind it are lost. What TCP received is not linear, so the bytes are
 * copied out.
 */
export const parse = skSkbParser((skb) => {
  const length = new Byte();
  return skb.loadBytes<Byte>(0, length) == 0 ? <i32>length.v : 0;
});
export const judge = skSkbStreamVerdict((skb) => {
  add(4, 1);
  const kind = new Byte();
  return skb.loadBytes<Byte>(1, kind) == 0 && kind.v != 0 ? SkAction.Pass : SkAction.Drop;
});

/** The payload's first byte (behind the UDP header) says which socket of the group gets the datagram. */
export const choose = skReuseport((ctx) => {
  const index = ctx.at<Byte>(8);
  if (!index) return SkAction.Drop;
  return group.select(ctx, index.v) == 0 ? SkAction.Pass : SkAction.Drop;
});

/** Packets without their last four bytes. */
export const shorten = socketFilter((skb) => skb.length - 4);

/** Finds TCP port 80 wherever it looks. */
export const dissect = flowDissector((skb) => {
  const keys = skb.keys;
  if (keys.protocol != 0x0800 || !skb.at<Word>(16)) return FlowVerdict.Continue;
  keys.addressProtocol = 0x0800;
  keys.transportOffset = keys.networkOffset + 20;
  keys.ipProtocol = 6;
  keys.source = 0x0a000001;
  keys.destination = 0x0a000002;
  keys.sourcePort = 1;
  keys.destinationPort = 80;
  return FlowVerdict.Ok;
});

/** Puts the first word in front of the packet, and takes it for the packet's start. */
export const describeFrame = xdp((ctx) => {
  if (ctx.adjustMeta(-4) != 0) return XdpAction.Aborted;
  const word = ctx.at<Word>(0);
  const meta = ctx.metaAt<Word>(0);
  if (!word || !meta) return XdpAction.Aborted;
  meta.v = word.v;
  return ctx.metaAt<Word>(4) ? XdpAction.Aborted : XdpAction.Pass;
});
