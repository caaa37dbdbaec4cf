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
import { Cell, Loop, LruHashMap, SkAction, SkMsg, SockHash, SockOp, SockOps, SockOpsFlag, SocketStorage, Verdict, loop, monotonicTime, skMsg,
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

/** How long what is known of the flows and not counted yet is good: nanoseconds. */
const MOMENT: u64 = 1_000_000;

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
  /** Endpoint.generation of both and Settings.identities when the flows were looked at. */
  generation: u32;
  otherGeneration: u32;
  identities: u32;
  /** Cookie of the other end's socket. */
  other: u64;
  /** Bytes by the shortcut since something came back. */
  unanswered: u64;
  /** Packets of the flow in the other direction by then. */
  answers: u64;
  /** What was sent since the flows were looked at, monotonic nanoseconds, and is not counted yet. */
  settled: u64;
  bytes: u64;
  packets: u64;
}

/** An established socket of a pod. */
@unmanaged @final
export class Owner {
  /** Its key in `endpoints`; 0: it does not take the shortcut. */
  device: u32;
  reserved: u32;
  /** The socket's cookie. */
  cookie: u64;
}

export const ends = new SocketStorage<End>();
/** Sockets that take the shortcut, by cookie, which is never another socket's. */
export const sockets = new SockHash<Cell<u64>>(65536);
/**
 * Who has an end, by the flow as that end sees it. Asked once, when the other end sends its first message; a connection whose entry has been
 * pushed out by 16,384 newer ones before that goes by TCP.
 */
export const owners = new LruHashMap<FlowKey, Owner>(16384);

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
  const owner = new Owner();
  owner.cookie = ctx.socketCookie;
  const endpoint = endpoints.get(device.value);
  if (endpoint && !(endpoint.flags & EndpointFlag.NoShortcut)) {
    const cookie = new Cell<u64>();
    cookie.value = owner.cookie;
    if (ctx.setCallbacks(SockOpsFlag.State) == 0 && sockets.add(ctx, cookie) == 0) owner.device = device.value;
  }
  end.device = owner.device;
  // Also when it does not take it, so that the other end does not wait.
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
  cookie: u64;
  device: u32;
  reserved3: u32;
}

/**
 * Finds the other end. A client is woken before its ACK is sent, so its first message may come, on another CPU, some microseconds
 * before the passive end is established: those are waited for, because a direction whose first message went by TCP stays there.
 */
function meet(end: End, other: FlowKey): void {
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
    awaited.cookie = owner.cookie;
    awaited.device = owner.device;
    return Loop.Break;
  });
  end.other = awaited.cookie;
  end.otherDevice = awaited.device;
}

/** The flow of one end if it lets the message pass, or null. */
function admit(key: FlowKey, packet: Packet, endpoint: Endpoint, current: Settings, now: u64): Flow | null {
  const flow = flows.get(key);
  if (!flow || !isAlive(flow, endpoint, TCP, now)) return null;
  if (!isCurrent(flow, endpoint, current)) renew<OnStack>(flow, key, packet, endpoint, current);
  return flow.action == Action.Allow ? flow : null;
}

/** Counts what was sent as packets of one end. `direction`: of the packets, as that end sees them. */
function tally(flow: Flow, packet: Packet, endpoint: Endpoint, direction: u32, packets: u32): void {
  packet.identity = flow.identity;
  packet.rule = flow.rule;
  packet.action = flow.action;
  packet.endpoint = endpoint.id;
  packet.endpointIdentity = endpoint.identity;
  flow.seen = monotonicTime();
  if (<u32>flow.direction == direction) {
    flow.packets += packets;
    flow.bytes += packet.length;
  } else {
    flow.replyPackets += packets;
    flow.replyBytes += packet.length;
  }
  count<OnStack>(packet, direction, packets);
}

function tallyBoth(end: End, packet: Packet, outward: Flow, inward: Flow, here: Endpoint, there: Endpoint): void {
  const packets = <u32>end.packets;
  packet.length = <u32>end.bytes;
  end.packets = 0;
  end.bytes = 0;
  tally(outward, packet, here, Direction.Egress, packets);
  tally(inward, packet, there, Direction.Ingress, packets);
}

