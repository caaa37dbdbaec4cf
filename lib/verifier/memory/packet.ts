/** Packet data and metadata: who may touch it, and what has been proven to be there. */
import { smallConstant } from "../scalar/index.ts";
import { reject } from "../env.ts";
import type { Env } from "../env.ts";
import type { ProgramType } from "../../kernel/index.ts";
import { FLAG } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { within } from "./bounds.ts";
import { invalidateRegs } from "./registers.ts";

type Rights = "read" | "write";

/** What program types may do with packet data directly; others may do nothing. Source: the verifier's list by program type. */
// prettier-ignore
const PACKET_RIGHTS: Readonly<Partial<Record<ProgramType, Rights>>> = {
  lwt_in: "read", lwt_out: "read", lwt_seg6local: "read", sk_reuseport: "read", flow_dissector: "read", cgroup_skb: "read",
  sched_cls: "write", sched_act: "write", xdp: "write", lwt_xmit: "write", sk_skb: "write", sk_msg: "write",
  cgroup_sockopt: "write",
};

/** Whether programs of the type may read or write packet data, themselves or by a helper that takes packet pointers. */
export function packetAllowed(env: Env, access: "read" | "write"): boolean {
  const rights = PACKET_RIGHTS[env.request.type];
  return rights === "write" || rights === access;
}

/** `off` includes the pointer's own constant. The proven range counts from the pointer's variable part on. */
export function checkPacket(
  env: Env,
  register: number,
  reg: Reg,
  off: number,
  size: number,
  zeroAllowed: boolean,
): void {
  if (smallConstant(reg.num) !== 0 && reg.num.sminHi < 0) reject(env, "negative_offset", { register });
  if (reg.range < 0 || !within(off, size, reg.range, zeroAllowed))
    reject(env, "out_of_packet", { register, offset: off, size, proven: Math.max(reg.range, 0) });
}

/** All packet pointers of the path, and slices of packets, lose what was proven: the packet may have moved. */
export function invalidatePackets(env: Env): void {
  invalidateRegs(env, isPacketPointer);
}

const PACKET_SLICE = FLAG.dynptr_skb | FLAG.dynptr_xdp | FLAG.dynptr_skb_meta;

function isPacketPointer(reg: Reg): boolean {
  switch (reg.kind) {
    case "packet":
    case "packet_meta":
    case "packet_end":
      return true;
    case "mem":
      return (reg.flags & PACKET_SLICE) !== 0;
    default:
      return false;
  }
}
