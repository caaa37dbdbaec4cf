/** Helpers on the socket of the run and on simulated sockets. Source: bpf-helpers(7), net/core/sock_map.c (Linux 6.18). */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { Trap } from "../fault.ts";
import { SocketMap } from "../maps/index.ts";
import type { ContextInput } from "../context.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** BPF_SOCK_OPS_ALL_CB_FLAGS */
const ALL_CALLBACKS = 0x7f;

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
  sk_release: (host, r1) => {
    if (host.socket(r1) === null) throw new Trap("argument", "sk_release of a null pointer");
    return 0n;
  },
  sock_ops_cb_flags_set: (host, _ctx, r2) => {
    set(host, "sock_ops_cb_flags_set", { bpf_sock_ops_cb_flags: u32(r2) & ALL_CALLBACKS });
    return BigInt(s32(r2) & ~ALL_CALLBACKS);
  },
  // How much of a message a verdict is for matters only where data flows; here messages come one at a time.
  msg_apply_bytes: () => 0n,
  msg_cork_bytes: () => 0n,
  // All bytes of a message are linear already.
  msg_pull_data: (host, _ctx, r2, r3, r4) => {
    const length = host.packet("msg_pull_data").length;
    return result(r4 !== 0n || u32(r2) >= u32(r3) || u32(r3) > length ? -ERRNO.EINVAL : 0);
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
  return result(map.put(host.bytes(key, map.spec.keySize), socket, Number(flags)));
}

function set(host: Host, helper: string, fields: ContextInput): void {
  const { context } = host.run;
  if (context.kind !== "bpf_sock_ops")
    throw new Trap("helper", `helper ${helper} is for sock_ops, not ${context.kind}`);
  context.put(fields);
}
