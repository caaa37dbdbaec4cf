// Sockets: what a context or a map holds, and looking them up.
import { bswap16, bswap32, sk_cgroup_id, sk_lookup_tcp, sk_lookup_udp, sk_release } from "./bpf";

/** struct bpf_sock: a socket. Those from a map or a lookup are references: every path must release them. */
@final @unmanaged
export class Socket {
  boundInterface: u32;
  readonly family: u32;
  /** 1 stream, 2 datagram, 3 raw. */
  readonly type: u32;
  readonly protocol: u32;
  readonly mark: u32;
  readonly priority: u32;
  private localIp4_be: u32;
  private localIp6a_be: u32;
  private localIp6b_be: u32;
  private localIp6c_be: u32;
  private localIp6d_be: u32;
  /** Host order already in the kernel. */
  readonly localPort: u32;
  private remotePort_be: u16;
  private padding: u16;
  private remoteIp4_be: u32;
  private remoteIp6a_be: u32;
  private remoteIp6b_be: u32;
  private remoteIp6c_be: u32;
  private remoteIp6d_be: u32;
  /** TcpState. */
  readonly state: u32;
  readonly receiveQueue: i32;
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  get remotePort(): u16 { return <u16>bswap16(this.remotePort_be); }
  /** The id of the socket's cgroup. */
  get cgroupId(): u64 { return sk_cgroup_id(changetype<usize>(this)); }
  /** Gives the reference back. */
  release(): void { sk_release(changetype<usize>(this)); }
}

/** A connection as `lookupTcp` and `lookupUdp` look for it: struct bpf_sock_tuple, ipv4. */
@final @unmanaged
export class Tuple4 {
  private source_be: u32;
  private destination_be: u32;
  private sourcePort_be: u16;
  private destinationPort_be: u16;
  set source(value: u32) { this.source_be = bswap32(value); }
  set destination(value: u32) { this.destination_be = bswap32(value); }
  set sourcePort(value: u16) { this.sourcePort_be = <u16>bswap16(value); }
  set destinationPort(value: u16) { this.destinationPort_be = <u16>bswap16(value); }
}

/** struct bpf_sock_tuple, ipv6. */
@final @unmanaged
export class Tuple6 {
  private sourceA_be: u32;
  private sourceB_be: u32;
  private sourceC_be: u32;
  private sourceD_be: u32;
  private destinationA_be: u32;
  private destinationB_be: u32;
  private destinationC_be: u32;
  private destinationD_be: u32;
  private sourcePort_be: u16;
  private destinationPort_be: u16;
  setSource(high: u64, low: u64): void {
    this.sourceA_be = bswap32(<u32>(high >> 32));
    this.sourceB_be = bswap32(<u32>high);
    this.sourceC_be = bswap32(<u32>(low >> 32));
    this.sourceD_be = bswap32(<u32>low);
  }
  setDestination(high: u64, low: u64): void {
    this.destinationA_be = bswap32(<u32>(high >> 32));
    this.destinationB_be = bswap32(<u32>high);
    this.destinationC_be = bswap32(<u32>(low >> 32));
    this.destinationD_be = bswap32(<u32>low);
  }
  set sourcePort(value: u16) { this.sourcePort_be = <u16>bswap16(value); }
  set destinationPort(value: u16) { this.destinationPort_be = <u16>bswap16(value); }
}

/** Namespace of a lookup: the context's own. */
export const CURRENT_NETNS: u64 = 0xffffffffffffffff;

/** The TCP socket of a connection, or a listener that would get it; release it. `tuple` is a Tuple4 or Tuple6. */
export function lookupTcp<C, T>(ctx: C, tuple: T, netns: u64 = CURRENT_NETNS): Socket | null {
  return changetype<Socket | null>(sk_lookup_tcp(changetype<usize>(ctx), changetype<usize>(tuple), offsetof<T>(), netns, 0));
}
/** The UDP socket that would get the datagram; release it. */
export function lookupUdp<C, T>(ctx: C, tuple: T, netns: u64 = CURRENT_NETNS): Socket | null {
  return changetype<Socket | null>(sk_lookup_udp(changetype<usize>(ctx), changetype<usize>(tuple), offsetof<T>(), netns, 0));
}
