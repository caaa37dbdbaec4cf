/**
 * Number spaces: what each number is called and which layer it announces (next.ts). Sources: IANA "ieee-802-numbers",
 * "protocol-numbers"; RFC 792 and 4443 for the ICMP errors that carry the packet that they are about.
 */

interface Space {
  /** What the number says in messages. */
  readonly names: Readonly<Record<number, string>>;
  /** Kinds of the header table. */
  readonly layers: Readonly<Record<number, string>>;
  /** Where no layer of the table follows: a number for experiments (RFC 3692, IEEE 802). */
  readonly payload: number;
}

// prettier-ignore
export const NUMBERS = {
  etherType: {
    names:  { 0x0800: "IPv4", 0x0806: "ARP", 0x8100: "802.1Q", 0x86dd: "IPv6", 0x88a8: "802.1ad" },
    layers: { 0x0800: "ipv4", 0x0806: "arp", 0x8100: "vlan", 0x86dd: "ipv6", 0x88a8: "vlan" },
    payload: 0x88b5,
  },
  ipProtocol: {
    names:  { 0: "hop-by-hop", 1: "ICMP", 2: "IGMP", 4: "IPv4", 6: "TCP", 17: "UDP", 41: "IPv6", 43: "routing", 44: "fragment", 47: "GRE",
              50: "ESP", 51: "AH", 58: "ICMPv6", 59: "no next header", 60: "destination options", 132: "SCTP" },
    layers: { 0: "hopByHop", 1: "icmp", 4: "ipv4", 6: "tcp", 17: "udp", 41: "ipv6", 43: "routing", 44: "fragment", 51: "authentication",
              58: "icmpv6", 60: "destinationOptions" },
    payload: 253,
  },
  arp:         { names: { 1: "request", 2: "reply" }, layers: {}, payload: 1 },
  icmpError:   { names: {}, layers: { 3: "ipv4", 5: "ipv4", 11: "ipv4", 12: "ipv4" }, payload: 8 },
  icmpv6Error: { names: {}, layers: { 1: "ipv6", 2: "ipv6", 3: "ipv6", 4: "ipv6" }, payload: 128 },
} as const satisfies Record<string, Space>;
export type NumberSpace = keyof typeof NUMBERS;
