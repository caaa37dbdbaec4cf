/**
 * XDP: one program at an interface that sees frames before anything else. Return codes: enum xdp_action
 * (include/uapi/linux/bpf.h); one that is none is as XDP_ABORTED.
 */
import type { Redirect } from "../host.ts";
import type { Interface } from "./interface.ts";
import { frameOf, skbOfFrame } from "./skb.ts";
import type { Skb } from "./skb.ts";

export const XDP = { aborted: 0, drop: 1, pass: 2, tx: 3, redirect: 4 } as const;

export type XdpAction =
  | { readonly kind: "pass"; readonly skb: Skb }
  | { readonly kind: "drop" }
  | { readonly kind: "tx"; readonly frame: Uint8Array }
  | { readonly kind: "redirect"; readonly frame: Uint8Array; readonly to: Redirect | null };

export function runXdp(device: Interface, skb: Skb): XdpAction {
  if (device.xdp === null) return { kind: "pass", skb };
  const frame = frameOf(skb);
  const result = device.xdp.program.run("xdp", device.namespace, {
    packet: frame,
    context: { ingress_ifindex: device.ifindex },
  });
  const after = result.packet ?? frame;
  switch (result.returnValue) {
    case XDP.pass:
      return { kind: "pass", skb: { ...changed(after, device, skb), metadata: result.metadata } };
    case XDP.tx:
      return { kind: "tx", frame: after };
    case XDP.redirect:
      return { kind: "redirect", frame: after, to: result.redirects.at(-1) ?? null };
    default:
      return { kind: "drop" };
  }
}

/** What follows from the frame's bytes is decided after XDP. */
function changed(frame: Uint8Array, device: Interface, before: Skb): Skb {
  const { mark, priority } = before;
  return { ...skbOfFrame(frame, device), mark, priority };
}
