/**
 * Where each kind of program of the mesh's object belongs, whether the mesh can do without, and what it loses then.
 *
 * The order is that of replacing programs: first the authority at the veth, so that whatever the others still do in the old way
 * is judged in the new; they only carry flows elsewhere, and what they carry comes by the veth or was allowed there.
 * Removing goes the other way round.
 */
import type { ProgramType } from "./object.ts";

/** What a program is attached to: something of each pod, something of the node, or a map of sockets. */
export type Scope = "interface" | "netns" | "cgroup" | "device" | "map";

export interface Hook {
  readonly type: ProgramType;
  readonly scope: Scope;
  /** The mesh does not start without it. */
  readonly needed: boolean;
  /** What happens where it cannot be had. */
  readonly without: string;
}

// prettier-ignore
export const HOOKS: readonly Hook[] = [
  { type: "sched_cls",        scope: "interface", needed: true,  without: "there is no policy: the agent does not start" },
  { type: "sk_lookup",        scope: "netns",     needed: false, without: "incoming flows that need HTTP rules are denied" },
  { type: "xdp",              scope: "device",    needed: false, without: "denied prefixes are dropped at the pods, not at the node's device" },
  { type: "cgroup_sock_addr", scope: "cgroup",    needed: false, without: "services are translated packet by packet; outgoing flows that need HTTP rules are denied" },
  { type: "sock_ops",         scope: "cgroup",    needed: false, without: "same-node TCP takes the way by the veth; outgoing flows that need HTTP rules are denied" },
  { type: "sk_msg",           scope: "map",       needed: false, without: "same-node TCP takes the way by the veth" },
];

/** The row of a program type; undefined: the mesh does not know what to do with such a program. */
export function hookOf(type: ProgramType): Hook | undefined {
  return HOOKS.find((hook) => hook.type === type);
}

/** Position in the order of replacing. */
export function rankOf(type: ProgramType): number {
  return HOOKS.findIndex((hook) => hook.type === type);
}
