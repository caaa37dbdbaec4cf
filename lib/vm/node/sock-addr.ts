/**
 * cgroup_sock_addr: programs that see the address of a call and may change it or refuse the call.
 *
 * All programs of the socket's cgroup run, each sees what the ones before have changed. One that does not allow (bit 0 of
 * its return value) makes the call fail with EPERM, unless a program has set another error; allowing again does not mend it.
 */
import type { AttachType } from "../../kernel/index.ts";
import { ANY, FAMILY_NUMBERS } from "./endpoint.ts";
import type { Endpoint, Family } from "./endpoint.ts";
import { runCgroup } from "./run-cgroup.ts";
import type { Sock } from "./sock.ts";

export type AddressCall = "connect" | "bind" | "sendmsg" | "recvmsg" | "getpeername" | "getsockname";

/** The attach types of a call by the family of its address. */
// prettier-ignore
const ATTACH = {
  bind:        { inet: "cgroup_inet4_bind",        inet6: "cgroup_inet6_bind" },
  connect:     { inet: "cgroup_inet4_connect",     inet6: "cgroup_inet6_connect" },
  sendmsg:     { inet: "cgroup_udp4_sendmsg",      inet6: "cgroup_udp6_sendmsg" },
  recvmsg:     { inet: "cgroup_udp4_recvmsg",      inet6: "cgroup_udp6_recvmsg" },
  getpeername: { inet: "cgroup_inet4_getpeername", inet6: "cgroup_inet6_getpeername" },
  getsockname: { inet: "cgroup_inet4_getsockname", inet6: "cgroup_inet6_getsockname" },
} as const satisfies Record<AddressCall, Record<Family, AttachType>>;

export interface JudgedAddress {
  /** What the call gives instead of going on; 0: it goes on. */
  readonly retval: number;
  readonly endpoint: Endpoint;
  /** sendmsg: the source address. */
  readonly source: string;
  /** bind: the port needs no privilege (bit 1 of a return value). */
  readonly unprivileged: boolean;
}

const NO_CAPABILITY = 2;

/** `family` is the one of the address that the caller gave; `source` the address that a datagram would be sent from. */
export function judgeAddress(
  sock: Sock,
  call: AddressCall,
  family: Family,
  endpoint: Endpoint,
  source: string = ANY[family],
): JudgedAddress {
  const attach = ATTACH[call][family];
  const v4 = family === "inet";
  let [address, port, from, unprivileged] = [endpoint.address, endpoint.port, source, false];
  const retval = runCgroup(
    sock,
    attach,
    0,
    () => ({
      socket: sock.publish(),
      context: {
        user_family: FAMILY_NUMBERS[family],
        [v4 ? "user_ip4" : "user_ip6"]: address,
        user_port: port,
        family: FAMILY_NUMBERS[sock.family],
        type: sock.type === "stream" ? 1 : sock.type === "dgram" ? 2 : 3,
        protocol: sock.protocol,
        [v4 ? "msg_src_ip4" : "msg_src_ip6"]: from,
      },
    }),
    ({ context, returnValue }) => {
      address = String(context[v4 ? "user_ip4" : "user_ip6"]);
      port = Number(context["user_port"]);
      from = String(context[v4 ? "msg_src_ip4" : "msg_src_ip6"]);
      if (((returnValue ?? 0) & NO_CAPABILITY) !== 0) unprivileged = true;
    },
  );
  return { retval, endpoint: { address, port }, source: from, unprivileged };
}