/** Looks at both ends' flows: whether they let pass, and counts what was sent by them. */
function settle(end: End, key: FlowKey, other: FlowKey, here: Endpoint, there: Endpoint, current: Settings, now: u64): bool {
  const packet = new Packet();
  const outward = admit(key, packet, here, current, now);
  if (!outward) return false;
  const inward = admit(other, packet, there, current, now);
  if (!inward) return false;
  end.generation = here.generation;
  end.otherGeneration = there.generation;
  end.identities = current.identities;
  end.settled = now;
  const answers = outward.direction == <u8>Direction.Egress ? outward.replyPackets : outward.packets;
  if (answers != end.answers) {
    end.answers = answers;
    end.unanswered = 0;
  }
  tallyBoth(end, packet, outward, inward, here, there);
  return end.unanswered <= WINDOW;
}

/** Nothing changed since the flows were looked at, a moment ago. */
function isSettled(end: End, here: Endpoint, there: Endpoint, current: Settings, now: u64): bool {
  return end.way == Way.Shortcut && end.generation == here.generation && end.otherGeneration == there.generation &&
    end.identities == current.identities && now - end.settled < MOMENT && end.unanswered <= WINDOW;
}

/** Sends the message by the shortcut; false: it may not be (then TCP counts it too: once in the life of a direction). */
function carry(msg: SkMsg, end: End, current: Settings): bool {
  if (!(current.flags & SettingsFlag.Shortcut)) return false;
  const key = new FlowKey();
  const other = new FlowKey();
  if (end.way == Way.Open) {
    keyOfMessage(msg, key);
    mirror(key, other);
    meet(end, other);
  }
  const here = endpoints.get(end.device);
  const there = endpoints.get(end.otherDevice);
  if (!here || !there || (here.flags | there.flags) & EndpointFlag.LockedDown) return false;
  end.unanswered += msg.size;
  end.packets += 1;
  end.bytes += msg.size;
  const now = monotonicTime();
  if (!isSettled(end, here, there, current, now)) {
    keyOfMessage(msg, key);
    mirror(key, other);
    if (!settle(end, key, other, here, there, current, now)) return false;
  }
  const cookie = new Cell<u64>();
  cookie.value = end.other;
  return sockets.redirect(msg, cookie) == SkAction.Pass;
}

export const sock_msg = skMsg((msg) => {
  const socket = msg.socket;
  if (!socket) return SkAction.Pass;
  const end = ends.get(socket);
  if (!end || end.way == Way.Tcp) return SkAction.Pass;
  const current = settings.get(0);
  if (!current) return SkAction.Pass;
  end.way = carry(msg, end, current) ? Way.Shortcut : Way.Tcp;
  return SkAction.Pass;
});

/** Counts what is not counted yet, before the FIN is sent. */
function leave(ctx: SockOps): void {
  const socket = ctx.socket;
  if (!socket) return;
  const end = ends.get(socket);
  if (!end || end.packets == 0) return;
  const here = endpoints.get(end.device);
  const there = endpoints.get(end.otherDevice);
  if (!here || !there) return;
  const key = new FlowKey();
  const other = new FlowKey();
  keyOfOps(ctx, key);
  mirror(key, other);
  const outward = flows.get(key);
  const inward = flows.get(other);
  if (!outward || !inward) return;
  const packet = new Packet();
  tallyBoth(end, packet, outward, inward, here, there);
}

export const sock_ops = sockOps((ctx) => {
  if (ctx.op == SockOp.TcpConnect) {
    const key = new FlowKey();
    keyOfOps(ctx, key);
    announce(ctx, key);
  } else if (ctx.op == SockOp.ActiveEstablished || ctx.op == SockOp.PassiveEstablished) enter(ctx);
  else if (ctx.op == SockOp.State) leave(ctx);
  return Verdict.Allow;
});
