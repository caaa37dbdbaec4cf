// Flows: what lets replies pass, and what remembers a verdict.
//
//   packet ── a flow of `flows` or `halfOpen`? ── judged under an older policy: judged again ── its verdict
//                    └── none, or it opens one: judged in its own direction ── allowed: remembered in `halfOpen`
//
// A flow belongs to the direction in which it was opened; packets the other way are replies and share its verdict. With the
// first reply it moves from `halfOpen` to `flows`. A TCP packet that opens (SYN without ACK) is always judged for itself: the
// other end's flow, even one that is denied now, does not speak for it. Without connections (UDP, ICMP) any packet may be
// the first, so the reply of a flow that is denied now is judged for itself too.
//
// Redirect (HTTP rules decide): into a pod, the first packet passes while the waypoint listens; `steer` gives the connection to
// the listener and marks the flow, and no further packet passes of one that is not marked. So a connection that was open
// before the rules came is cut, and one that nobody steered never carries a byte. Out of a pod, only the waypoint's
// own connections pass (`proxied`).
import { IpProtocol, TcpFlag, monotonicTime, noInline } from "ebpf-ts/std";
import { tell, tellClosed } from "./events";
import { identify, judge } from "./judge";
import { InMap, Packet, PacketKind, UNKNOWN_PORT } from "./packet";
import {
  Action, Direction, DropReason, Endpoint, EndpointFlag, Flow, FlowEnd, FlowEventKind, FlowKey, FlowState, Lifetime, Settings,
  SettingsFlag, SteeredKey, flows, halfOpen, proxied, steered,
} from "./tables";
import { translate } from "./translate";

/** How a policy's denial is told: by a rule, or because none allows it. */
function denial(packet: Packet): u8 {
  if (packet.rule != 0) return DropReason.PolicyDeny;
  return packet.port == UNKNOWN_PORT ? DropReason.FragmentNotFound : DropReason.PolicyDenied;
}

/** Old entries count as not there, as do those of another endpoint that had the address before. */
export function isAlive(flow: Flow, endpoint: Endpoint, protocol: u8, now: u64): bool {
  if (flow.endpoint != endpoint.id) return false;
  let lifetime = Lifetime.Short;
  if (flow.state == FlowState.Closing) lifetime = Lifetime.Closing;
  else if (flow.state == FlowState.Established && protocol == IpProtocol.Tcp) lifetime = Lifetime.TcpEstablished;
  // Signed: another CPU may have seen a packet of it since `now`.
  return <i64>(now - flow.seen) <= <i64>lifetime;
}

export function isCurrent(flow: Flow, endpoint: Endpoint, settings: Settings): bool {
  return flow.generation == endpoint.generation && flow.identities == settings.identities;
}

/** Judges a packet's flow again, by the direction and port that opened it. */
export function renew<Where = InMap>(flow: Flow, key: FlowKey, packet: Packet, endpoint: Endpoint, settings: Settings): void {
  noInline();
  assess<Where>(key, packet, endpoint, flow.direction, flow.port);
  flow.identity = packet.identity;
  flow.rule = packet.rule;
  flow.action = packet.action;
  flow.l7 = packet.l7;
  flow.identities = settings.identities;
  flow.generation = endpoint.generation;
}

/**
 * Asks policy. This node may talk to its pods whatever is not allowed (kubelet's probes, and the waypoint), unless a rule denies
 * it; HTTP rules are not for it.
 */
function assess<Where = InMap>(key: FlowKey, packet: Packet, endpoint: Endpoint, direction: u32, port: u32): void {
  const local = identify<Where>(packet, key);
  judge<Where>(packet, endpoint.policy, direction, key.protocol, port);
  if (!local || direction != Direction.Ingress) return;
  if (packet.action == Action.Deny && packet.rule != 0) return;
  packet.action = Action.Allow;
  packet.rule = 0;
  packet.l7 = 0;
}

