// Programs. `export const filter = xdp((ctx) => ...)` at the top level registers one; its name is the constant's, its ELF
// section the hook's.
import { define_config, define_license, define_program } from "./bpf";
import { CgroupSock, SkBuff, SkLookup, SkMsg, SkReuseport, SockAddr, SockOps, Sockopt, XdpContext } from "./contexts";

/** What an XDP program returns. */
export enum XdpAction { Aborted = 0, Drop = 1, Pass = 2, Tx = 3, Redirect = 4 }
/** What a tcx program returns: Next leaves the verdict to the next program. */
export enum TcxAction { Next = -1, Pass = 0, Drop = 2, Redirect = 7 }
/** What a tc (cls_bpf) program returns. */
export enum TcAction { Unspec = -1, Ok = 0, Shot = 2, Pipe = 3, Redirect = 7 }
/** What a cgroup program returns. A getpeername, getsockname or recvmsg program may only allow. */
export enum Verdict { Deny = 0, Allow = 1 }
/** What a cgroup_skb program returns. At egress, the congested ones tell TCP to send less. */
export enum CgroupAction { Drop = 0, Pass = 1, DropCongested = 2, PassCongested = 3 }
/** What a bind program returns: the last one lets a process without privilege have a port below 1024. */
export enum BindVerdict { Deny = 0, Allow = 1, AllowLowPort = 3 }
/** What a flow dissector returns: Continue leaves it to the kernel's own. */
export enum FlowVerdict { Ok = 0, Drop = 2, Continue = 129 }
/** What sk_msg, sk_skb, sk_lookup and sk_reuseport programs return. */
export enum SkAction { Drop = 0, Pass = 1 }

/** A registered program. */
@final @unmanaged
export class Program {}

function define(hook: string, index: u32): Program {
  return changetype<Program>(define_program(hook, index));
}

export function xdp(run: (ctx: XdpContext) => XdpAction): Program { return define("xdp", run.index); }
/** XDP that takes frames of several buffers. */
export function xdpFrags(run: (ctx: XdpContext) => XdpAction): Program { return define("xdp_frags", run.index); }
/** XDP of a DevMap's entry: runs when a frame is about to leave. */
export function xdpDevmap(run: (ctx: XdpContext) => XdpAction): Program { return define("xdp_devmap", run.index); }
/** XDP of a CpuMap's entry: runs on the CPU that the frame was sent to. */
export function xdpCpumap(run: (ctx: XdpContext) => XdpAction): Program { return define("xdp_cpumap", run.index); }
export function tcxIngress(run: (ctx: SkBuff) => TcxAction): Program { return define("tcx_ingress", run.index); }
export function tcxEgress(run: (ctx: SkBuff) => TcxAction): Program { return define("tcx_egress", run.index); }
export function tc(run: (ctx: SkBuff) => TcAction): Program { return define("tc", run.index); }
export function cgroupSkbIngress(run: (ctx: SkBuff) => CgroupAction): Program { return define("cgroup_skb_ingress", run.index); }
export function cgroupSkbEgress(run: (ctx: SkBuff) => CgroupAction): Program { return define("cgroup_skb_egress", run.index); }
/** Returns how many bytes of the packet its socket gets; 0 drops it. */
export function socketFilter(run: (ctx: SkBuff) => u32): Program { return define("socket_filter", run.index); }
export function flowDissector(run: (ctx: SkBuff) => FlowVerdict): Program { return define("flow_dissector", run.index); }
export function sockCreate(run: (ctx: CgroupSock) => Verdict): Program { return define("sock_create", run.index); }
export function sockRelease(run: (ctx: CgroupSock) => Verdict): Program { return define("sock_release", run.index); }
export function postBind4(run: (ctx: CgroupSock) => Verdict): Program { return define("post_bind4", run.index); }
export function postBind6(run: (ctx: CgroupSock) => Verdict): Program { return define("post_bind6", run.index); }
export function bind4(run: (ctx: SockAddr) => BindVerdict): Program { return define("bind4", run.index); }
export function bind6(run: (ctx: SockAddr) => BindVerdict): Program { return define("bind6", run.index); }
export function connect4(run: (ctx: SockAddr) => Verdict): Program { return define("connect4", run.index); }
export function connect6(run: (ctx: SockAddr) => Verdict): Program { return define("connect6", run.index); }
export function sendmsg4(run: (ctx: SockAddr) => Verdict): Program { return define("sendmsg4", run.index); }
export function sendmsg6(run: (ctx: SockAddr) => Verdict): Program { return define("sendmsg6", run.index); }
export function recvmsg4(run: (ctx: SockAddr) => Verdict): Program { return define("recvmsg4", run.index); }
export function recvmsg6(run: (ctx: SockAddr) => Verdict): Program { return define("recvmsg6", run.index); }
export function getpeername4(run: (ctx: SockAddr) => Verdict): Program { return define("getpeername4", run.index); }
export function getpeername6(run: (ctx: SockAddr) => Verdict): Program { return define("getpeername6", run.index); }
export function getsockname4(run: (ctx: SockAddr) => Verdict): Program { return define("getsockname4", run.index); }
export function getsockname6(run: (ctx: SockAddr) => Verdict): Program { return define("getsockname6", run.index); }
export function getsockopt(run: (ctx: Sockopt) => Verdict): Program { return define("getsockopt", run.index); }
export function setsockopt(run: (ctx: Sockopt) => Verdict): Program { return define("setsockopt", run.index); }
export function sockOps(run: (ctx: SockOps) => Verdict): Program { return define("sock_ops", run.index); }
export function skMsg(run: (ctx: SkMsg) => SkAction): Program { return define("sk_msg", run.index); }
/**
 * Returns the length of the message at the start of what came: 0 to wait for more, negative to give up. What TCP received is
 * not linear: read it with `loadBytes`. Of several messages in one segment, the kernel (6.18) shows each from the segment's start.
 */
export function skSkbParser(run: (ctx: SkBuff) => i32): Program { return define("sk_skb_parser", run.index); }
/** Judges the messages that a parser found. */
export function skSkbStreamVerdict(run: (ctx: SkBuff) => SkAction): Program { return define("sk_skb_stream_verdict", run.index); }
/** Judges what comes, without a parser. */
export function skSkbVerdict(run: (ctx: SkBuff) => SkAction): Program { return define("sk_skb_verdict", run.index); }
export function skReuseport(run: (ctx: SkReuseport) => SkAction): Program { return define("sk_reuseport", run.index); }
/** Also asked where a connection goes whose listener closes. */
export function skReuseportMigrate(run: (ctx: SkReuseport) => SkAction): Program { return define("sk_reuseport_migrate", run.index); }
export function skLookup(run: (ctx: SkLookup) => SkAction): Program { return define("sk_lookup", run.index); }

/** Sets the object's licence; without it, "Dual MIT/GPL". */
export function license(text: string): void {
  define_license(text);
}

/** A constant that user space may set before loading: `const port = new Config<u16>(80)`, read as `port.value`. */
@final @unmanaged
export class Config<T> {
  readonly value: T;
  constructor(value: T) {
    this.value = value;
    define_config(changetype<usize>(this), idof<(value: T) => void>());
  }
}
