/** Helpers on the socket of the run: what names it, maps to put it into, its callbacks. Source: bpf-helpers(7), what Linux 6.18 answers. */
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import type { Host } from "../host.ts";
import { SocketMap } from "../maps/index.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";
import { ALL_CALLBACKS, setCallbacks } from "./socket-options.ts";

export const SOCKET_HELPERS = {
  get_retval: (host) => BigInt(retvalOf(host)),
  set_retval: (host, r1) => {
    const { run } = host;
    if (run.context.kind === "bpf_sockopt") run.context.put({ retval: s32(r1) });
    run.retval = s32(r1);
    return 0n;
  },
  get_socket_cookie: (host) => host.run.socket?.cookie ?? 0n,
  get_netns_cookie: (host) => host.world.sockets.netnsCookie(host.run.socket),
  sock_map_update: (host, _ctx, r2, r3, r4) => put(host, r2, r3, r4),
  sock_hash_update: (host, _ctx, r2, r3, r4) => put(host, r2, r3, r4),
  /** Sets what there is of the callbacks, and gives back what there is not. */
  sock_ops_cb_flags_set: (host, _ctx, r2) => {
    const { socket, context } = host.run;
    if (socket === null || context.number("is_fullsock") === 0) return result(-ERRNO.EINVAL);
    setCallbacks(host, socket, u32(r2) & ALL_CALLBACKS);
    return BigInt(s32(r2) & ~ALL_CALLBACKS);
  },
} satisfies Implementations;

/** sockopt programs may set it as a field of their context too. */
function retvalOf({ run }: Host): number {
  return run.context.kind === "bpf_sockopt" ? Number(run.context.read()["retval"]) : run.retval;
}

function put(host: Host, register: bigint, key: bigint, flags: bigint): bigint {
  const map = host.mapOf(register, SocketMap, "sockmap or sockhash");
  const { socket, context } = host.run;
  if (socket === null)
    throw new Trap(
      "helper",
      `there is no socket at ${context.kind} to put into map ${map.name}: pass one as the run's socket`,
    );
  if (!KEEPS.includes(context.number("op"))) return result(-ERRNO.EOPNOTSUPP);
  return result(map.put(host.bytes(key, map.spec.keySize), socket, Number(flags)));
}

/** BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, _PASSIVE_ESTABLISHED_CB, _TCP_LISTEN_CB: when a map may take the socket. */
const KEEPS: readonly number[] = [4, 5, 11];
