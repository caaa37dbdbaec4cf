// The context of each hook: what the kernel passes to a program. Laid out like the C structures of
// include/uapi/linux/bpf.h (Linux 6.18), so a field is one load at a fixed offset; addresses and ports read and write in
// host byte order through accessors.
import {
  bind, bpf_xdp_pull_data, bswap16, bswap32, clone_redirect, context_flow_keys, context_socket, get_hash_recalc, get_netns_cookie, get_socket_cookie,
  get_socket_uid, getsockopt, l3_csum_replace, l4_csum_replace, meta_at, msg_apply_bytes, msg_cork_bytes, msg_pop_data,
  msg_pull_data, msg_push_data, packet_at, setsockopt, sk_assign, skb_adjust_room, skb_ancestor_cgroup_id, skb_cgroup_id,
  skb_change_head, skb_change_proto, skb_change_tail, skb_change_type, skb_ecn_set_ce, skb_load_bytes, skb_load_bytes_relative,
  skb_pull_data, skb_store_bytes, skb_vlan_pop, skb_vlan_push, sock_ops_cb_flags_set, xdp_adjust_head, xdp_adjust_meta,
  xdp_adjust_tail, xdp_get_buff_len, xdp_load_bytes, xdp_store_bytes,
} from "./bpf";
import { Socket } from "./sockets";

/** Values of `family`. */
export namespace Family {
  export const Inet: u32 = 2;
  export const Inet6: u32 = 10;
}

