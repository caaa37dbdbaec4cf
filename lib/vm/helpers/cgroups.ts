/** Helpers on cgroups: of a packet's socket, of a socket, of the current task. Source: bpf-helpers(7), what Linux 6.18 answers. */
import { TCP_STATE } from "../../kernel/index.ts";
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { CgroupArray } from "../maps/index.ts";
import type { Socket } from "../socket.ts";
import type { Cgroup } from "../world.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

export const CGROUP_HELPERS = {
  skb_cgroup_id: (host) => cgroupOf(host, host.run.socket)?.id ?? 0n,
  skb_ancestor_cgroup_id: (host, _ctx, r2) => ancestor(cgroupOf(host, host.run.socket), s32(r2))?.id ?? 0n,
  sk_cgroup_id: (host, r1) => cgroupOf(host, host.socket(r1))?.id ?? 0n,
  sk_ancestor_cgroup_id: (host, r1, r2) => ancestor(cgroupOf(host, host.socket(r1)), s32(r2))?.id ?? 0n,
  get_current_cgroup_id: (host) => host.world.task().cgroup.id,
  get_current_ancestor_cgroup_id: (host, r1) => ancestor(host.world.task().cgroup, s32(r1))?.id ?? 0n,
  skb_under_cgroup: (host, _ctx, r2, r3) => {
    const cgroup = cgroupOf(host, host.run.socket);
    return result(cgroup === null ? -ERRNO.ENOENT : under(host, cgroup, r2, u32(r3)));
  },
  current_task_under_cgroup: (host, r1, r2) => result(under(host, host.world.task().cgroup, r1, u32(r2))),
  /** Of the current task: a packet's is that of who sends it. */
  get_cgroup_classid: (host) => result(host.world.task().cgroup.classid),
  skb_cgroup_classid: (host) => result(cgroupOf(host, host.run.socket)?.classid ?? 0),
} satisfies Implementations;

/** 1 when it is the cgroup at an index of the map or below it, else 0. */
function under(host: Host, cgroup: Cgroup, register: bigint, index: number): number {
  const map = host.mapOf(register, CgroupArray, "array of cgroups");
  if (index >= map.spec.maxEntries) return -ERRNO.E2BIG;
  const above = map.at(index);
  return above === null ? -ERRNO.EAGAIN : Number(isUnder(cgroup, above));
}

/** Connection requests and sockets in TIME_WAIT have none. */
export function cgroupOf(host: Host, socket: Socket | null): Cgroup | null {
  const state = socket?.fields["state"];
  if (socket === null || state === TCP_STATE.timeWait || state === TCP_STATE.newSynRecv) return null;
  return host.world.sockets.cgroup(socket);
}

/** The cgroup `level` levels below the root that a cgroup is in; null when there is none. */
function ancestor(cgroup: Cgroup | null, level: number): Cgroup | null {
  return cgroup === null ? null : (pathOf(cgroup)[level] ?? null);
}

/** Whether a cgroup is another one, or below it. */
export function isUnder(cgroup: Cgroup, above: object): boolean {
  return pathOf(cgroup).some((one) => one === above);
}

/** From the root to the cgroup. */
export function pathOf(cgroup: Cgroup): Cgroup[] {
  return cgroup.parent === null ? [cgroup] : [...pathOf(cgroup.parent), cgroup];
}
