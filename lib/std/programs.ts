// Programs. `export const filter = xdp((ctx) => ...)` at the top level registers one; its name is the constant's, its ELF
// section the hook's.
import { define_config, define_license, define_program } from "./bpf";
import { SkBuff, SkLookup, SkMsg, SockAddr, SockOps, XdpContext } from "./contexts";

/** What an XDP program returns. */
export enum XdpAction { Aborted = 0, Drop = 1, Pass = 2, Tx = 3, Redirect = 4 }
/** What a tcx program returns: Next leaves the verdict to the next program. */
export enum TcxAction { Next = -1, Pass = 0, Drop = 2, Redirect = 7 }
/** What a tc (cls_bpf) program returns. */
export enum TcAction { Unspec = -1, Ok = 0, Shot = 2, Pipe = 3, Redirect = 7 }
/** What a cgroup program returns. A getpeername, getsockname or recvmsg program may only allow. */
export enum Verdict { Deny = 0, Allow = 1 }
/** What sk_msg and sk_lookup programs return. */
export enum SkAction { Drop = 0, Pass = 1 }

/** A registered program. */
@final @unmanaged
export class Program {}

function define(hook: string, index: u32): Program {
  return changetype<Program>(define_program(hook, index));
}

export function xdp(run: (ctx: XdpContext) => XdpAction): Program { return define("xdp", run.index); }
export function tcxIngress(run: (ctx: SkBuff) => TcxAction): Program { return define("tcx_ingress", run.index); }
export function tcxEgress(run: (ctx: SkBuff) => TcxAction): Program { return define("tcx_egress", run.index); }
export function tc(run: (ctx: SkBuff) => TcAction): Program { return define("tc", run.index); }
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
export function sockOps(run: (ctx: SockOps) => Verdict): Program { return define("sock_ops", run.index); }
export function skMsg(run: (ctx: SkMsg) => SkAction): Program { return define("sk_msg", run.index); }
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