/** From where `loadBytesRelative` counts. */
export enum HeaderStart { Mac = 0, Network = 1 }
/** Behind which header `adjustRoom` makes room. */
export enum AdjustRoom { Network = 0, Mac = 1 }

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
  /** Makes room for metadata in front of the packet (a negative delta, a multiple of 4), for the programs at tc after it. */
  adjustMeta(delta: i32): i32 { return xdp_adjust_meta(changetype<usize>(this), delta); }
  /** The T at a byte offset of the metadata, or null. */
  metaAt<T>(offset: u32): T | null { return changetype<T | null>(meta_at(changetype<usize>(this), offset, offsetof<T>())); }
  /** Makes the first bytes linear, so that `at` sees them. Pointers into the packet are void after it. */
  pullData(length: u32): i32 { return bpf_xdp_pull_data(changetype<usize>(this), length); }
  /** Bytes of the frame with its fragments; `at` sees the first part only. */
  get bufferLength(): u64 { return xdp_get_buff_len(changetype<usize>(this)); }
  /** Copies a T out of the frame, also out of its fragments; 0, or -EINVAL when it is not all there. */
  loadBytes<T>(offset: u32, into: T): i32 { return xdp_load_bytes(changetype<usize>(this), offset, changetype<usize>(into), offsetof<T>()); }
  /** Copies a T into the frame. */
  storeBytes<T>(offset: u32, from: T): i32 { return xdp_store_bytes(changetype<usize>(this), offset, changetype<usize>(from), offsetof<T>()); }
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
  private dataMeta: u32;
  private flowKeys: u64;
  /** Nanoseconds; see `timestampType`. */
  timestamp: u64;
  /** Length on the wire, of all segments. */
  wireLength: u32;
  gsoSegments: u32;
  private sk: u64;
  gsoSize: u32;
  timestampType: u8;
  hardwareTimestamp: u64;
  /** EtherType. */
  get protocol(): u16 { return <u16>bswap16(this.protocol_be); }
  get vlanProtocol(): u16 { return <u16>bswap16(this.vlanProto_be); }
  // The addresses of the packet's socket: cgroup_skb and sk_skb.
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get remoteIp6High(): u64 { return ((<u64>bswap32(this.remoteIp6a_be)) << 32) | (<u64>bswap32(this.remoteIp6b_be)); }
  get remoteIp6Low(): u64 { return ((<u64>bswap32(this.remoteIp6c_be)) << 32) | (<u64>bswap32(this.remoteIp6d_be)); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get localIp6High(): u64 { return ((<u64>bswap32(this.localIp6a_be)) << 32) | (<u64>bswap32(this.localIp6b_be)); }
  get localIp6Low(): u64 { return ((<u64>bswap32(this.localIp6c_be)) << 32) | (<u64>bswap32(this.localIp6d_be)); }
  get remotePort(): u32 { return bswap32(this.remotePort_be); }
  /** The T at a byte offset of the packet, all of it proven to be there, or null. Only the linear part is seen: `pullData`. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
  /** The T at a byte offset of the metadata that an XDP program left (tc), or null. */
  metaAt<T>(offset: u32): T | null { return changetype<T | null>(meta_at(changetype<usize>(this), offset, offsetof<T>())); }
  /** The packet's socket, or null; at cgroup_skb only its family, addresses, ports and state can be read. */
  get socket(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<SkBuff>("sk"))); }
  /** The keys that a flow dissector fills in. */
  get keys(): FlowKeys { return changetype<FlowKeys>(context_flow_keys(changetype<usize>(this), offsetof<SkBuff>("flowKeys"))); }
  /** Copies a T out of the packet, wherever it lies; 0, or -EFAULT when it is not all there. */
  loadBytes<T>(offset: u32, into: T): i32 { return skb_load_bytes(changetype<usize>(this), offset, changetype<usize>(into), offsetof<T>()); }
  /** As `loadBytes`, from the start of a header. */
  loadBytesRelative<T>(offset: u32, into: T, start: HeaderStart): i32 {
    return skb_load_bytes_relative(changetype<usize>(this), offset, changetype<usize>(into), offsetof<T>(), start);
  }
  /** Copies a T into the packet. Pointers into the packet are void after it. */
  storeBytes<T>(offset: u32, from: T, flags: u64 = 0): i32 {
    return skb_store_bytes(changetype<usize>(this), offset, changetype<usize>(from), offsetof<T>(), flags);
  }
  /** Makes the first bytes linear, so that `at` sees them; 0: all. Pointers into the packet are void after it. */
  pullData(length: u32): i32 { return skb_pull_data(changetype<usize>(this), length); }
  /** Grows or shrinks the space behind the MAC or network header. */
  adjustRoom(delta: i32, mode: AdjustRoom, flags: u64 = 0): i32 { return skb_adjust_room(changetype<usize>(this), delta, mode, flags); }
  /** Adds bytes in front. */
  changeHead(length: u32): i32 { return skb_change_head(changetype<usize>(this), length, 0); }
  /** Cuts the packet to a length, or makes it that long. */
  changeTail(length: u32): i32 { return skb_change_tail(changetype<usize>(this), length, 0); }
  /** Turns IPv4 into IPv6 or back: EtherType. The program then writes the new header. */
  changeProtocol(protocol: u16): i32 { return skb_change_proto(changetype<usize>(this), bswap16(protocol), 0); }
  changeType(type: u32): i32 { return skb_change_type(changetype<usize>(this), type); }
  vlanPush(protocol: u16, tci: u16): i32 { return skb_vlan_push(changetype<usize>(this), bswap16(protocol), tci); }
  vlanPop(): i32 { return skb_vlan_pop(changetype<usize>(this)); }
  /** Sends a copy out of (flags 1: into) an interface; the packet itself goes on. */
  cloneRedirect(ifindex: u32, flags: u64 = 0): i32 { return clone_redirect(changetype<usize>(this), ifindex, flags); }
  /** Marks congestion; 1 when the packet could be marked. */
  setCongestion(): i32 { return skb_ecn_set_ce(changetype<usize>(this)); }
  /** Corrects the checksum of a layer 3 header after a value of `size` bytes changed. */
  replaceL3Checksum(offset: u32, from: u64, to: u64, size: u64): i32 { return l3_csum_replace(changetype<usize>(this), offset, from, to, size); }
  /** Corrects the checksum of TCP or UDP; the size is in the flags' lowest four bits. */
  replaceL4Checksum(offset: u32, from: u64, to: u64, flags: u64): i32 { return l4_csum_replace(changetype<usize>(this), offset, from, to, flags); }
  /** The hash of the flow, computed when there is none yet. */
  flowHash(): u32 { return get_hash_recalc(changetype<usize>(this)); }
  /** The id of the cgroup of the packet's socket. */
  get cgroupId(): u64 { return skb_cgroup_id(changetype<usize>(this)); }
  ancestorCgroupId(level: i32): u64 { return skb_ancestor_cgroup_id(changetype<usize>(this), level); }
  get socketUid(): u32 { return get_socket_uid(changetype<usize>(this)); }
  get socketCookie(): u64 { return get_socket_cookie(changetype<usize>(this)); }
}

