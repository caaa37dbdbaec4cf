/**
 * XDP: one program at an interface that sees frames before anything else, and those of entries of devmaps and cpumaps, which
 * see what is redirected there. Return codes: enum xdp_action (include/uapi/linux/bpf.h); one that is none is as XDP_ABORTED.
 */
import type { ContextInput } from "../context.ts";
import type { Redirect } from "../host.ts";
import type { Machine } from "../machine.ts";
import type { Interface } from "./interface.ts";
import type { Program } from "./program.ts";
import { frameOf, skbOfFrame } from "./skb.ts";
import type { Skb } from "./skb.ts";

export const XDP = { aborted: 0, drop: 1, pass: 2, tx: 3, redirect: 4 } as const;

export type XdpAction = { readonly kind: "pass" | "tx"; readonly skb: Skb } | { readonly kind: "drop" } | XdpRedirect;

export interface XdpRedirect {
  readonly kind: "redirect";
  readonly skb: Skb;
  readonly to: Redirect | null;
  /** Whose program asked for it: the programs of maps' entries are its too. */
  readonly by: Machine;
}

export function runXdp(device: Interface, skb: Skb): XdpAction {
  return device.xdp === null ? { kind: "pass", skb } : judge(device.xdp.program, "xdp", device, skb);
}

/** The program of a devmap's entry, for a frame that came in at `device` and is about to leave by `egress`. */
export function runLeaving(program: Program, device: Interface, egress: Interface, skb: Skb): XdpAction {
  return judge(program, "xdp_devmap", device, skb, { egress_ifindex: egress.ifindex });
}

/** The program of a cpumap's entry. */
export function runMoved(program: Program, device: Interface, skb: Skb): XdpAction {
  return judge(program, "xdp_cpumap", device, skb);
}

function judge(program: Program, hook: string, device: Interface, skb: Skb, more: ContextInput = {}): XdpAction {
  const frame = frameOf(skb);
  const result = program.run(hook, device.namespace, {
    packet: frame,
    metadata: skb.metadata,
    context: { ingress_ifindex: device.ifindex, ...more },
  });
  const after = { ...changed(result.packet ?? frame, device, skb), metadata: result.metadata };
  switch (result.returnValue) {
    case XDP.pass:
      return { kind: "pass", skb: after };
    case XDP.tx:
      return { kind: "tx", skb: after };
    case XDP.redirect:
      return { kind: "redirect", skb: after, to: result.redirects.at(-1) ?? null, by: program.machine };
    default:
      return { kind: "drop" };
  }
}

/** What follows from the frame's bytes is decided after XDP. */
function changed(frame: Uint8Array, device: Interface, before: Skb): Skb {
  const { mark, priority } = before;
  return { ...skbOfFrame(frame, device), mark, priority };
}
