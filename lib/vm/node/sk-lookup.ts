/**
 * sk_lookup: programs of a namespace that choose the socket for a connection request or an unconnected datagram.
 * All run; the last one that chose and passed decides, a refusal counts only when none chose.
 * Source: include/linux/filter.h (BPF_PROG_SK_LOOKUP_RUN_ARRAY), Linux 6.18.
 */
import { FAMILY_NUMBERS, familyOf } from "./endpoint.ts";
import type { Namespace } from "./namespace.ts";
import type { Flow } from "./socket-table.ts";
import { sockOf } from "./sock.ts";
import type { Sock } from "./sock.ts";

const SK_PASS = 1;

export interface Chosen {
  readonly sock: Sock;
  /** Whether the socket's reuseport group may choose again. */
  readonly reuseport: boolean;
}

/** Null: no program chose. */
export function runLookup(namespace: Namespace, flow: Flow): Chosen | "refused" | null {
  let chosen: Chosen | null = null;
  let refused = false;
  for (const { program } of namespace.lookup.entries) {
    const result = program.run("sk_lookup", namespace, { context: lookupContext(flow) });
    const assigned = result.redirects.findLast((redirect) => redirect.kind === "assign");
    const sock = assigned?.socket == null ? null : sockOf(assigned.socket);
    if (result.returnValue === SK_PASS) {
      if (sock !== null) chosen = { sock, reuseport: assigned?.reuseport === true };
    } else {
      refused = true;
    }
  }
  return chosen ?? (refused ? "refused" : null);
}

function lookupContext({ protocol, local, remote, ifindex }: Flow): Record<string, number | string> {
  const v4 = familyOf(local.address) === "inet";
  return {
    family: FAMILY_NUMBERS[v4 ? "inet" : "inet6"],
    protocol,
    [v4 ? "remote_ip4" : "remote_ip6"]: remote.address,
    [v4 ? "local_ip4" : "local_ip6"]: local.address,
    remote_port: remote.port,
    local_port: local.port,
    ingress_ifindex: ifindex,
  };
}
