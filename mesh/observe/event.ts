/**
 * The bytes of a `FlowEvent` (programs/mesh/tables.ts), as they stand in the ring buffer. Read by hand, not through a codec:
 * an agent sees a hundred thousand of them a second, and most fields are never looked at. test/mesh/observe compares the
 * offsets with the type information of the compiled programs.
 */

// prettier-ignore
export const FLOW_EVENT = {
  time: 0, sourceHi: 8, sourceLo: 16, destinationHi: 24, destinationLo: 32, bytes: 40, replyBytes: 48,
  sourceIdentity: 56, destinationIdentity: 60, endpoint: 64, rule: 68, sourcePort: 72, destinationPort: 74,
  protocol: 76, direction: 77, kind: 78, reason: 79, tcpFlags: 80, isReply: 81, l7: 82, length: 84,
} as const;
export const FLOW_EVENT_BYTES = 88;

/** FlowEventKind of programs/mesh/tables.ts. */
export const EVENT_KIND = { forwarded: 1, dropped: 2, redirected: 3, audited: 4, closed: 5, translated: 6 } as const;

/** A FlowEvent as a value; addresses are canonical text, ports 0 where the protocol has none. */
export interface FlowEvent {
  /** Nanoseconds of the monotonic clock. */
  readonly time: number;
  readonly source: string;
  readonly destination: string;
  readonly bytes: number;
  readonly replyBytes: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly endpoint: number;
  readonly rule: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly direction: number;
  readonly kind: number;
  readonly reason: number;
  readonly tcpFlags: number;
  readonly isReply: boolean;
  readonly l7: number;
  readonly length: number;
}

/** Reads an event; null: it is shorter than one. The bytes may be gone afterwards. */
export function readFlowEvent(bytes: Uint8Array): FlowEvent | null {
  if (bytes.length < FLOW_EVENT_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = FLOW_EVENT;
  return {
    time: readU64(view, at.time),
    source: readAddress(view, at.sourceHi),
    destination: readAddress(view, at.destinationHi),
    bytes: readU64(view, at.bytes),
    replyBytes: readU64(view, at.replyBytes),
    sourceIdentity: view.getUint32(at.sourceIdentity, HOST),
    destinationIdentity: view.getUint32(at.destinationIdentity, HOST),
    endpoint: view.getUint32(at.endpoint, HOST),
    rule: view.getUint32(at.rule, HOST),
    sourcePort: view.getUint16(at.sourcePort, HOST),
    destinationPort: view.getUint16(at.destinationPort, HOST),
    protocol: view.getUint8(at.protocol),
    direction: view.getUint8(at.direction),
    kind: view.getUint8(at.kind),
    reason: view.getUint8(at.reason),
    tcpFlags: view.getUint8(at.tcpFlags),
    isReply: view.getUint8(at.isReply) !== 0,
    l7: view.getUint16(at.l7, HOST),
    length: view.getUint32(at.length, HOST),
  };
}

/** Programs are compiled little-endian, and refused by the loader elsewhere. */
const HOST = true;

/** Exact up to 2^53: bytes of a connection, and 104 days of nanoseconds; beyond, off by a few nanoseconds. */
function readU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, HOST) * 2 ** 32 + view.getUint32(at, HOST);
}

/** 16 bytes in network order; ::ffff:a.b.c.d is IPv4. */
export function readAddress(view: DataView, at: number): string {
  if (view.getUint32(at) === 0 && view.getUint32(at + 4) === 0 && view.getUint32(at + 8) === 0xffff) {
    return `${view.getUint8(at + 12)}.${view.getUint8(at + 13)}.${view.getUint8(at + 14)}.${view.getUint8(at + 15)}`;
  }
  return formatIpv6(Array.from({ length: 8 }, (_, i) => view.getUint16(at + 2 * i)));
}

/** RFC 5952: lower case, the longest run of zero groups (at least two, the first of equals) as `::`. */
function formatIpv6(groups: readonly number[]): string {
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  const write = (part: readonly number[]): string => part.map((g) => g.toString(16)).join(":");
  if (best.length < 2) return write(groups);
  return `${write(groups.slice(0, best.start))}::${write(groups.slice(best.start + best.length))}`;
}
