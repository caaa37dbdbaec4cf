/**
 * What of the kernel the mesh uses, whether it is here, and what takes its place: one row for each kind of program, attachment
 * and map, made from the programs that were loaded, which is the only probe that counts everything in.
 */
import type { Probe } from "../control/view.ts";
import { HOOKS } from "../datapath/hooks.ts";
import type { ObjectSpec } from "../datapath/object.ts";
import type { Missing } from "../datapath/programs.ts";

/** What a kind of program is used for. */
const PURPOSE: Readonly<Record<string, string>> = {
  sched_cls: "policy at the host side of each veth (tcx, Linux 6.6)",
  sk_lookup: "connections that need HTTP rules reach the waypoint (Linux 5.9)",
  xdp: "denied prefixes are dropped at the node's device",
  cgroup_sock_addr: "service addresses are translated at the socket (Linux 4.17, getpeername 5.8)",
  sock_ops: "sockets of allowed same-node flows are joined; outgoing HTTP flows are marked",
  sk_msg: "same-node data goes from socket to socket (links: Linux 6.10)",
};

/** @param unattached - programs of which an attachment failed, with the reason. */
export function describeProbes(
  { programs, maps }: ObjectSpec,
  missing: readonly Missing[],
  unattached: ReadonlyMap<string, string>,
): readonly Probe[] {
  const ofPrograms = HOOKS.map(({ type, without }): Probe => {
    const names = programs.filter((program) => program.type === type).map(({ name }) => name);
    const refused = missing
      .filter(({ program }) => names.includes(program))
      .map(({ program, reason }) => `${program}: ${reason}`);
    const detached = names.flatMap((name) => {
      const reason = unattached.get(name);
      return reason === undefined ? [] : [`${name}: ${reason}`];
    });
    const problems = names.length === 0 ? ["the programs have none"] : [...refused, ...detached];
    return {
      feature: `program type ${type}`,
      available: problems.length === 0,
      detail: problems.length === 0 ? (PURPOSE[type] ?? names.join(", ")) : problems.join("; "),
      fallback: problems.length === 0 ? null : without,
    };
  });
  const types = [...new Set(maps.map(({ type }) => type))].toSorted();
  const ofMaps = types.map((type): Probe => {
    const names = maps.filter((map) => map.type === type).map(({ name }) => name);
    return { feature: `map type ${type}`, available: true, detail: names.join(", "), fallback: null };
  });
  return [...ofPrograms, ...ofMaps];
}
