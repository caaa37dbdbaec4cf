/**
 * tcx: programs at the ingress and egress of an interface, in order, until one decides. A program that returns TCX_NEXT
 * (-1) leaves it to the next; a code that is none ends the chain and lets the packet pass.
 * Source: docs.kernel.org (tc-bpf(8)); net/core/dev.c (tcx_run).
 */
import type { Redirect } from "../host.ts";
import type { Interface } from "./interface.ts";
import { ETHERNET_HEADER, etherTypeOf } from "./frame.ts";
import { frameOf, skbContext, takeContext } from "./skb.ts";
import type { Skb } from "./skb.ts";
import { sockOf } from "./sock.ts";

export const TCX = { next: -1, pass: 0, drop: 2, redirect: 7 } as const;

export type TcxAction =
  | { readonly kind: "pass" | "drop" }
  | { readonly kind: "redirect"; readonly to: Redirect | null };

/** Where clones go that programs make while they run. */
export type SendClone = (to: Extract<Redirect, { kind: "clone" }>) => void;

const PASS: TcxAction = { kind: "pass" };

export function runTcx(device: Interface, skb: Skb, direction: "ingress" | "egress", clone: SendClone): TcxAction {
  for (const { program } of device.tcx[direction].entries) {
    const socket = skb.socket?.publish();
    const input = {
      packet: frameOf(skb),
      metadata: skb.metadata,
      context: skbContext(skb, device),
      ...(socket === undefined ? {} : { socket }),
    };
    const result = program.run(`tcx_${direction}`, device.namespace, input);
    takeContext(skb, result);
    if (result.packet !== null) takeFrame(skb, result.packet, result.metadata);
    for (const redirect of result.redirects) if (redirect.kind === "clone") clone(redirect);
    // bpf_sk_assign: whom the packet is for, if it arrives here.
    const assigned = result.redirects.findLast(({ kind }) => kind === "assign");
    if (assigned?.kind === "assign" && assigned.socket !== null) skb.assigned = sockOf(assigned.socket);
    const verdict = result.returnValue ?? TCX.drop;
    if (verdict === TCX.drop) return { kind: "drop" };
    if (verdict === TCX.redirect) return { kind: "redirect", to: lastRedirect(result.redirects) };
    if (verdict !== TCX.next) return PASS;
  }
  return PASS;
}

function takeFrame(skb: Skb, frame: Uint8Array, metadata: Uint8Array): void {
  skb.metadata = metadata;
  skb.link = frame.slice(0, ETHERNET_HEADER);
  skb.packet = frame.slice(ETHERNET_HEADER);
  skb.etherType = etherTypeOf(frame);
}

/** The last one asked for counts. */
function lastRedirect(redirects: readonly Redirect[]): Redirect | null {
  return redirects.findLast(({ kind }) => kind === "interface" || kind === "peer" || kind === "neigh") ?? null;
}
