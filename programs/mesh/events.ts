// What is told: events to user space, and counters.
//
// A drop is told when it is a flow's first and then once a second for as long as it goes on; forwarded flows once. Counters
// count every packet.
import { Cell, IpProtocol, monotonicTime, noInline } from "ebpf-ts/std";
import { InMap, Packet } from "./packet";
import {
  Direction, DropKey, Flow, FlowEvent, FlowEventKind, FlowKey, PairKey, Traffic, counters, events, lostEvents, pairTraffic, ruleTraffic, toldDrops,
} from "./tables";

/** Between two events of drops of the same flow. */
const SECOND: u64 = 1_000_000_000;

/** Room for an event; null, and counted, when there is none. */
function reserve(): FlowEvent | null {
  const event = events.reserve();
  if (event) return event;
  const lost = lostEvents.get(0);
  if (lost) lost.value += 1;
  return null;
}

function fill(event: FlowEvent, key: FlowKey, packet: Packet, direction: u32, kind: u32): void {
  const out = direction == Direction.Egress;
  const icmp = packet.icmpType != 0 || packet.icmpCode != 0 || key.protocol == IpProtocol.Icmp || key.protocol == IpProtocol.Icmpv6;
  event.time = monotonicTime();
  event.sourceHi = out ? key.localHi : key.remoteHi;
  event.sourceLo = out ? key.localLo : key.remoteLo;
  event.destinationHi = out ? key.remoteHi : key.localHi;
  event.destinationLo = out ? key.remoteLo : key.localLo;
  event.sourceIdentity = out ? packet.endpointIdentity : packet.identity;
  event.destinationIdentity = out ? packet.identity : packet.endpointIdentity;
  event.endpoint = packet.endpoint;
  event.rule = packet.rule;
  event.sourcePort = icmp ? packet.icmpCode : out ? key.localPort : key.remotePort;
  event.destinationPort = icmp ? packet.icmpType : out ? key.remotePort : key.localPort;
  event.protocol = key.protocol;
  event.direction = <u8>direction;
  event.kind = <u8>kind;
  event.reason = packet.reason;
  event.tcpFlags = packet.tcpFlags;
  event.l7 = packet.l7;
  event.length = packet.length;
}

/** Tells one event. */
export function tell<Where = InMap>(key: FlowKey, packet: Packet, direction: u32, kind: u32): void {
  noInline();
  const event = reserve();
  if (!event) return;
  fill(event, key, packet, direction, kind);
  event.bytes = 0;
  event.replyBytes = 0;
  event.isReply = packet.isReply;
  events.submit(event);
}

/** Tells that a connection ended, in the direction in which it was opened. */
export function tellClosed(key: FlowKey, packet: Packet, flow: Flow): void {
  noInline();
  const event = reserve();
  if (!event) return;
  fill(event, key, packet, flow.direction, FlowEventKind.Closed);
  event.bytes = flow.bytes;
  event.replyBytes = flow.replyBytes;
  event.isReply = 0;
  events.submit(event);
}

/** Tells a drop, or what would have been one, unless it was told less than a second ago. */
export function tellDrop<Where = InMap>(key: FlowKey, packet: Packet, direction: u32): void {
  noInline();
  const now = monotonicTime();
  const drop = new DropKey();
  drop.localHi = key.localHi;
  drop.localLo = key.localLo;
  drop.remoteHi = key.remoteHi;
  drop.remoteLo = key.remoteLo;
  drop.localPort = key.localPort;
  drop.remotePort = key.remotePort;
  drop.protocol = key.protocol;
  drop.direction = <u8>direction;
  drop.reason = packet.reason;
  drop.endpoint = packet.endpoint;
  const told = toldDrops.get(drop);
  if (told) {
    if (now - told.value < SECOND) return;
    told.value = now;
  } else {
    const first = new Cell<u64>();
    first.value = now;
    toldDrops.set(drop, first);
  }
  tell<Where>(key, packet, direction, packet.audited ? FlowEventKind.Audited : FlowEventKind.Dropped);
}

function add(traffic: Traffic, packet: Packet, packets: u32): void {
  traffic.packets += packets;
  traffic.bytes += packet.length;
}

/** Counts a packet by what became of it, by the rule that decided, and by the pair of identities. `packets`: several of them. */
export function count<Where = InMap>(packet: Packet, direction: u32, packets: u32 = 1): void {
  noInline();
  const outcome = counters.get((direction << 8) | (packet.audited ? 0 : <u32>packet.reason));
  if (outcome) add(outcome, packet, packets);
  if (packet.rule != 0) {
    const rule = ruleTraffic.get(packet.rule);
    if (rule) add(rule, packet, packets);
    else {
      const first = new Traffic();
      add(first, packet, packets);
      ruleTraffic.set(packet.rule, first);
    }
  }
  if (packet.identity == 0) return;
  const key = new PairKey();
  key.endpoint = packet.endpoint;
  key.identity = packet.identity;
  key.direction = <u8>direction;
  key.action = packet.action;
  const pair = pairTraffic.get(key);
  if (pair) add(pair, packet, packets);
  else {
    const first = new Traffic();
    add(first, packet, packets);
    pairTraffic.set(key, first);
  }
}