/** Why a packet of a known flow must not pass; 0: it may. */
function refusal(flow: Flow, key: FlowKey, packet: Packet, endpoint: Endpoint, forward: bool): u8 {
  packet.identity = flow.identity;
  packet.rule = flow.rule;
  packet.action = flow.action;
  packet.l7 = flow.l7;
  packet.isReply = forward ? 0 : 1;
  if (flow.action == Action.Deny) return denial(packet);
  if (flow.action == Action.Allow) return 0;
  if (forward) {
    // Without connections the ports of the waypoint's question may be somebody else's a moment after its answer.
    if (key.protocol == IpProtocol.Udp) flow.steered = proxied.get(key) ? 1 : 0;
    const listens = flow.direction == Direction.Egress || (endpoint.flags & EndpointFlag.WaypointUp) != 0;
    return listens && (flow.steered || packet.kind == PacketKind.Opens) ? 0 : DropReason.WaypointDown;
  }
  // The end that is refused may say so.
  return flow.steered || packet.tcpFlags & TcpFlag.Rst ? 0 : DropReason.WaypointDown;
}

/** Counts a packet into its flow and follows TCP to its end. */
function follow(flow: Flow, key: FlowKey, packet: Packet, forward: bool, now: u64, settings: Settings): void {
  flow.seen = now;
  if (forward) {
    flow.packets += 1;
    flow.bytes += packet.length;
  } else {
    flow.replyPackets += 1;
    flow.replyBytes += packet.length;
    if (flow.state == FlowState.New) flow.state = FlowState.Established;
  }
  if (key.protocol != IpProtocol.Tcp || flow.state == FlowState.Closing) return;
  if (packet.tcpFlags & TcpFlag.Fin) flow.ended |= forward ? FlowEnd.Forward : FlowEnd.Reply;
  if (flow.ended != (FlowEnd.Forward | FlowEnd.Reply) && !(packet.tcpFlags & TcpFlag.Rst)) return;
  flow.state = FlowState.Closing;
  if (settings.flags & SettingsFlag.FlowEvents) tellClosed(key, packet, flow);
}

/** Decides over a packet; `packet.reason` and what goes with it say how. */
export function track(key: FlowKey, packet: Packet, endpoint: Endpoint, settings: Settings, direction: u32): void {
  noInline();
  const now = monotonicTime();
  if (packet.port == UNKNOWN_PORT) return admitFragment(key, packet, endpoint, direction);
  let flow = flows.get(key);
  let answered = flow != null;
  if (!flow) flow = halfOpen.get(key);
  // A flow that was answered, or that the other end opened, is with somebody real.
  const answers = answered || (flow != null && flow.direction == Direction.Ingress);
  if (direction == Direction.Egress && !answers && translate(key, packet, endpoint, settings)) {
    if (packet.reason != 0) return;
    flow = flows.get(key);
    answered = flow != null;
    if (!flow) flow = halfOpen.get(key);
  }
  let keepSteered: u8 = 0;
  if (flow && isAlive(flow, endpoint, key.protocol, now)) {
    const forward = <u32>flow.direction == direction;
    const first = packet.kind == PacketKind.Opens && !(forward && flow.state == FlowState.New);
    if (forward && flow.state != FlowState.Closing) keepSteered = flow.steered;
    if (!first) {
      if (!isCurrent(flow, endpoint, settings)) renew(flow, key, packet, endpoint, settings);
      packet.reason = refusal(flow, key, packet, endpoint, forward);
      if (packet.reason == 0 || audits(packet, settings)) {
        follow(flow, key, packet, forward, now, settings);
        if ((flow.askedPort | packet.askedPort) != 0) rename(flow, packet, direction);
        if (answered || forward) return;
        flows.set(key, flow);
        halfOpen.delete(key);
        return;
      }
      if (forward || key.protocol == IpProtocol.Tcp) return;
    }
  }
  open(key, packet, endpoint, settings, direction | (answered ? ANSWERED : 0) | (keepSteered ? STEERED : 0));
}

/** What the endpoint asked for last is what it gets answers from. */
function rename(flow: Flow, packet: Packet, direction: u32): void {
  if (direction == Direction.Egress) setAsked(flow, packet);
  else {
    packet.askedHi = flow.askedHi;
    packet.askedLo = flow.askedLo;
    packet.askedPort = flow.askedPort;
  }
}

function setAsked(flow: Flow, packet: Packet): void {
  flow.askedHi = packet.askedHi;
  flow.askedLo = packet.askedLo;
  flow.askedPort = packet.askedPort;
}

/** Beside the direction, what `open` has to know of the flow that was there. */
const ANSWERED: u32 = 2;
const STEERED: u32 = 4;

