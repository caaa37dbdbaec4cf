// The standard library of kernel-side programs: `import { xdp, ... } from "ebpf-ts/std"`.
export { Cgroup, Task, cgroupOf, taskOf } from "./cgroups";
export {
  AdjustRoom, CgroupSock, Family, FlowKeys, HeaderStart, SkBuff, SkLookup, SkMsg, SkReuseport, SockAddr, SockOp, SockOps, SockOpsFlag,
  Sockopt, TcpState, XdpContext,
} from "./contexts";
export {
  Arp, EtherType, Ethernet, Icmp, IpProtocol, Ipv4, Ipv4Prefix, Ipv6, Tcp, TcpFlag, Udp, Vlan, ipv4,
} from "./headers";
export {
  get_current_ancestor_cgroup_id as currentAncestorCgroupId, get_current_cgroup_id as currentCgroupId,
  get_current_pid_tgid as currentPidTgid, get_current_uid_gid as currentUidGid, get_prandom_u32 as random,
  get_retval as currentResult, ktime_get_boot_ns as bootTime, ktime_get_ns as monotonicTime, no_inline as noInline, printk,
  redirect, redirect_peer, set_retval as setResult, sk_release,
} from "./bpf";
export { Loop, loop } from "./loops";
export {
  ArrayMap, ArrayOfMaps, AttachedStorage, BloomFilter, Broadcast, Cell, CgroupStorage, CpuMap, CpuQueue, DevMap, DevMapHash,
  Device, HashMap, HashOfMaps, LpmTrie, LruHashMap, LruPerCpuHashMap, MapFlag, Otherwise, PerCpuArrayMap, PerCpuHashMap,
  PerfEventArray, ProgArray, Queue, ReuseportArray, RingBuffer, SockHash, SockMap, SocketStorage, Stack, TaskStorage, Update,
  XskMap, cpu,
} from "./maps";
export {
  BindVerdict, CgroupAction, Config, FlowVerdict, Program, SkAction, TcAction, TcxAction, Verdict, XdpAction, bind4, bind6,
  cgroupSkbEgress, cgroupSkbIngress, connect4, connect6, flowDissector, getpeername4, getpeername6, getsockname4, getsockname6,
  getsockopt, license, postBind4, postBind6, recvmsg4, recvmsg6, sendmsg4, sendmsg6, setsockopt, skLookup, skMsg, skReuseport,
  skReuseportMigrate, skSkbParser, skSkbStreamVerdict, skSkbVerdict, sockCreate, sockOps, sockRelease, socketFilter, tc,
  tcxEgress, tcxIngress, xdp, xdpCpumap, xdpDevmap, xdpFrags,
} from "./programs";
export { CURRENT_NETNS, Socket, Tuple4, Tuple6, lookupTcp, lookupUdp } from "./sockets";