/** struct bpf_sock_addr: a connect, bind, sendmsg, recvmsg, getpeername or getsockname call. */
@final @unmanaged
export class SockAddr {
  private userFamily: u32;
  /** In network order. */
  ip4_be: u32;
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
  private srcIp6a_be: u32;
  private srcIp6b_be: u32;
  private srcIp6c_be: u32;
  private srcIp6d_be: u32;
  private sk: u64;
  /** The address the application named. */
  get ip4(): u32 { return bswap32(this.ip4_be); }
  set ip4(value: u32) { this.ip4_be = bswap32(value); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get ip6High(): u64 { return ((<u64>bswap32(this.ip6a_be)) << 32) | (<u64>bswap32(this.ip6b_be)); }
  get ip6Low(): u64 { return ((<u64>bswap32(this.ip6c_be)) << 32) | (<u64>bswap32(this.ip6d_be)); }
  /** The halves of the IPv6 address as they lie in memory. */
  get ip6High_be(): u64 { return (<u64>this.ip6b_be << 32) | <u64>this.ip6a_be; }
  get ip6Low_be(): u64 { return (<u64>this.ip6d_be << 32) | <u64>this.ip6c_be; }
  set ip6High_be(value: u64) {
    this.ip6a_be = <u32>value;
    this.ip6b_be = <u32>(value >> 32);
  }
  set ip6Low_be(value: u64) {
    this.ip6c_be = <u32>value;
    this.ip6d_be = <u32>(value >> 32);
  }
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
  /** sendmsg: the address to send from. */
  get sourceIp4(): u32 { return bswap32(this.srcIp4_be); }
  set sourceIp4(value: u32) { this.srcIp4_be = bswap32(value); }
  get sourceIp6High(): u64 { return ((<u64>bswap32(this.srcIp6a_be)) << 32) | (<u64>bswap32(this.srcIp6b_be)); }
  get sourceIp6Low(): u64 { return ((<u64>bswap32(this.srcIp6c_be)) << 32) | (<u64>bswap32(this.srcIp6d_be)); }
  set sourceIp6High(value: u64) {
    this.srcIp6a_be = bswap32(<u32>(value >> 32));
    this.srcIp6b_be = bswap32(<u32>value);
  }
  set sourceIp6Low(value: u64) {
    this.srcIp6c_be = bswap32(<u32>(value >> 32));
    this.srcIp6d_be = bswap32(<u32>value);
  }
  get socket(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<SockAddr>("sk"))); }
  /** connect: binds the socket to a local address first; 0, or a negative errno. */
  bind<A>(address: A): i32 { return bind(changetype<usize>(this), changetype<usize>(address), offsetof<A>()); }
  setOption<T>(level: i32, name: i32, value: T): i32 { return setsockopt(changetype<usize>(this), level, name, changetype<usize>(value), offsetof<T>()); }
  getOption<T>(level: i32, name: i32, into: T): i32 { return getsockopt(changetype<usize>(this), level, name, changetype<usize>(into), offsetof<T>()); }
  get socketCookie(): u64 { return get_socket_cookie(changetype<usize>(this)); }
  get netnsCookie(): u64 { return get_netns_cookie(changetype<usize>(this)); }
}

