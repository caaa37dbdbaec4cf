// Packet headers. Fields read and write in host byte order; the raw fields, whose names end in `_be`, hold network order.
// Sources: IEEE 802.3, 802.1Q; RFC 826 (ARP), 791 (IPv4), 8200 (IPv6), 9293 (TCP), 768 (UDP), 792 (ICMP).
import { bswap16, bswap32, bswap64 } from "./bpf";

/** Values of Ethernet.type and Vlan.type. */
export namespace EtherType {
  export const Ipv4: u16 = 0x0800;
  export const Arp: u16 = 0x0806;
  export const Vlan: u16 = 0x8100;
  export const Ipv6: u16 = 0x86dd;
  export const QinQ: u16 = 0x88a8;
}

/** Values of Ipv4.protocol and Ipv6.nextHeader. */
export namespace IpProtocol {
  export const Icmp: u8 = 1;
  export const Tcp: u8 = 6;
  export const Udp: u8 = 17;
  export const Icmpv6: u8 = 58;
  export const Sctp: u8 = 132;
}

/** An IPv4 address as a number in host order: ipv4(10, 0, 0, 1) == 0x0a000001. */
export function ipv4(a: u32, b: u32, c: u32, d: u32): u32 {
  return (a << 24) | (b << 16) | (c << 8) | d;
}

/** 14 bytes. */
@final @unmanaged
export class Ethernet {
  private dst0_be: u16;
  private dst1_be: u16;
  private dst2_be: u16;
  private src0_be: u16;
  private src1_be: u16;
  private src2_be: u16;
  private type_be: u16;
  /** Destination address, in the low 48 bits. */
  get dst(): u64 { return ((<u64>bswap16(this.dst0_be)) << 32) | ((<u64>bswap16(this.dst1_be)) << 16) | (<u64>bswap16(this.dst2_be)); }
  set dst(mac: u64) {
    this.dst0_be = <u16>bswap16(<u32>(mac >> 32));
    this.dst1_be = <u16>bswap16(<u32>(mac >> 16));
    this.dst2_be = <u16>bswap16(<u32>mac);
  }
  /** Source address, in the low 48 bits. */
  get src(): u64 { return ((<u64>bswap16(this.src0_be)) << 32) | ((<u64>bswap16(this.src1_be)) << 16) | (<u64>bswap16(this.src2_be)); }
  set src(mac: u64) {
    this.src0_be = <u16>bswap16(<u32>(mac >> 32));
    this.src1_be = <u16>bswap16(<u32>(mac >> 16));
    this.src2_be = <u16>bswap16(<u32>mac);
  }
  get type(): u16 { return <u16>bswap16(this.type_be); }
  set type(value: u16) { this.type_be = <u16>bswap16(value); }
}

/** 802.1Q tag, the 4 bytes after the Ethernet addresses' type 0x8100. */
@final @unmanaged
export class Vlan {
  private tci_be: u16;
  private type_be: u16;
  /** VLAN identifier, 0 to 4095. */
  get id(): u16 { return <u16>(bswap16(this.tci_be) & 0xfff); }
  /** Priority, 0 to 7. */
  get priority(): u8 { return <u8>(bswap16(this.tci_be) >> 13); }
  get type(): u16 { return <u16>bswap16(this.type_be); }
}

/** ARP for IPv4 over Ethernet, 28 bytes. */
@final @unmanaged
export class Arp {
  private htype_be: u16;
  private ptype_be: u16;
  hardwareLength: u8;
  protocolLength: u8;
  private operation_be: u16;
  private sha0_be: u16;
  private sha1_be: u16;
  private sha2_be: u16;
  private spa0_be: u16;
  private spa1_be: u16;
  private tha0_be: u16;
  private tha1_be: u16;
  private tha2_be: u16;
  private tpa0_be: u16;
  private tpa1_be: u16;
  get hardwareType(): u16 { return <u16>bswap16(this.htype_be); }
  get protocolType(): u16 { return <u16>bswap16(this.ptype_be); }
  /** 1 request, 2 reply. */
  get operation(): u16 { return <u16>bswap16(this.operation_be); }
  get senderIp(): u32 { return (bswap16(this.spa0_be) << 16) | bswap16(this.spa1_be); }
  get targetIp(): u32 { return (bswap16(this.tpa0_be) << 16) | bswap16(this.tpa1_be); }
  get senderMac(): u64 { return ((<u64>bswap16(this.sha0_be)) << 32) | ((<u64>bswap16(this.sha1_be)) << 16) | (<u64>bswap16(this.sha2_be)); }
  get targetMac(): u64 { return ((<u64>bswap16(this.tha0_be)) << 32) | ((<u64>bswap16(this.tha1_be)) << 16) | (<u64>bswap16(this.tha2_be)); }
}

