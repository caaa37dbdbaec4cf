/**
 * The Ethernet header that some programs do not see: at cgroup_skb and socket_filter a packet starts at its IP header. Tests
 * give and get whole frames everywhere; the targets take the header off and put it back.
 */
/** Bytes of an Ethernet header. */
export const LINK_HEADER = 14;

/** `bytes`, which start at IP, behind the Ethernet header of `frame`. */
export function putBack(frame: Uint8Array, bytes: Uint8Array): Uint8Array {
  const header = frame.subarray(0, LINK_HEADER);
  const whole = new Uint8Array(header.length + bytes.length);
  whole.set(header);
  whole.set(bytes, header.length);
  return whole;
}

/** What an Ethernet header says of the packet behind it: skb->protocol. */
export function etherType(frame: Uint8Array): number {
  return ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
}