/** Values of SockOps.op. Those with a flag beside them come when the flag is set: `setCallbacks`. */
export namespace SockOp {
  /** The reply is the initial retransmission timeout in jiffies, or -1. */
  export const TimeoutInit: u32 = 1;
  /** The reply is the initial receive window in packets, or -1. */
  export const ReceiveWindowInit: u32 = 2;
  export const TcpConnect: u32 = 3;
  export const ActiveEstablished: u32 = 4;
  export const PassiveEstablished: u32 = 5;
  /** The reply is 1 when ECN is needed. */
  export const NeedsEcn: u32 = 6;
  export const BaseRtt: u32 = 7;
  /** SockOpsFlag.Timeout. */
  export const Timeout: u32 = 8;
  /** SockOpsFlag.Retransmit. */
  export const Retransmit: u32 = 9;
  /** SockOpsFlag.State: arg0 the old, arg1 the new TCP state. */
  export const State: u32 = 10;
  export const TcpListen: u32 = 11;
  /** SockOpsFlag.Rtt. */
  export const Rtt: u32 = 12;
  /** SockOpsFlag.ParseAllOptions or ParseUnknownOptions. */
  export const ParseOption: u32 = 13;
  /** SockOpsFlag.WriteOption. */
  export const OptionLength: u32 = 14;
  export const WriteOption: u32 = 15;
}

/** Bits of `setCallbacks`. */
export namespace SockOpsFlag {
  export const Timeout: i32 = 1;
  export const Retransmit: i32 = 2;
  export const State: i32 = 4;
  export const Rtt: i32 = 8;
  export const ParseAllOptions: i32 = 16;
  export const ParseUnknownOptions: i32 = 32;
  export const WriteOption: i32 = 64;
}

