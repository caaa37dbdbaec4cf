// The context of each hook: what the kernel passes to a program. Laid out like the C structures of
// include/uapi/linux/bpf.h (Linux 6.18), so a field is one load at a fixed offset; addresses and ports read and write in
// host byte order through accessors.
import { bswap16, bswap32, bswap64, get_netns_cookie, get_socket_cookie, packet_at, sk_assign, xdp_adjust_head, xdp_adjust_tail } from "./bpf";
import { Socket } from "./maps";

/** Values of `family`. */
export namespace Family {
  export const Inet: u32 = 2;
  export const Inet6: u32 = 10;
}

/** struct xdp_md: a frame at the driver, before a socket buffer exists. */
@final @unmanaged
export class XdpContext {
  private data: u32;
  private dataEnd: u32;
  private dataMeta: u32;
  ingressIfindex: u32;
  rxQueueIndex: u32;
  egressIfindex: u32;
  /** The T at a byte offset of the packet, all of it proven to be there, or null. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
  /** Moves the start of the packet; 0, or a negative errno. Pointers into the packet are void after it. */
  adjustHead(delta: i32): i32 { return xdp_adjust_head(changetype<usize>(this), delta); }
  /** Moves the end of the packet. */
  adjustTail(delta: i32): i32 { return xdp_adjust_tail(changetype<usize>(this), delta); }
}

/** struct __sk_buff: a packet at tc, tcx and cgroup_skb. */
@final @unmanaged
export class SkBuff {
  length: u32;
  packetType: u32;
  mark: u32;
  queueMapping: u32;
  private protocol_be: u32;
  vlanPresent: u32;
  vlanTci: u32;
  private vlanProto_be: u32;
  priority: u32;
  ingressIfindex: u32;
  ifindex: u32;
  tcIndex: u32;
  cb0: u32;
  cb1: u32;
  cb2: u32;
  cb3: u32;
  cb4: u32;
  hash: u32;
  tcClassid: u32;
  private data: u32;
  private dataEnd: u32;
  napiId: u32;
  /** EtherType. */
  get protocol(): u16 { return <u16>bswap16(this.protocol_be); }
  /** The T at a byte offset of the packet, all of it proven to be there, or null. Only the linear part is seen. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
  get socketCookie(): u64 { return get_socket_cookie(changetype<usize>(this)); }
}

/** struct bpf_sock_addr: a connect, bind, sendmsg, recvmsg, getpeername or getsockname call. */
@final @unmanaged
export class SockAddr {
  private userFamily: u32;
  private ip4_be: u32;
  private ip6a_be: u32;
  private ip6b_be: u32;
  private ip6c_be: u32;
  private ip6d_be: u32;
  private port_be: u32;
  family: u32;
  /** 1 stream, 2 datagram. */
  type: u32;
  protocol: u32;
  private srcIp4_be: u32;
  /** The address the application named. */
  get ip4(): u32 { return bswap32(this.ip4_be); }
  set ip4(value: u32) { this.ip4_be = bswap32(value); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get ip6High(): u64 { return ((<u64>bswap32(this.ip6a_be)) << 32) | (<u64>bswap32(this.ip6b_be)); }
  get ip6Low(): u64 { return ((<u64>bswap32(this.ip6c_be)) << 32) | (<u64>bswap32(this.ip6d_be)); }
  set ip6High(value: u64) {
    this.ip6a_be = bswap32(<u32>(value >> 32));
    this.ip6b_be = bswap32(<u32>value);
  }
  set ip6Low(value: u64) {
    this.ip6c_be = bswap32(<u32>(value >> 32));
    this.ip6d_be = bswap32(<u32>value);
  }
  get port(): u16 { return <u16>bswap16(this.port_be); }
  set port(value: u16) { this.port_be = bswap16(value); }
  get socketCookie(): u64 { return get_socket_cookie(changetype<usize>(this)); }
  get netnsCookie(): u64 { return get_netns_cookie(changetype<usize>(this)); }
}

/** Values of SockOps.op. */
export namespace SockOp {
  export const TcpConnect: u32 = 3;
  export const ActiveEstablished: u32 = 4;
  export const PassiveEstablished: u32 = 5;
  export const State: u32 = 10;
  export const TcpListen: u32 = 11;
  export const Rtt: u32 = 12;
}

/** struct bpf_sock_ops: an event of a TCP socket. */
@final @unmanaged
export class SockOps {
  /** SockOp. */
  op: u32;
  arg0: u32;
  arg1: u32;
  arg2: u32;
  arg3: u32;
  family: u32;
  private remoteIp4_be: u32;
  private localIp4_be: u32;
  private remoteIp6a_be: u32;
  private remoteIp6b_be: u32;
  private remoteIp6c_be: u32;
  private remoteIp6d_be: u32;
  private localIp6a_be: u32;
  private localIp6b_be: u32;
  private localIp6c_be: u32;
  private localIp6d_be: u32;
  private remotePort_be: u32;
  /** Host order already in the kernel. */
  localPort: u32;
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  // The kernel gives the 16-bit port in the upper half of the network-order word.
  get remotePort(): u32 { return bswap32(this.remotePort_be); }
  get socketCookie(): u64 { return get_socket_cookie(changetype<usize>(this)); }
  get netnsCookie(): u64 { return get_netns_cookie(changetype<usize>(this)); }
}

/** struct sk_msg_md: data that an application sends on a socket in a SockMap or SockHash. */
@final @unmanaged
export class SkMsg {
  private data: u64;
  private dataEnd: u64;
  family: u32;
  private remoteIp4_be: u32;
  private localIp4_be: u32;
  private remoteIp6a_be: u32;
  private remoteIp6b_be: u32;
  private remoteIp6c_be: u32;
  private remoteIp6d_be: u32;
  private localIp6a_be: u32;
  private localIp6b_be: u32;
  private localIp6c_be: u32;
  private localIp6d_be: u32;
  private remotePort_be: u32;
  /** Host order already in the kernel. */
  localPort: u32;
  /** Bytes of the message. */
  size: u32;
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  get remotePort(): u32 { return bswap32(this.remotePort_be); }
  get netnsCookie(): u64 { return get_netns_cookie(changetype<usize>(this)); }
  /** The T at a byte offset of the message, or null. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
}

/** struct bpf_sk_lookup: the kernel looks for the listener of a new connection or the receiver of a datagram. */
@final @unmanaged
export class SkLookup {
  private sk: u64;
  family: u32;
  protocol: u32;
  private remoteIp4_be: u32;
  private remoteIp6a_be: u32;
  private remoteIp6b_be: u32;
  private remoteIp6c_be: u32;
  private remoteIp6d_be: u32;
  private remotePort_be: u16;
  private padding: u16;
  private localIp4_be: u32;
  private localIp6a_be: u32;
  private localIp6b_be: u32;
  private localIp6c_be: u32;
  private localIp6d_be: u32;
  /** Host order already in the kernel. */
  localPort: u32;
  ingressIfindex: u32;
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  get remotePort(): u16 { return <u16>bswap16(this.remotePort_be); }
  /** Gives the connection to a socket; 0, or a negative errno. */
  assign(socket: Socket): i32 { return sk_assign(changetype<usize>(this), changetype<usize>(socket), 0); }
}
