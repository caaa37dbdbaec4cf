// A program for every hook, reading and writing what its context offers.
import {
  AdjustRoom, ArrayMap, BindVerdict, Cell, CgroupAction, Family, FlowVerdict, HashMap, HeaderStart, SkAction, SockHash, SockMap,
  SockOp, SockOpsFlag, TcAction, TcpState, TcxAction, Tuple4, Tuple6, Verdict, XdpAction, bind4, bind6, cgroupSkbEgress,
  cgroupSkbIngress, connect4, connect6, currentCgroupId, currentPidTgid, currentUidGid, flowDissector, getpeername4, getpeername6,
  getsockname4, getsockname6, getsockopt, lookupTcp, lookupUdp, postBind4, postBind6, recvmsg4, recvmsg6, sendmsg4, sendmsg6,
  setsockopt, skLookup, skMsg, skReuseport, skReuseportMigrate, skSkbParser, skSkbStreamVerdict, skSkbVerdict, sk_release,
  sockCreate, sockOps, sockRelease, socketFilter, tc, tcxEgress, tcxIngress, xdp, xdpCpumap, xdpDevmap, xdpFrags,
} from "ebpf-ts/std";

@unmanaged @final
class Bytes4 { v: u32; }
/** struct sockaddr_in. */
@unmanaged @final
class Local { family: u16; port: u16; address: u32; padding: u64; }

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

// --- the other XDP hooks, metadata, fragments
export const onFrags = xdpFrags((ctx) => {
  const word = new Bytes4();
  if (ctx.loadBytes<Bytes4>(2000, word) != 0) return XdpAction.Pass;
  word.v += 1;
  ctx.storeBytes<Bytes4>(2000, word);
  note(35, ctx.bufferLength);
  return XdpAction.Pass;
});
export const onDevmap = xdpDevmap((ctx) => (ctx.egressIfindex == 0 ? XdpAction.Drop : XdpAction.Pass));
export const onCpumap = xdpCpumap((ctx) => (ctx.at<Bytes4>(0) ? XdpAction.Pass : XdpAction.Drop));
export const onXdpMeta = xdp((ctx) => {
  if (ctx.adjustMeta(-4) != 0) return XdpAction.Pass;
  const mark = ctx.metaAt<Bytes4>(0);
  const start = ctx.at<Bytes4>(0);
  if (!mark || !start) return XdpAction.Aborted;
  mark.v = start.v;
  return XdpAction.Pass;
});
export const onMeta = tc((skb) => {
  const mark = skb.metaAt<Bytes4>(0);
  const start = skb.at<Bytes4>(0);
  return mark && start && mark.v == start.v ? TcAction.Ok : TcAction.Shot;
});

// --- changing packets
export const onChange = tc((skb) => {
  const word = new Bytes4();
  if (skb.loadBytes<Bytes4>(12, word) != 0 || skb.loadBytesRelative<Bytes4>(0, word, HeaderStart.Network) != 0) return TcAction.Shot;
  skb.storeBytes<Bytes4>(30, word);
  skb.replaceL3Checksum(24, 1, 2, 2);
  skb.replaceL4Checksum(50, 1, 2, 2);
  if (skb.pullData(64) != 0) return TcAction.Shot;
  const there = skb.at<Bytes4>(60);
  if (there) note(36, there.v);
  skb.vlanPush(0x8100, 7);
  skb.vlanPop();
  skb.adjustRoom(20, AdjustRoom.Mac, 0);
  skb.changeHead(14);
  skb.changeTail(100);
  skb.changeProtocol(0x86dd);
  skb.changeType(0);
  skb.cloneRedirect(1, 1);
  skb.setCongestion();
  note(37, skb.flowHash()); note(38, skb.cgroupId); note(39, skb.socketUid); note(40, skb.vlanProtocol); note(41, skb.wireLength);
  skb.timestamp = 0;
  skb.queueMapping = 1;
  skb.tcClassid = 0x10001;
  return TcAction.Ok;
});
export const onFind = tc((skb) => {
  const tuple = new Tuple4();
  tuple.source = 0x7f000001;
  tuple.destination = 0x7f000001;
  tuple.destinationPort = 80;
  const tcp = lookupTcp(skb, tuple);
  if (tcp) {
    note(42, tcp.state); note(43, tcp.localPort); note(44, tcp.localIp4); note(45, tcp.remotePort);
    tcp.release();
  }
  const tuple6 = new Tuple6();
  tuple6.setDestination(0, 1);
  tuple6.destinationPort = 53;
  const udp = lookupUdp(skb, tuple6);
  if (udp) udp.release();
  return tcp ? TcAction.Ok : TcAction.Shot;
});

// --- cgroup_skb, socket filter, flow dissector
export const onCgroupIngress = cgroupSkbIngress((skb) => {
  note(46, skb.remoteIp4); note(47, skb.localPort); note(48, skb.remotePort); note(49, skb.family); note(50, skb.mark);
  const start = skb.at<Bytes4>(0);
  const socket = skb.socket;
  if (socket) note(51, socket.family);
  return start ? CgroupAction.Pass : CgroupAction.Drop;
});
export const onCgroupEgress = cgroupSkbEgress((skb) => {
  skb.mark = 5;
  skb.priority = 2;
  return skb.remotePort == 9 ? CgroupAction.DropCongested : CgroupAction.Pass;
});
export const onFilter = socketFilter((skb) => {
  const word = new Bytes4();
  return skb.loadBytes<Bytes4>(0, word) == 0 && word.v == 0 ? 0 : skb.length;
});
export const onDissect = flowDissector((skb) => {
  const keys = skb.keys;
  const start = skb.at<Bytes4>(keys.networkOffset);
  if (!start) return FlowVerdict.Drop;
  keys.transportOffset = keys.networkOffset + 20;
  keys.ipProtocol = 6;
  keys.source = start.v;
  keys.destinationPort = 80;
  return keys.protocol == 0x0800 ? FlowVerdict.Ok : FlowVerdict.Continue;
});

