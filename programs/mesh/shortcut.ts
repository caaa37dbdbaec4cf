// The shortcut between two pods of one node: what an allowed TCP connection carries goes from the sender's socket straight to
// the receiver's queue, past both TCP stacks and every device, and so past tcx. Hence each message is judged here as tcx judges
// a packet: by the flows of both ends, under the policies as they are now. What may not pass by the shortcut is handed to TCP,
// where tcx decides over it: a revoked policy cuts the flow.
//
// Why no byte is lost or comes out of order:
//   - A receiver has two queues, the shortcut's and TCP's, and reads the shortcut's first. So in each direction the shortcut
//     may be used from the first byte on or not at all, and once a byte went by TCP it is never used again (`Way`). The kernel
//     would deliver what is sent by the shortcut afterwards in front of what still waits in TCP's queue.
//   - The end that the message is for may not be in `sockets` yet, or not any more: then it goes by TCP.
//   - The shortcut has no window: the kernel queues without regard to the receiver's buffer. After WINDOW bytes without
//     a sign of life from the other end the direction goes by TCP, which stops a sender whose reader is slow.
import { Cell, Loop, LruHashMap, SkAction, SkMsg, SockHash, SockOp, SockOps, SocketStorage, Verdict, loop, monotonicTime, skMsg,
  sockOps,
} from "ebpf-ts/std";
import { announce } from "./connect";
import { count } from "./events";
import { isAlive, isCurrent, renew } from "./flow";
import { lookUpHost } from "./judge";
import { OnStack, Packet, mapped } from "./packet";
import { Action, Direction, Endpoint, EndpointFlag, Flow, FlowKey, Settings, SettingsFlag, endpoints, flows, namespaces, settings } from "./tables";

const TCP: u8 = 6;
// AF_INET
const INET: u32 = 2;

/** Bytes that one end may send by the shortcut without anything coming back. */
const WINDOW: u64 = 1 << 20;

/** Looks for an end that is about to be established: about 100 microseconds. */
const PATIENCE: u32 = 2000;

/** How a direction of a connection goes. */
export namespace Way {
  /** Nothing was sent yet. */
  export const Open: u32 = 0;
  export const Shortcut: u32 = 1;
  /** For good. */
  export const Tcp: u32 = 2;
}

/** One end of a connection, on its socket: what it sends. */
@unmanaged @final
export class End {
  /** Way. */
  way: u32;
  /** Keys of `endpoints`: its own, and the other end's (0: not asked yet). */
  device: u32;
  otherDevice: u32;
  reserved: u32;
  /** Bytes by the shortcut since something came back. */
  unanswered: u64;
  /** Packets of the flow in the other direction by then. */
  answers: u64;
}

export const ends = new SocketStorage<End>();
/** Both ends of connections on this node, by the flow as each end sees it. */
export const sockets = new SockHash<FlowKey>(65536);
/** The key in `endpoints` of whoever has that end; 0: it does not take the shortcut. */
export const owners = new LruHashMap<FlowKey, Cell<u32>>(65536);

function keyOfOps(ctx: SockOps, key: FlowKey): void {
  const v4 = ctx.family == INET;
  key.localHi = v4 ? 0 : ctx.localIp6High_be;
  key.localLo = v4 ? mapped(ctx.localIp4_be) : ctx.localIp6Low_be;
  key.remoteHi = v4 ? 0 : ctx.remoteIp6High_be;
  key.remoteLo = v4 ? mapped(ctx.remoteIp4_be) : ctx.remoteIp6Low_be;
  key.localPort = <u16>ctx.localPort;
  key.remotePort = <u16>ctx.remotePort;
  key.protocol = TCP;
}

function keyOfMessage(msg: SkMsg, key: FlowKey): void {
  const v4 = msg.family == INET;
  key.localHi = v4 ? 0 : msg.localIp6High_be;
  key.localLo = v4 ? mapped(msg.localIp4_be) : msg.localIp6Low_be;
  key.remoteHi = v4 ? 0 : msg.remoteIp6High_be;
  key.remoteLo = v4 ? mapped(msg.remoteIp4_be) : msg.remoteIp6Low_be;
  key.localPort = <u16>msg.localPort;
  key.remotePort = <u16>msg.remotePort;
  key.protocol = TCP;
}

function mirror(key: FlowKey, other: FlowKey): void {
  other.localHi = key.remoteHi;
  other.localLo = key.remoteLo;
  other.remoteHi = key.localHi;
  other.remoteLo = key.localLo;
  other.localPort = key.remotePort;
  other.remotePort = key.localPort;
  other.protocol = key.protocol;
}

/** Puts an established socket of a pod into `sockets` when its other end is a pod of this node. */
function enter(ctx: SockOps): void {
  const current = settings.get(0);
  if (!current || !(current.flags & SettingsFlag.Shortcut)) return;
  const device = namespaces.get(ctx.netnsCookie);
  if (!device) return;
  const key = new FlowKey();
  keyOfOps(ctx, key);
  const host = lookUpHost(key.remoteHi, key.remoteLo);
  if (!host || host.endpoint == 0) return;
  const flow = flows.get(key);
  if (!flow || flow.action != Action.Allow) return;
  // TCP Fast Open: the SYN had data.
  if (ctx.dataSegmentsOut != 0) return;
  const socket = ctx.socket;
  if (!socket) return;
  const end = ends.getOrCreate(socket);
  if (!end) return;
  const endpoint = endpoints.get(device.value);
  if (endpoint && !(endpoint.flags & EndpointFlag.NoShortcut)) {
    end.device = device.value;
    if (sockets.add(ctx, key) != 0) end.device = 0;
  }
  // Also when it is 0, so that the other end does not wait.
  const owner = new Cell<u32>();
  owner.value = end.device;
  owners.set(key, owner);
}

