/** sk_reuseport: which socket of a group gets a packet. */
import type { IpPacket } from "./frame.ts";
import { flowHash } from "./reuseport-group.ts";
import type { Flow } from "./socket-table.ts";
import type { Sock } from "./sock.ts";

/** The member of `sock`'s group that gets the packet; `sock` itself without a group, null when a program refuses. */
export function selectReuseport(sock: Sock, flow: Flow, _ip: IpPacket | null): Sock | null {
  const group = sock.reuseport;
  if (group === null) return sock;
  const { local, remote } = flow;
  return group.byHash(flowHash(`${remote.address} ${remote.port} ${local.address} ${local.port}`)) ?? sock;
}