// --- sockets of a cgroup
export const onCreate = sockCreate((socket) => {
  note(52, socket.family); note(53, socket.type); note(54, socket.protocol); note(55, currentUidGid()); note(56, currentCgroupId());
  socket.mark = 3;
  socket.priority = 4;
  return socket.type == 3 ? Verdict.Deny : Verdict.Allow;
});
export const onRelease = sockRelease((socket) => {
  note(57, socket.socketCookie);
  return Verdict.Allow;
});
export const onPostBind4 = postBind4((socket) => (socket.localIp4 == 0 && socket.localPort == 81 ? Verdict.Deny : Verdict.Allow));
export const onPostBind6 = postBind6((socket) => (socket.localIp6Low == 1 && socket.localPort == 81 ? Verdict.Deny : Verdict.Allow));
export const onBind4 = bind4((ctx) => {
  if (ctx.port == 82) ctx.port = 8082;
  note(58, ctx.ip4); note(59, currentPidTgid());
  return ctx.port == 83 ? BindVerdict.AllowLowPort : BindVerdict.Allow;
});
export const onBind6 = bind6((ctx) => (ctx.ip6Low == 5 ? BindVerdict.Deny : BindVerdict.Allow));
export const onGet = getsockopt((ctx) => {
  const value = ctx.at<Bytes4>(0);
  if (value && ctx.level == 0xdead) {
    value.v = <u32>ctx.name;
    ctx.length = 4;
    ctx.result = 0;
  }
  return Verdict.Allow;
});
export const onSet = setsockopt((ctx) => {
  const value = ctx.at<Bytes4>(0);
  if (ctx.level == 0xdead) {
    if (value) note(60, value.v);
    ctx.length = -1;
  }
  const socket = ctx.socket;
  if (socket) note(61, socket.family);
  return Verdict.Allow;
});

// --- streams and groups
export const onParse = skSkbParser((skb) => {
  const start = skb.at<Bytes4>(0);
  return start ? <i32>(start.v & 0xffff) : 0;
});
export const onStream = skSkbStreamVerdict((skb) => {
  skb.priority = 1;
  return listeners.redirectPacket(skb, 0) ? SkAction.Pass : SkAction.Drop;
});
export const onArrival = skSkbVerdict((skb) => (skb.localPort == 9 ? <SkAction>peers.redirectPacket(skb, 5, 1) : SkAction.Pass));
export const onGroup = skReuseport((ctx) => {
  note(62, ctx.hash); note(63, ctx.length);
  const start = ctx.at<Bytes4>(0);
  return start && ctx.protocol == 0x0800 && ctx.ipProtocol == 17 ? SkAction.Pass : SkAction.Drop;
});
export const onMigrate = skReuseportMigrate((ctx) => (ctx.migrating ? SkAction.Pass : SkAction.Drop));

// --- what else the older hooks have
export const onMessageChange = skMsg((msg) => {
  msg.applyBytes(4);
  msg.corkBytes(8);
  if (msg.pullData(0, 4) != 0) return SkAction.Drop;
  const start = msg.at<Bytes4>(0);
  if (!start) return SkAction.Drop;
  if (msg.pushData(0, 2) != 0 || msg.popData(2, 2) != 0) return SkAction.Drop;
  const socket = msg.socket;
  return socket && msg.remoteIp6Low == 1 ? SkAction.Drop : SkAction.Pass;
});
export const onEvents = sockOps((ctx) => {
  const value = new Bytes4();
  switch (ctx.op) {
    case SockOp.TcpConnect:
      ctx.setCallbacks(SockOpsFlag.State | SockOpsFlag.Rtt);
      break;
    case SockOp.TimeoutInit:
      ctx.reply = 10;
      break;
    case SockOp.State:
      if (ctx.arg1 == TcpState.Close) note(61, ctx.bytesAcknowledged);
      break;
    case SockOp.ActiveEstablished:
      value.v = 1;
      ctx.setOption<Bytes4>(6, 1, value);
      ctx.getOption<Bytes4>(6, 1, value);
      note(62, ctx.mss); note(63, ctx.congestionWindow);
      break;
  }
  return Verdict.Allow;
});
export const onSource = sendmsg4((ctx) => {
  ctx.sourceIp4 = 0x7f000002;
  return Verdict.Allow;
});
export const onSource6 = sendmsg6((ctx) => {
  ctx.sourceIp6Low = 2;
  note(61, ctx.sourceIp6High);
  return Verdict.Allow;
});
export const onLocal = connect4((ctx) => {
  const address = new Local();
  address.family = 2;
  ctx.bind<Local>(address);
  const value = new Bytes4();
  ctx.getOption<Bytes4>(1, 7, value);
  const socket = ctx.socket;
  return socket && value.v != 0 ? Verdict.Allow : Verdict.Deny;
});
