/**
 * A packet on its way, `struct sk_buff`: the bytes from the network header on, the link-layer header in front of them
 * where it has one, and what travels with the packet beside its bytes.
 */
import type { ContextInput } from "../context.ts";
import type { RunResult } from "../machine.ts";
import { FAMILY_NUMBERS } from "./endpoint.ts";
import { ETHERNET_HEADER, etherTypeOf } from "./frame.ts";
import type { Interface } from "./interface.ts";
import type { Sock } from "./sock.ts";

/** pkt_type: for this host, broadcast, multicast, for another host. Source: include/uapi/linux/if_packet.h. */
export const PACKET_TYPE = { host: 0, broadcast: 1, multicast: 2, otherhost: 3, outgoing: 4 } as const;

export interface Skb {
  /** From the network header on. */
  packet: Uint8Array;
  /** What an XDP program put in front of the frame, for programs of tcx. */
  metadata: Uint8Array;
  /** The link-layer header; no bytes before a device has put one there. */
  link: Uint8Array;
  etherType: number;
  packetType: number;
  mark: number;
  priority: number;
  queueMapping: number;
  tcIndex: number;
  cb: readonly number[];
  /** Nanoseconds; 0 for none. */
  tstamp: bigint;
  /** Who sent it; null for what came from outside or was made by the host. */
  socket: Sock | null;
  /** Where it came in; null before. */
  arrived: Interface | null;
  /** The socket that a program at the ingress gave it (sk_assign). */
  assigned: Sock | null;
}

export function newSkb(packet: Uint8Array, etherType: number, more: Partial<Skb> = {}): Skb {
  return {
    packet,
    metadata: new Uint8Array(0),
    link: new Uint8Array(0),
    etherType,
    packetType: PACKET_TYPE.host,
    mark: 0,
    priority: 0,
    queueMapping: 0,
    tcIndex: 0,
    cb: [0, 0, 0, 0, 0],
    tstamp: 0n,
    socket: null,
    arrived: null,
    assigned: null,
    ...more,
  };
}

/** Of a frame as it comes from a wire to `device`. */
export function skbOfFrame(frame: Uint8Array, device: Interface): Skb {
  return newSkb(frame.slice(ETHERNET_HEADER), etherTypeOf(frame), {
    link: frame.slice(0, ETHERNET_HEADER),
    packetType: packetTypeOf(frame, device),
    arrived: device,
  });
}

/** The whole frame. */
export function frameOf({ link, packet }: Skb): Uint8Array {
  const frame = new Uint8Array(link.length + packet.length);
  frame.set(link);
  frame.set(packet, link.length);
  return frame;
}

/** eth_type_trans: whom the destination address means. */
function packetTypeOf(frame: Uint8Array, device: Interface): number {
  const destination = frame.subarray(0, 6);
  if (destination.every((byte) => byte === 0xff)) return PACKET_TYPE.broadcast;
  if (((destination[0] ?? 0) & 1) === 1) return PACKET_TYPE.multicast;
  const own = destination.every((byte, i) => byte === device.mac[i]);
  return own ? PACKET_TYPE.host : PACKET_TYPE.otherhost;
}

/** Fields of `__sk_buff` for a program that sees the packet on `device`. */
export function skbContext(skb: Skb, device: Interface | null): ContextInput {
  return {
    pkt_type: skb.packetType,
    mark: skb.mark,
    queue_mapping: skb.queueMapping,
    protocol: skb.etherType,
    priority: skb.priority,
    ingress_ifindex: skb.arrived?.ifindex ?? 0,
    ifindex: device?.ifindex ?? 0,
    tc_index: skb.tcIndex,
    cb: skb.cb,
    tstamp: skb.tstamp,
  };
}

/** Fields of `__sk_buff` about the packet's socket, for hooks that may read them. */
export function skbSocketContext(sock: Sock): ContextInput {
  const { local, remote, family } = sock;
  // prettier-ignore
  const ends = family === "inet"
    ? { local_ip4: local.address, remote_ip4: remote.address }
    : { local_ip6: local.address, remote_ip6: remote.address };
  return { family: FAMILY_NUMBERS[family], local_port: local.port, remote_port: remote.port, ...ends };
}

/** Takes over what a program changed beside the bytes. */
export function takeContext(skb: Skb, { context }: RunResult): void {
  skb.mark = Number(context["mark"] ?? skb.mark);
  skb.priority = Number(context["priority"] ?? skb.priority);
  skb.queueMapping = Number(context["queue_mapping"] ?? skb.queueMapping);
  skb.tcIndex = Number(context["tc_index"] ?? skb.tcIndex);
  const cb = context["cb"];
  if (Array.isArray(cb)) skb.cb = cb;
}