/** Values of `state` and of SockOp.State's arguments. */
export namespace TcpState {
  export const Established: u32 = 1;
  export const SynSent: u32 = 2;
  export const SynReceived: u32 = 3;
  export const FinWait1: u32 = 4;
  export const FinWait2: u32 = 5;
  export const TimeWait: u32 = 6;
  export const Close: u32 = 7;
  export const CloseWait: u32 = 8;
  export const LastAck: u32 = 9;
  export const Listen: u32 = 10;
  export const Closing: u32 = 11;
  export const NewSynReceived: u32 = 12;
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
  /** In network order. */
  remoteIp4_be: u32;
  localIp4_be: u32;
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
  /** 0: a request socket, of which only the fields above and the state are known. */
  isFullSocket: u32;
  congestionWindow: u32;
  /** Smoothed round trip time in 1/8 microseconds. */
  smoothedRtt: u32;
  callbackFlags: u32;
  /** TcpState. */
  state: u32;
  minimumRtt: u32;
  slowStartThreshold: u32;
  receiveNext: u32;
  sendNext: u32;
  sendUnacknowledged: u32;
  mss: u32;
  ecnFlags: u32;
  rateDelivered: u32;
  rateIntervalUs: u32;
  packetsOut: u32;
  retransmitsOut: u32;
  totalRetransmits: u32;
  segmentsIn: u32;
  dataSegmentsIn: u32;
  segmentsOut: u32;
  dataSegmentsOut: u32;
  lostOut: u32;
  sackedOut: u32;
  hash: u32;
  bytesReceived: u64;
  bytesAcknowledged: u64;
  private sk: u64;
  private data: u64;
  private dataEnd: u64;
  packetLength: u32;
  tcpFlags: u32;
  hardwareTimestamp: u64;
  /** What the kernel asked for with this event. */
  set reply(value: u32) { this.arg0 = value; }
  get socket(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<SockOps>("sk"))); }
  /** Asks for more events of this socket: SockOpsFlag; 0, or a negative errno. */
  setCallbacks(flags: i32): i32 { return sock_ops_cb_flags_set(changetype<usize>(this), flags); }
  setOption<T>(level: i32, name: i32, value: T): i32 { return setsockopt(changetype<usize>(this), level, name, changetype<usize>(value), offsetof<T>()); }
  getOption<T>(level: i32, name: i32, into: T): i32 { return getsockopt(changetype<usize>(this), level, name, changetype<usize>(into), offsetof<T>()); }
  /** The T at a byte offset of the segment that caused the event (from its TCP header), or null. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
  /** The halves of the IPv6 address as they lie in memory. */
  get remoteIp6High_be(): u64 { return (<u64>this.remoteIp6b_be << 32) | <u64>this.remoteIp6a_be; }
  get remoteIp6Low_be(): u64 { return (<u64>this.remoteIp6d_be << 32) | <u64>this.remoteIp6c_be; }
  get localIp6High_be(): u64 { return (<u64>this.localIp6b_be << 32) | <u64>this.localIp6a_be; }
  get localIp6Low_be(): u64 { return (<u64>this.localIp6d_be << 32) | <u64>this.localIp6c_be; }
  /** The upper and lower 64 bits of the IPv6 address. */
  get remoteIp6High(): u64 { return ((<u64>bswap32(this.remoteIp6a_be)) << 32) | (<u64>bswap32(this.remoteIp6b_be)); }
  get remoteIp6Low(): u64 { return ((<u64>bswap32(this.remoteIp6c_be)) << 32) | (<u64>bswap32(this.remoteIp6d_be)); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get localIp6High(): u64 { return ((<u64>bswap32(this.localIp6a_be)) << 32) | (<u64>bswap32(this.localIp6b_be)); }
  get localIp6Low(): u64 { return ((<u64>bswap32(this.localIp6c_be)) << 32) | (<u64>bswap32(this.localIp6d_be)); }
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
  /** In network order. */
  remoteIp4_be: u32;
  localIp4_be: u32;
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
  private sk: u64;
  /** The halves of the IPv6 address as they lie in memory. */
  get remoteIp6High_be(): u64 { return (<u64>this.remoteIp6b_be << 32) | <u64>this.remoteIp6a_be; }
  get remoteIp6Low_be(): u64 { return (<u64>this.remoteIp6d_be << 32) | <u64>this.remoteIp6c_be; }
  get localIp6High_be(): u64 { return (<u64>this.localIp6b_be << 32) | <u64>this.localIp6a_be; }
  get localIp6Low_be(): u64 { return (<u64>this.localIp6d_be << 32) | <u64>this.localIp6c_be; }
  /** The upper and lower 64 bits of the IPv6 address. */
  get remoteIp6High(): u64 { return ((<u64>bswap32(this.remoteIp6a_be)) << 32) | (<u64>bswap32(this.remoteIp6b_be)); }
  get remoteIp6Low(): u64 { return ((<u64>bswap32(this.remoteIp6c_be)) << 32) | (<u64>bswap32(this.remoteIp6d_be)); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get localIp6High(): u64 { return ((<u64>bswap32(this.localIp6a_be)) << 32) | (<u64>bswap32(this.localIp6b_be)); }
  get localIp6Low(): u64 { return ((<u64>bswap32(this.localIp6c_be)) << 32) | (<u64>bswap32(this.localIp6d_be)); }
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  get remotePort(): u32 { return bswap32(this.remotePort_be); }
  get netnsCookie(): u64 { return get_netns_cookie(changetype<usize>(this)); }
  get socket(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<SkMsg>("sk"))); }
  /** The verdict holds for this many bytes; then the program is asked again. */
  applyBytes(bytes: u32): void { msg_apply_bytes(changetype<usize>(this), bytes); }
  /** Asks again when that many bytes have come together. */
  corkBytes(bytes: u32): void { msg_cork_bytes(changetype<usize>(this), bytes); }
  /** Makes bytes `start` to `end` linear, so that `at` sees them. Pointers into the message are void after these three. */
  pullData(start: u32, end: u32): i32 { return msg_pull_data(changetype<usize>(this), start, end, 0); }
  /** Inserts bytes, not initialised. */
  pushData(start: u32, length: u32): i32 { return msg_push_data(changetype<usize>(this), start, length, 0); }
  /** Removes bytes. */
  popData(start: u32, length: u32): i32 { return msg_pop_data(changetype<usize>(this), start, length, 0); }
  /** The T at a byte offset of the message, or null. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
}

/** struct bpf_sk_lookup: the kernel looks for the listener of a new connection or the receiver of a datagram. */
@final @unmanaged
export class SkLookup {
  private sk: u64;
  family: u32;
  protocol: u32;
  remoteIp4_be: u32;
  private remoteIp6a_be: u32;
  private remoteIp6b_be: u32;
  private remoteIp6c_be: u32;
  private remoteIp6d_be: u32;
  private remotePort_be: u16;
  private padding: u16;
  localIp4_be: u32;
  private localIp6a_be: u32;
  private localIp6b_be: u32;
  private localIp6c_be: u32;
  private localIp6d_be: u32;
  /** Host order already in the kernel. */
  localPort: u32;
  ingressIfindex: u32;
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get remoteIp6High(): u64 { return ((<u64>bswap32(this.remoteIp6a_be)) << 32) | (<u64>bswap32(this.remoteIp6b_be)); }
  get remoteIp6Low(): u64 { return ((<u64>bswap32(this.remoteIp6c_be)) << 32) | (<u64>bswap32(this.remoteIp6d_be)); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get localIp6High(): u64 { return ((<u64>bswap32(this.localIp6a_be)) << 32) | (<u64>bswap32(this.localIp6b_be)); }
  get localIp6Low(): u64 { return ((<u64>bswap32(this.localIp6c_be)) << 32) | (<u64>bswap32(this.localIp6d_be)); }
  /** The same in network order, the first four bytes lowest. */
  get remoteIp6High_be(): u64 { return (<u64>this.remoteIp6a_be) | ((<u64>this.remoteIp6b_be) << 32); }
  get remoteIp6Low_be(): u64 { return (<u64>this.remoteIp6c_be) | ((<u64>this.remoteIp6d_be) << 32); }
  get localIp6High_be(): u64 { return (<u64>this.localIp6a_be) | ((<u64>this.localIp6b_be) << 32); }
  get localIp6Low_be(): u64 { return (<u64>this.localIp6c_be) | ((<u64>this.localIp6d_be) << 32); }
  /** The socket that a program before chose, or null. */
  get socket(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<SkLookup>("sk"))); }
  get remotePort(): u16 { return <u16>bswap16(this.remotePort_be); }
  /** Gives the connection to a socket; 0, or a negative errno. */
  assign(socket: Socket): i32 { return sk_assign(changetype<usize>(this), changetype<usize>(socket), 0); }
}

