/**
 * Alignment. The stack and atomics demand it always; everything else only where the loader asks for it, since the hardware
 * that the model stands for (x86-64) takes any address.
 */
import { isAligned } from "../scalar/index.ts";
import { reject } from "../env.ts";
import type { Env } from "../env.ts";
import type { Reg } from "../state/index.ts";
import { describe } from "./describe.ts";

/** Packets start two bytes off, so that the IP header behind an Ethernet header is aligned. Source: NET_IP_ALIGN. */
const PACKET_SHIFT = 2;

/** `off` without the pointer's own constant. */
export function checkAlignment(env: Env, register: number, reg: Reg, off: number, size: number, strict: boolean): void {
  if (size === 1 || reg.kind === "arena") return;
  if (!strict && !env.strictAlignment && reg.kind !== "stack") return;
  const packet = reg.kind === "packet" || reg.kind === "packet_meta";
  const offset = reg.off + off + (packet ? PACKET_SHIFT : 0);
  if (!isAligned(reg.num, offset, size)) reject(env, "misaligned", { register, kind: describe(reg), offset, size });
}
