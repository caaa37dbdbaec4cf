/**
 * cgroup_sock: programs that see a socket when it is made, has been bound, or is released. At its making they may set its
 * mark, priority and device.
 */
import type { AttachType } from "../../kernel/index.ts";
import { runCgroup } from "./run-cgroup.ts";
import type { Sock } from "./sock.ts";

export type SockEvent = "create" | "release" | "post_bind";

// prettier-ignore
const ATTACH = {
  create:    { inet: "cgroup_inet_sock_create",  inet6: "cgroup_inet_sock_create" },
  release:   { inet: "cgroup_inet_sock_release", inet6: "cgroup_inet_sock_release" },
  post_bind: { inet: "cgroup_inet4_post_bind",   inet6: "cgroup_inet6_post_bind" },
} as const satisfies Record<SockEvent, Record<"inet" | "inet6", AttachType>>;

/** Gives what the call gives instead of going on; 0: it goes on. */
export function judgeSock(sock: Sock, event: SockEvent): number {
  return runCgroup(
    sock,
    ATTACH[event][sock.family],
    0,
    () => {
      const socket = sock.publish();
      return { socket, context: socket.fields };
    },
    ({ context }) => {
      sock.values.set("1/36", Number(context["mark"]) | 0);
      sock.values.set("1/12", Number(context["priority"]) | 0);
      const device = Number(context["bound_dev_if"]);
      if (device !== sock.deviceIndex) sock.bindDevice(device);
    },
  );
}