/** 20 bytes, options after them. */
@final @unmanaged
export class Ipv4 {
  private versionIhl: u8;
  private tos: u8;
  private length_be: u16;
  id_be: u16;
  private fragment_be: u16;
  ttl: u8;
  protocol: u8;
  private checksum_be: u16;
  saddr_be: u32;
  daddr_be: u32;
  get version(): u8 { return this.versionIhl >> 4; }
  /** Length of the header with options, in bytes: 0 to 60 as the packet says; valid from 20. */
  get headerLength(): u32 { return (<u32>this.versionIhl & 15) << 2; }
  get dscp(): u8 { return this.tos >> 2; }
  get ecn(): u8 { return this.tos & 3; }
  get length(): u16 { return <u16>bswap16(this.length_be); }
  get id(): u16 { return <u16>bswap16(this.id_be); }
  /** Offset of this fragment in bytes. */
  get fragmentOffset(): u32 { return (bswap16(this.fragment_be) & 0x1fff) << 3; }
  get moreFragments(): bool { return (bswap16(this.fragment_be) & 0x2000) != 0; }
  get dontFragment(): bool { return (bswap16(this.fragment_be) & 0x4000) != 0; }
  get checksum(): u16 { return <u16>bswap16(this.checksum_be); }
  get saddr(): u32 { return bswap32(this.saddr_be); }
  set saddr(value: u32) { this.saddr_be = bswap32(value); }
  get daddr(): u32 { return bswap32(this.daddr_be); }
  set daddr(value: u32) { this.daddr_be = bswap32(value); }
}

/** 40 bytes. An address is two numbers: its upper and lower 64 bits. */
@final @unmanaged
export class Ipv6 {
  private vtf_be: u32;
  private length_be: u16;
  nextHeader: u8;
  hopLimit: u8;
  saddrHigh_be: u64;
  saddrLow_be: u64;
  daddrHigh_be: u64;
  daddrLow_be: u64;
  get version(): u8 { return <u8>(bswap32(this.vtf_be) >> 28); }
  get trafficClass(): u8 { return <u8>(bswap32(this.vtf_be) >> 20); }
  get flowLabel(): u32 { return bswap32(this.vtf_be) & 0xfffff; }
  get payloadLength(): u16 { return <u16>bswap16(this.length_be); }
  get saddrHigh(): u64 { return bswap64(this.saddrHigh_be); }
  get saddrLow(): u64 { return bswap64(this.saddrLow_be); }
  get daddrHigh(): u64 { return bswap64(this.daddrHigh_be); }
  get daddrLow(): u64 { return bswap64(this.daddrLow_be); }
}

/** 20 bytes, options after them. */
@final @unmanaged
export class Tcp {
  private sport_be: u16;
  private dport_be: u16;
  private seq_be: u32;
  private ack_be: u32;
  private dataOffset: u8;
  /** TcpFlag bits. */
  flags: u8;
  private window_be: u16;
  private checksum_be: u16;
  private urgent_be: u16;
  get sport(): u16 { return <u16>bswap16(this.sport_be); }
  set sport(value: u16) { this.sport_be = <u16>bswap16(value); }
  get dport(): u16 { return <u16>bswap16(this.dport_be); }
  set dport(value: u16) { this.dport_be = <u16>bswap16(value); }
  get seq(): u32 { return bswap32(this.seq_be); }
  get ack(): u32 { return bswap32(this.ack_be); }
  /** Length of the header with options, in bytes. */
  get headerLength(): u32 { return (<u32>this.dataOffset >> 4) << 2; }
  get window(): u16 { return <u16>bswap16(this.window_be); }
  get checksum(): u16 { return <u16>bswap16(this.checksum_be); }
  get urgent(): u16 { return <u16>bswap16(this.urgent_be); }
}

/** Bits of Tcp.flags. */
export namespace TcpFlag {
  export const Fin: u8 = 1;
  export const Syn: u8 = 2;
  export const Rst: u8 = 4;
  export const Psh: u8 = 8;
  export const Ack: u8 = 16;
  export const Urg: u8 = 32;
  export const Ece: u8 = 64;
  export const Cwr: u8 = 128;
}

/** 8 bytes. */
@final @unmanaged
export class Udp {
  private sport_be: u16;
  private dport_be: u16;
  private length_be: u16;
  private checksum_be: u16;
  get sport(): u16 { return <u16>bswap16(this.sport_be); }
  set sport(value: u16) { this.sport_be = <u16>bswap16(value); }
  get dport(): u16 { return <u16>bswap16(this.dport_be); }
  set dport(value: u16) { this.dport_be = <u16>bswap16(value); }
  get length(): u16 { return <u16>bswap16(this.length_be); }
  get checksum(): u16 { return <u16>bswap16(this.checksum_be); }
}

/** The first 8 bytes of ICMP and ICMPv6. */
@final @unmanaged
export class Icmp {
  type: u8;
  code: u8;
  private checksum_be: u16;
  private id_be: u16;
  private sequence_be: u16;
  get checksum(): u16 { return <u16>bswap16(this.checksum_be); }
  get id(): u16 { return <u16>bswap16(this.id_be); }
  get sequence(): u16 { return <u16>bswap16(this.sequence_be); }
}

/** An LpmTrie key of one IPv4 prefix. */
@final @unmanaged
export class Ipv4Prefix {
  /** In bits, 0 to 32. */
  prefixLength: u32;
  /** Network order, so that the trie matches from the first byte on. */
  address_be: u32;
  constructor(address: u32, prefixLength: u32 = 32) {
    this.prefixLength = prefixLength;
    this.address_be = bswap32(address);
  }
}
