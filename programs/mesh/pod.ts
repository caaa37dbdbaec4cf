// The authority over a pod's traffic: tcx on the host side of its veth. Egress of that device is what goes to the pod,
// ingress what comes from it. Nothing that others do (cgroup hooks, the socket shortcut, the waypoint) is trusted here.
//
//   read the packet ── whose device? ── locked down? ── for the link: passes
//        ── from the pod: its own source address? ── to and from itself: passes
//        ── an ICMP error of a known flow: passes ── the flow's verdict, or policy's (flow.ts)
//        ── to or from a service: rewritten (translate.ts) ── count, tell
import { SkBuff, TcxAction, tcxEgress, tcxIngress } from "ebpf-ts/std";
import { count, tellDrop } from "./events";
import { isRelated, track } from "./flow";
import { HEADERS, Packet, PacketKind, Reading, isMapped, read, readInner, workKeys, workPackets } from "./packet";
import { Action, Direction, DropReason, Endpoint, EndpointFlag, FlowKey, endpoints, settings } from "./tables";
import { rewrite } from "./translate";

/** The pod's address of the packet's family. */
function isOwn(hi: u64, lo: u64, endpoint: Endpoint): bool {
  if (isMapped(hi, lo)) return lo == endpoint.lo4;
  return hi == endpoint.hi6 && lo == endpoint.lo6 && (hi | lo) != 0;
}

/** Why the packet must not pass before anybody asks policy; 0: policy decides, NO_QUESTION: it passes. */
function examine(skb: SkBuff, key: FlowKey, packet: Packet, endpoint: Endpoint | null, direction: u32, reading: u32): u32 {
  if (!endpoint) return DropReason.UnknownEndpoint;
  packet.endpoint = endpoint.id;
  packet.endpointIdentity = endpoint.identity;
  if (endpoint.flags & EndpointFlag.LockedDown) return DropReason.LockedDown;
  if (reading == Reading.Link) return NO_QUESTION;
  if (reading != Reading.Whole) return reading;
  if (direction == Direction.Egress && !isOwn(key.localHi, key.localLo, endpoint)) return DropReason.InvalidSource;
  if (key.localHi != key.remoteHi || key.localLo != key.remoteLo) return 0;
  // To itself. What comes back has to have come from there, or it is somebody who uses the pod's address.
  return direction == Direction.Egress || skb.ingressIfindex == skb.ifindex ? NO_QUESTION : DropReason.InvalidSource;
}

const NO_QUESTION: u32 = 1;

export function police(skb: SkBuff, direction: u32): TcxAction {
  const key = workKeys.get(0);
  const inner = workKeys.get(1);
  const packet = workPackets.get(0);
  const current = settings.get(0);
  if (!key || !inner || !packet || !current) return TcxAction.Drop;
  let reading = read(skb, key, packet, direction);
  if (reading == Reading.Pull) {
    skb.pullData(skb.length < HEADERS ? skb.length : HEADERS);
    reading = read(skb, key, packet, direction);
    if (reading == Reading.Pull) reading = DropReason.InvalidPacket;
  }
  const endpoint = endpoints.get(skb.ifindex);
  const examined = examine(skb, key, packet, endpoint, direction, reading);
  if (examined == NO_QUESTION) packet.action = Action.Allow;
  else if (examined != 0) packet.reason = <u8>examined;
  else {
    if (!endpoint) return TcxAction.Drop;
    const related = packet.kind == PacketKind.Error && readInner(skb, packet, key, inner, direction) &&
      isRelated(inner, packet, endpoint, current);
    if (!related) track(key, packet, endpoint, current, direction);
  }
  if (packet.askedPort != 0 && (packet.reason == 0 || packet.audited)) rewrite(skb, key, packet, direction);
  count(packet, direction);
  if (packet.reason == 0) return TcxAction.Pass;
  tellDrop(key, packet, direction);
  return packet.audited ? TcxAction.Pass : TcxAction.Drop;
}

export const to_pod = tcxEgress((skb) => police(skb, Direction.Ingress));

export const from_pod = tcxIngress((skb) => police(skb, Direction.Egress));