/** struct bpf_sock as a context: a socket that is made, bound or closed in a cgroup. */
@final @unmanaged
export class CgroupSock {
  /** Interface that the socket is bound to. Creation: may be set, as may mark and priority. */
  boundInterface: u32;
  family: u32;
  /** 1 stream, 2 datagram, 3 raw. */
  type: u32;
  protocol: u32;
  mark: u32;
  priority: u32;
  private localIp4_be: u32;
  private localIp6a_be: u32;
  private localIp6b_be: u32;
  private localIp6c_be: u32;
  private localIp6d_be: u32;
  /** Host order already in the kernel. The local address and port are there after a bind. */
  localPort: u32;
  private remotePort_be: u16;
  private padding: u16;
  private remoteIp4_be: u32;
  private remoteIp6a_be: u32;
  private remoteIp6b_be: u32;
  private remoteIp6c_be: u32;
  private remoteIp6d_be: u32;
  /** TcpState. */
  state: u32;
  receiveQueue: i32;
  get localIp4(): u32 { return bswap32(this.localIp4_be); }
  get remoteIp4(): u32 { return bswap32(this.remoteIp4_be); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get localIp6High(): u64 { return ((<u64>bswap32(this.localIp6a_be)) << 32) | (<u64>bswap32(this.localIp6b_be)); }
  get localIp6Low(): u64 { return ((<u64>bswap32(this.localIp6c_be)) << 32) | (<u64>bswap32(this.localIp6d_be)); }
  /** The upper and lower 64 bits of the IPv6 address. */
  get remoteIp6High(): u64 { return ((<u64>bswap32(this.remoteIp6a_be)) << 32) | (<u64>bswap32(this.remoteIp6b_be)); }
  get remoteIp6Low(): u64 { return ((<u64>bswap32(this.remoteIp6c_be)) << 32) | (<u64>bswap32(this.remoteIp6d_be)); }
  get remotePort(): u16 { return <u16>bswap16(this.remotePort_be); }
  get socketCookie(): u64 { return get_socket_cookie(changetype<usize>(this)); }
  get netnsCookie(): u64 { return get_netns_cookie(changetype<usize>(this)); }
}

/** struct bpf_sockopt: a getsockopt or setsockopt call. */
@final @unmanaged
export class Sockopt {
  private sk: u64;
  private value: u64;
  private valueEnd: u64;
  level: i32;
  name: i32;
  /** Bytes of the value; setsockopt: -1 keeps the kernel from seeing the call. */
  length: i32;
  /** getsockopt: what the kernel answered, 0 or a negative errno; may be set to 0. */
  result: i32;
  get socket(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<Sockopt>("sk"))); }
  /** The T at a byte offset of the option's value, all of it proven to be there, or null. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
  get netnsCookie(): u64 { return get_netns_cookie(changetype<usize>(this)); }
}

/** struct sk_reuseport_md: a connection or datagram for a group of sockets that share a port. */
@final @unmanaged
export class SkReuseport {
  private data: u64;
  private dataEnd: u64;
  /** Bytes of the packet from its TCP or UDP header. */
  length: u32;
  private protocol_be: u32;
  ipProtocol: u32;
  /** Is the group bound to any address? */
  boundToAny: u32;
  /** Of the addresses and ports. */
  hash: u32;
  private sk: u64;
  private migratingSk: u64;
  /** EtherType. */
  get protocol(): u16 { return <u16>bswap16(this.protocol_be); }
  /** A socket of the group. */
  get socket(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<SkReuseport>("sk"))); }
  /** The connection that needs a new listener, or null when it is a new one. */
  get migrating(): Socket | null { return changetype<Socket | null>(context_socket(changetype<usize>(this), offsetof<SkReuseport>("migratingSk"))); }
  /** The T at a byte offset of the packet, from its TCP or UDP header, or null. */
  at<T>(offset: u32): T | null { return changetype<T | null>(packet_at(changetype<usize>(this), offset, offsetof<T>())); }
  loadBytes<T>(offset: u32, into: T): i32 { return skb_load_bytes(changetype<usize>(this), offset, changetype<usize>(into), offsetof<T>()); }
  get socketCookie(): u64 { return get_socket_cookie(changetype<usize>(this)); }
}

