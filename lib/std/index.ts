// The standard library of kernel-side programs: `import { xdp, ... } from "ebpf-ts/std"`.
export { Family, SkBuff, SkLookup, SkMsg, SockAddr, SockOp, SockOps, XdpContext } from "./contexts";
export {
  Arp, EtherType, Ethernet, Icmp, IpProtocol, Ipv4, Ipv4Prefix, Ipv6, Tcp, TcpFlag, Udp, Vlan, ipv4,
} from "./headers";
export { get_prandom_u32 as random, ktime_get_boot_ns as bootTime, ktime_get_ns as monotonicTime, no_inline as noInline, printk, redirect, redirect_peer, sk_release } from "./bpf";
export {
  ArrayMap, Cell, HashMap, LpmTrie, LruHashMap, LruPerCpuHashMap, PerCpuArrayMap, PerCpuHashMap, ProgArray, RingBuffer,
  SockHash, SockMap, Socket, Update, cpu,
} from "./maps";
export {
  Config, Program, SkAction, TcAction, TcxAction, Verdict, XdpAction, connect4, connect6, getpeername4, getpeername6,
  getsockname4, getsockname6, license, recvmsg4, recvmsg6, sendmsg4, sendmsg6, skLookup, skMsg, sockOps, tc, tcxEgress,
  tcxIngress, xdp,
} from "./programs";