/** An end that is waited for: a FlowKey, and what was found. */
@unmanaged @final
class Awaited {
  localHi: u64;
  localLo: u64;
  remoteHi: u64;
  remoteLo: u64;
  localPort: u16;
  remotePort: u16;
  protocol: u8;
  reserved: u8;
  reserved2: u16;
  device: u32;
  reserved3: u32;
}

/**
 * The key in `endpoints` of the message's other end; 0: it is not there. A client is woken before its ACK is sent, so its first
 * message may come, on another CPU, some microseconds before the passive end is established: those are waited for, because a
 * direction whose first message went by TCP stays there.
 */
function awaitOwner(other: FlowKey): u32 {
  const owner = owners.get(other);
  if (owner) return owner.value;
  const awaited = new Awaited();
  awaited.localHi = other.localHi;
  awaited.localLo = other.localLo;
  awaited.remoteHi = other.remoteHi;
  awaited.remoteLo = other.remoteLo;
  awaited.localPort = other.localPort;
  awaited.remotePort = other.remotePort;
  awaited.protocol = other.protocol;
  loop<Awaited>(PATIENCE, awaited, (round, awaited) => {
    const owner = owners.get(changetype<FlowKey>(awaited));
    if (!owner) return Loop.Continue;
    awaited.device = owner.value;
    return Loop.Break;
  });
  return awaited.device;
}

/** The flow of one end if it lets the message pass, or null. */
function admit(key: FlowKey, packet: Packet, endpoint: Endpoint, current: Settings, now: u64): Flow | null {
  const flow = flows.get(key);
  if (!flow || !isAlive(flow, endpoint, TCP, now)) return null;
  if (!isCurrent(flow, endpoint, current)) renew<OnStack>(flow, key, packet, endpoint, current);
  return flow.action == Action.Allow ? flow : null;
}

/** Counts the message as a packet of one end. `direction`: of the message, as that end sees it. */
function tally(flow: Flow, key: FlowKey, packet: Packet, endpoint: Endpoint, direction: u32): void {
  packet.identity = flow.identity;
  packet.rule = flow.rule;
  packet.action = flow.action;
  packet.endpoint = endpoint.id;
  packet.endpointIdentity = endpoint.identity;
  const forward = <u32>flow.direction == direction;
  packet.isReply = forward ? 0 : 1;
  flow.seen = monotonicTime();
  if (forward) {
    flow.packets += 1;
    flow.bytes += packet.length;
  } else {
    flow.replyPackets += 1;
    flow.replyBytes += packet.length;
  }
  count<OnStack>(packet, direction);
}

/** Whether the message may take the shortcut now; counts it when it does. */
function carry(msg: SkMsg, end: End, current: Settings, key: FlowKey, other: FlowKey): bool {
  if (!(current.flags & SettingsFlag.Shortcut)) return false;
  const here = endpoints.get(end.device);
  const there = endpoints.get(end.otherDevice);
  if (!here || !there || (here.flags | there.flags) & EndpointFlag.LockedDown) return false;
  const packet = new Packet();
  packet.length = msg.size;
  const now = monotonicTime();
  const outward = admit(key, packet, here, current, now);
  if (!outward) return false;
  const inward = admit(other, packet, there, current, now);
  if (!inward) return false;
  const answers = outward.direction == <u8>Direction.Egress ? outward.replyPackets : outward.packets;
  if (answers != end.answers) {
    end.answers = answers;
    end.unanswered = 0;
  }
  end.unanswered += msg.size;
  if (end.unanswered > WINDOW) return false;
  if (sockets.redirect(msg, other) != SkAction.Pass) return false;
  tally(outward, key, packet, here, Direction.Egress);
  tally(inward, other, packet, there, Direction.Ingress);
  return true;
}

export const sock_msg = skMsg((msg) => {
  const socket = msg.socket;
  if (!socket) return SkAction.Pass;
  const end = ends.get(socket);
  if (!end || end.way == Way.Tcp) return SkAction.Pass;
  const current = settings.get(0);
  if (!current) return SkAction.Pass;
  const key = new FlowKey();
  keyOfMessage(msg, key);
  const other = new FlowKey();
  mirror(key, other);
  if (end.way == Way.Open) end.otherDevice = awaitOwner(other);
  end.way = carry(msg, end, current, key, other) ? Way.Shortcut : Way.Tcp;
  return SkAction.Pass;
});

export const sock_ops = sockOps((ctx) => {
  if (ctx.op == SockOp.TcpConnect) {
    const key = new FlowKey();
    keyOfOps(ctx, key);
    announce(ctx, key);
  } else if (ctx.op == SockOp.ActiveEstablished || ctx.op == SockOp.PassiveEstablished) enter(ctx);
  return Verdict.Allow;
});