/** struct bpf_flow_keys: what a flow dissector finds out about a packet. */
@final @unmanaged
export class FlowKeys {
  /** Offsets of the network and transport header. */
  networkOffset: u16;
  transportOffset: u16;
  /** EtherType that says which addresses are valid. */
  addressProtocol: u16;
  isFragment: bool;
  isFirstFragment: bool;
  isEncapsulated: bool;
  ipProtocol: u8;
  private protocol_be: u16;
  private sourcePort_be: u16;
  private destinationPort_be: u16;
  private source_be: u32;
  private destination_be: u32;
  private ip6c: u32;
  private ip6d: u32;
  private ip6e: u32;
  private ip6f: u32;
  private ip6g: u32;
  private ip6h: u32;
  flags: u32;
  private flowLabel_be: u32;
  get protocol(): u16 { return <u16>bswap16(this.protocol_be); }
  set protocol(value: u16) { this.protocol_be = <u16>bswap16(value); }
  get sourcePort(): u16 { return <u16>bswap16(this.sourcePort_be); }
  set sourcePort(value: u16) { this.sourcePort_be = <u16>bswap16(value); }
  get destinationPort(): u16 { return <u16>bswap16(this.destinationPort_be); }
  set destinationPort(value: u16) { this.destinationPort_be = <u16>bswap16(value); }
  /** IPv4. */
  get source(): u32 { return bswap32(this.source_be); }
  set source(value: u32) { this.source_be = bswap32(value); }
  get destination(): u32 { return bswap32(this.destination_be); }
  set destination(value: u32) { this.destination_be = bswap32(value); }
}
