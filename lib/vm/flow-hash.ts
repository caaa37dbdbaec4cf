/**
 * The hash of a packet's flow, as get_hash_recalc gives it: equal for packets of one flow. The kernel's depends on a secret
 * of its boot; this one is FNV-1a of addresses, protocol and ports, so it is the same each time. Never 0.
 */

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const PORTS = 4;
/** Protocols that start with ports: TCP, UDP, DCCP, SCTP, UDP-Lite. */
const WITH_PORTS = new Set([6, 17, 33, 132, 136]);

/** `network`: where the network header starts in `packet`. */
export function flowHash(packet: Uint8Array, etherType: number, network: number): number {
  return fnv1a(keys(packet.subarray(Math.max(network, 0)), etherType)) || 1;
}

function keys(ip: Uint8Array, etherType: number): Uint8Array {
  if (etherType === ETH_P_IP && ip.length >= 20) {
    const length = ((ip[0] ?? 0) & 15) * 4;
    const fragment = (((ip[6] ?? 0) & 0x3f) << 8) | (ip[7] ?? 0);
    return flow(ip.subarray(12, 20), ip[9] ?? 0, fragment === 0 ? ip.subarray(length) : new Uint8Array(0));
  }
  if (etherType === ETH_P_IPV6 && ip.length >= 40) return flow(ip.subarray(8, 40), ip[6] ?? 0, ip.subarray(40));
  return new Uint8Array(0);
}

function flow(addresses: Uint8Array, protocol: number, transport: Uint8Array): Uint8Array {
  const ports = WITH_PORTS.has(protocol) ? transport.subarray(0, PORTS) : new Uint8Array(0);
  return Uint8Array.from([...addresses, protocol, ...ports]);
}

/** FNV-1a, 32 bits. */
export function fnv1a(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x0100_0193) >>> 0, 0x811c_9dc5);
}