/** In audit mode a policy's denial is told and does not bite. */
function audits(packet: Packet, settings: Settings): bool {
  const denied = packet.reason == DropReason.PolicyDenied || packet.reason == DropReason.PolicyDeny;
  if (!denied || !(settings.flags & SettingsFlag.Audit)) return false;
  packet.audited = 1;
  return true;
}

/** Judges a packet for itself and remembers the flow that it opens, when it may. */
function open(key: FlowKey, packet: Packet, endpoint: Endpoint, settings: Settings, how: u32): void {
  noInline();
  const direction = how & 1;
  packet.isReply = 0;
  assess(key, packet, endpoint, direction, packet.port);
  const flow = new Flow();
  packet.reason = admission(key, packet, endpoint, direction, flow);
  if (packet.reason != 0 && !audits(packet, settings)) return;
  // A connection that is steered already is not steered again when its SYN comes once more.
  if (packet.action == Action.Redirect && how & STEERED) flow.steered = 1;
  flow.opened = monotonicTime();
  flow.seen = flow.opened;
  flow.packets = 1;
  flow.bytes = packet.length;
  flow.generation = endpoint.generation;
  flow.identities = settings.identities;
  flow.identity = packet.identity;
  flow.rule = packet.rule;
  flow.endpoint = endpoint.id;
  flow.direction = <u8>direction;
  flow.action = packet.action;
  flow.state = packet.tcpFlags & TcpFlag.Rst ? FlowState.Closing : FlowState.New;
  flow.ended = packet.tcpFlags & TcpFlag.Fin ? FlowEnd.Forward : 0;
  flow.l7 = packet.l7;
  flow.port = <u16>packet.port;
  if (packet.askedPort != 0) setAsked(flow, packet);
  if (halfOpen.set(key, flow) != 0) {
    packet.reason = DropReason.FlowTableFull;
    packet.audited = 0;
    return;
  }
  if (how & ANSWERED) flows.delete(key);
  if (packet.audited || !(settings.flags & SettingsFlag.FlowEvents)) return;
  tell(key, packet, direction, packet.action == Action.Redirect ? FlowEventKind.Redirected : FlowEventKind.Forwarded);
}

/** Why the first packet of a flow must not pass; 0: it may. */
function admission(key: FlowKey, packet: Packet, endpoint: Endpoint, direction: u32, flow: Flow): u8 {
  if (packet.action == Action.Deny) return denial(packet);
  if (packet.action == Action.Allow) return 0;
  if (direction == Direction.Egress) flow.steered = proxied.get(key) ? 1 : 0;
  else if (!(endpoint.flags & EndpointFlag.WaypointUp)) return DropReason.WaypointDown;
  // Only a connection that is about to be made can still be steered.
  else if (packet.kind == PacketKind.Opens) return 0;
  else flow.steered = wasSteered(key) ? 1 : 0;
  return flow.steered ? 0 : DropReason.WaypointDown;
}

function wasSteered(key: FlowKey): bool {
  const connection = new SteeredKey();
  connection.clientHi = key.remoteHi;
  connection.clientLo = key.remoteLo;
  connection.serverHi = key.localHi;
  connection.serverLo = key.localLo;
  connection.clientPort = key.remotePort;
  connection.serverPort = key.localPort;
  return key.protocol == IpProtocol.Tcp && steered.get(connection) != null;
}

/** A fragment without ports belongs to no flow that could be found: each is judged, by what does not need a port. */
function admitFragment(key: FlowKey, packet: Packet, endpoint: Endpoint, direction: u32): void {
  assess(key, packet, endpoint, direction, UNKNOWN_PORT);
  packet.reason = packet.action == Action.Allow ? 0 : packet.action == Action.Deny ? denial(packet) : DropReason.WaypointDown;
}

/** Does the flow of the packet that an ICMP error is about exist, and may it pass? The error shares its verdict. */
export function isRelated(inner: FlowKey, packet: Packet, endpoint: Endpoint, settings: Settings): bool {
  noInline();
  let flow = flows.get(inner);
  if (!flow) flow = halfOpen.get(inner);
  if (!flow || !isAlive(flow, endpoint, inner.protocol, monotonicTime())) return false;
  if (!isCurrent(flow, endpoint, settings)) renew(flow, inner, packet, endpoint, settings);
  if (flow.action == Action.Deny) return false;
  packet.identity = flow.identity;
  packet.rule = flow.rule;
  packet.action = flow.action;
  packet.isReply = 1;
  return true;
}
