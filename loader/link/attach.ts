/** Attaching by the program's type: one function for a command line, where the target comes as options. */
import type { ProgramType } from "../../lib/kernel/index.ts";
import { loaderError } from "../errors.ts";
import type { BpfMap } from "../map.ts";
import type { Program } from "../program.ts";
import { attachCgroup } from "./cgroup.ts";
import { attachTcx, attachXdp } from "./interface.ts";
import type { XdpMode } from "./interface.ts";
import type { Attachment } from "./link.ts";
import { attachNetns } from "./netns.ts";
import { attachSockmap } from "./sockmap.ts";

/** Where to attach; each program type takes its part of it. */
export interface Target {
  /** xdp, tcx: interface name or index. */
  readonly interface?: string | number;
  /** xdp, tcx: namespace of the interface; sk_lookup: the namespace to attach to. */
  readonly netns?: string;
  readonly xdpMode?: XdpMode;
  readonly direction?: "ingress" | "egress";
  /** sock_addr, sock_ops and the other cgroup types: the cgroup's folder. */
  readonly cgroup?: string;
  /** sk_msg, sk_skb: a sockmap or sockhash. */
  readonly map?: BpfMap<never, never>;
}

/** What of a `Target` a program type needs; null: the type cannot be attached by this loader. */
export function targetOf(type: ProgramType): "interface" | "cgroup" | "netns" | "map" | null {
  switch (type) {
    case "xdp":
    case "sched_cls":
      return "interface";
    case "cgroup_sock_addr":
    case "sock_ops":
    case "cgroup_skb":
    case "cgroup_sock":
    case "cgroup_sockopt":
    case "cgroup_device":
    case "cgroup_sysctl":
      return "cgroup";
    case "sk_lookup":
    case "flow_dissector":
      return "netns";
    case "sk_msg":
    case "sk_skb":
      return "map";
    default:
      return null;
  }
}

/** Programs that their socket's owner attaches. */
const OWNERS: Readonly<Partial<Record<ProgramType, string>>> = {
  sk_reuseport: "the owner of a socket of the group sets SO_ATTACH_REUSEPORT_EBPF to program.fd",
  socket_filter: "the socket's owner sets SO_ATTACH_BPF to program.fd",
};

/** Attaches where the program's type belongs. Throws L004 when the target lacks what the type needs. */
export function attach(program: Program, target: Target): Attachment {
  const needs = targetOf(program.type);
  const netns = target.netns === undefined ? {} : { netns: target.netns };
  switch (needs) {
    case "interface": {
      const at = { interface: need(program, target.interface, "an interface"), ...netns };
      if (program.type === "xdp") return attachXdp(program, { ...at, mode: target.xdpMode ?? "auto" });
      return attachTcx(program, { ...at, ...(target.direction === undefined ? {} : { direction: target.direction }) });
    }
    case "cgroup":
      return attachCgroup(program, need(program, target.cgroup, "a cgroup"));
    case "netns":
      return attachNetns(program, target.netns);
    case "map":
      return attachSockmap(program, need(program, target.map, "a sockmap or sockhash"));
    case null:
      throw loaderError("L004", `programs of type ${program.type} cannot be attached by this loader`, {
        ...(OWNERS[program.type] === undefined ? {} : { remedy: OWNERS[program.type] ?? "" }),
      });
  }
}

function need<T>(program: Program, given: T | undefined, what: string): T {
  if (given === undefined) throw loaderError("L004", `${program.what} (${program.type}) needs ${what} to attach to`);
  return given;
}
