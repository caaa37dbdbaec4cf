/**
 * sk_reuseport: a program chooses the socket of a group that gets a packet. Source: net/core/sock_reuseport.c, Linux 6.18.
 */
import type { ContextInput } from "../context.ts";
import type { Errno } from "../errno.ts";
import { etherTypeFor } from "./frame.ts";
import type { IpPacket } from "./frame.ts";
import { isAny } from "./endpoint.ts";
import type { Program } from "./program.ts";
import { ReuseportGroup, flowHash } from "./reuseport-group.ts";
import type { Flow } from "./socket-table.ts";
import { sockOf } from "./sock.ts";
import type { Sock } from "./sock.ts";

const SK_PASS = 1;

/** The member of `sock`'s group that gets the packet; `sock` itself without a group, null when a program refuses. */
export function selectReuseport(sock: Sock, flow: Flow, ip: IpPacket | null): Sock | null {
  const group = sock.reuseport;
  if (group === null) return sock;
  const hash = hashOf(flow);
  const program = group.program;
  if (program !== null && ip !== null) {
    const chosen = runReuseport(program, sock, packetContext(sock, ip, hash), ip.payload, null);
    if (chosen !== "undecided") return chosen;
  }
  return group.byHash(hash) ?? sock;
}

function hashOf({ local, remote }: Flow): number {
  return flowHash(`${remote.address} ${remote.port} ${local.address} ${local.port}`);
}

/**
 * The listener that a connection nobody has accepted, or a request, goes on with when its own has closed
 * (reuseport_migrate_sock). Null: none.
 */
export function migrate(listener: Sock, migrating: Sock): Sock | null {
  const group = listener.reuseport;
  if (group === null || group.program === null || !group.migrates || group.socks.length === 0) return null;
  const { local, remote, protocol } = migrating;
  const hash = hashOf({ protocol, local, remote, ifindex: 0 });
  const context = {
    len: 0,
    eth_protocol: 0,
    ip_protocol: protocol,
    bind_inany: Number(isAny(listener.local.address)),
    hash,
  };
  const chosen = runReuseport(group.program, listener, context, new Uint8Array(0), migrating);
  return chosen === "undecided" ? group.byHash(hash) : chosen;
}

function packetContext(sock: Sock, ip: IpPacket, hash: number): ContextInput {
  return {
    len: ip.payload.length,
    eth_protocol: etherTypeFor(ip.destination),
    ip_protocol: ip.protocol,
    bind_inany: Number(isAny(sock.local.address)),
    hash,
  };
}

/** Null: refused. A program that passes without having chosen leaves it to the hash. */
function runReuseport(
  program: Program,
  sock: Sock,
  context: ContextInput,
  packet: Uint8Array,
  migrating: Sock | null,
): Sock | null | "undecided" {
  const result = program.run("sk_reuseport", sock.namespace, {
    packet,
    socket: sock.publish(),
    context,
    ...(migrating === null ? {} : { migrating: migrating.publish() }),
  });
  if (result.returnValue !== SK_PASS) return null;
  const chosen = result.redirects.findLast(({ kind }) => kind === "assign");
  const member = chosen?.kind === "assign" && chosen.socket !== null ? sockOf(chosen.socket) : null;
  return member ?? "undecided";
}

/** Gives the socket's group a program; a socket that is not yet bound starts a group (reuseport_attach_prog). */
export function attachReuseport(sock: Sock, program: Program): Errno | null {
  if (program.type !== "sk_reuseport" && program.type !== "socket_filter") return "EINVAL";
  if (sock.reuseport === null) {
    if (sock.option("SO_REUSEPORT") === 0 || sock.local.port !== 0) return "EINVAL";
    new ReuseportGroup().add(sock);
  }
  if (sock.reuseport !== null) sock.reuseport.program = program;
  return null;
}

export function detachReuseport(sock: Sock): Errno | null {
  if (sock.reuseport === null) return sock.option("SO_REUSEPORT") === 0 ? "EINVAL" : "ENOENT";
  if (sock.reuseport.program === null) return "ENOENT";
  sock.reuseport.program = null;
  return null;
}
