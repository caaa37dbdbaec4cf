/**
 * cgroup_skb: programs of the cgroup of a packet's socket, which see the packet from its network header on. Ingress: when
 * the packet is given to the socket; egress: when the socket's packet leaves for its device. All programs run; each must
 * allow (bit 0 of the return value). At egress, bit 1 tells the sender of congestion.
 */
import type { Interface } from "./interface.ts";
import type { Skb } from "./skb.ts";
import { skbContext, skbSocketContext, takeContext } from "./skb.ts";
import type { Sock } from "./sock.ts";

const ATTACH = { ingress: "cgroup_inet_ingress", egress: "cgroup_inet_egress" } as const;
const ALLOW = 1;
const CONGESTED = 2;

export interface SkbVerdict {
  readonly allowed: boolean;
  readonly congested: boolean;
}

export function judgeSkb(sock: Sock, skb: Skb, device: Interface, direction: keyof typeof ATTACH): SkbVerdict {
  let [allowed, congested] = [true, false];
  for (const program of sock.cgroup.effective(ATTACH[direction])) {
    const context = { ...skbContext(skb, device), ...skbSocketContext(sock) };
    const result = program.run(ATTACH[direction], sock.namespace, {
      packet: skb.packet,
      context,
      socket: sock.publish(),
    });
    const verdict = result.returnValue ?? 0;
    takeContext(skb, result);
    if (result.packet !== null) skb.packet = result.packet;
    if ((verdict & ALLOW) === 0) allowed = false;
    if (direction === "egress" && (verdict & CONGESTED) !== 0) congested = true;
  }
  return { allowed, congested };
}
