/**
 * ICMP errors (RFC 792, RFC 4443): sent for packets that nobody takes or that cannot go on, and told to the UDP socket
 * that the packet came from. Echo requests are not answered.
 */
import { formatAddress } from "../../bytes/index.ts";
import { IP_HEADER, PROTOCOL, decodeIp, encodeIp, viewOf } from "./frame.ts";
import type { IpPacket } from "./frame.ts";
import type { Errno } from "../errno.ts";
import type { Endpoint, Family } from "./endpoint.ts";

/** What the error says, by family: type and code. Source: include/uapi/linux/icmp.h, icmpv6.h. */
// prettier-ignore
export const ICMP_ERRORS = {
  port:     { inet: [3, 3],  inet6: [1, 4], errno: "ECONNREFUSED" },
  host:     { inet: [3, 1],  inet6: [1, 3], errno: "EHOSTUNREACH" },
  network:  { inet: [3, 0],  inet6: [1, 0], errno: "ENETUNREACH" },
  prohibit: { inet: [3, 13], inet6: [1, 1], errno: "EACCES" },
  ttl:      { inet: [11, 0], inet6: [3, 0], errno: "EHOSTUNREACH" },
} as const satisfies Record<string, Readonly<Record<Family, readonly [number, number]>> & { errno: Errno }>;
export type IcmpError = keyof typeof ICMP_ERRORS;

/** An ICMP header without what it quotes. */
const HEADER = 8;
/** Bytes of the packet that are quoted behind its IP header, at least. */
const QUOTED = 8;

/** The packet that tells `packet`'s sender. */
export function encodeIcmpError(error: IcmpError, packet: Uint8Array, from: string): Uint8Array | null {
  const ip = decodeIp(packet);
  if (ip === null) return null;
  const [type, code] = ICMP_ERRORS[error][ip.family];
  const quoted = packet.subarray(0, ip.headerLength + QUOTED);
  const payload = new Uint8Array(HEADER + quoted.length);
  payload.set([type, code]);
  payload.set(quoted, HEADER);
  const protocol = ip.family === "inet" ? PROTOCOL.icmp : PROTOCOL.icmpv6;
  return encodeIp({ family: ip.family, source: from, destination: ip.source, protocol, payload });
}

export interface Complaint {
  readonly error: IcmpError;
  /** Of the packet that it is about. */
  readonly protocol: number;
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/** What an ICMP packet complains about; null for one that is no error of a transport packet. */
export function decodeIcmpError({ family, payload }: IpPacket): Complaint | null {
  const inner = decodeQuoted(payload.subarray(HEADER), family);
  const error = (Object.keys(ICMP_ERRORS) as IcmpError[]).find((name) => {
    const [type, code] = ICMP_ERRORS[name][family];
    return payload[0] === type && payload[1] === code;
  });
  return inner === null || error === undefined ? null : { error, ...inner };
}

/** The quoted packet is cut off, so that `decodeIp` would refuse it. */
function decodeQuoted(bytes: Uint8Array, family: Family): Omit<Complaint, "error"> | null {
  const header = family === "inet" ? ((bytes[0] ?? 0) & 15) * 4 : IP_HEADER.inet6;
  if (bytes.length < header + QUOTED) return null;
  const whole = bytes.slice();
  const view = viewOf(whole);
  if (family === "inet") view.setUint16(2, whole.length);
  else view.setUint16(4, whole.length - header);
  const [source, destination] = endsOf(whole, family);
  return {
    protocol: whole[family === "inet" ? 9 : 6] ?? 0,
    source: { address: source, port: view.getUint16(header) },
    destination: { address: destination, port: view.getUint16(header + 2) },
  };
}

function endsOf(bytes: Uint8Array, family: Family): [string, string] {
  const size = family === "inet" ? 4 : 16;
  const at = family === "inet" ? 12 : 8;
  const text = (from: number): string => formatAddress(bytes.subarray(from, from + size));
  return [text(at), text(at + size)];
}
