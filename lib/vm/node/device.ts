/**
 * Frames through interfaces, out and in, with the programs on the way:
 *
 *   out   tcx egress, then the wire: lo gives it back to itself, a veth to its other end, a physical one to the test
 *   in    XDP, then tcx ingress, then the network layer
 *
 * A frame is on the wire when the work that is going on has ended (`Kernel.defer`), as with the kernel's soft interrupts.
 */
import type { Redirect } from "../host.ts";
import { ETHERNET_HEADER, ETHERTYPE, describeIp, encodeFrame } from "./frame.ts";
import type { Interface } from "./interface.ts";
import type { DropReason } from "./log.ts";
import type { Namespace } from "./namespace.ts";
import { Program } from "./program.ts";
import { PACKET_TYPE, frameOf, newSkb, skbOfFrame } from "./skb.ts";
import type { Skb } from "./skb.ts";
import { runTcx } from "./tcx.ts";
import { runLeaving, runMoved, runXdp } from "./xdp.ts";
import type { XdpAction, XdpRedirect } from "./xdp.ts";

/** Where IP packets go that came in and were not dropped. */
export type NetworkLayer = (skb: Skb, device: Interface) => void;

/** BPF_F_INGRESS of the redirect helpers. */
const INGRESS = 1n;

/** Sends a packet with its link-layer header out of a device (dev_queue_xmit). */
export function transmit(device: Interface, skb: Skb): void {
  const action = runTcx(device, skb, "egress", (to) => sendClone(device.namespace, skb, to));
  if (action.kind === "drop") return drop(device.namespace, "program", skb);
  if (action.kind === "redirect") return redirect(device, skb, action.to);
  send(device, skb);
}

/** Puts a frame on the wire, past the programs. */
function send(device: Interface, skb: Skb): void {
  const { kernel } = device.namespace;
  if (!device.running) return drop(device.namespace, "link", skb);
  const frame = frameOf(skb);
  if (device.kind === "lo") return kernel.defer(() => receiveSkb(device, looped(skb, frame, device)));
  capture(device, frame, "out");
  putOnWire(device, frame);
}

/**
 * XDP's way out (ndo_xdp_xmit): no programs, and capturing does not see it. A veth takes such frames only where XDP is at
 * the other end.
 */
function sendFrame(device: Interface, skb: Skb): void {
  if (device.peer !== null && device.peer.xdp === null) return drop(device.namespace, "link", skb);
  putOnWire(device, frameOf(skb));
}

function putOnWire(device: Interface, frame: Uint8Array): void {
  const { peer, namespace } = device;
  if (!device.running) return drop(namespace, "link", skbOfFrame(frame, device));
  if (device.kind === "lo") return namespace.kernel.defer(() => receiveFrame(device, frame));
  if (peer === null) device.wire.push(frame);
  else namespace.kernel.defer(() => receiveFrame(peer, frame));
}

/** What lo gives back still knows its socket's marks, but not the socket (skb_orphan). */
function looped(skb: Skb, frame: Uint8Array, device: Interface): Skb {
  const { mark, priority } = skb;
  return { ...skbOfFrame(frame, device), mark, priority };
}

/** A frame comes in from the wire. */
export function receiveFrame(device: Interface, frame: Uint8Array): void {
  if (!device.up) return drop(device.namespace, "link", skbOfFrame(frame, device));
  receiveSkb(device, skbOfFrame(frame, device));
}

function receiveSkb(device: Interface, skb: Skb): void {
  follow(device, skb, runXdp(device, skb));
}

/** What XDP decided about a frame that came in at a device. */
function follow(device: Interface, skb: Skb, action: XdpAction): void {
  switch (action.kind) {
    case "pass":
      return receiveAbove(device, action.skb);
    case "drop":
      return drop(device.namespace, "program", skb);
    case "tx":
      return sendFrame(device, action.skb);
    case "redirect":
      return redirectFrame(device, action);
  }
}

/** XDP_REDIRECT (xdp_do_redirect): out of other devices, past their programs; or on to another CPU, which is this one. */
function redirectFrame(from: Interface, { skb, to, by }: XdpRedirect): void {
  const { namespace } = from;
  const programOf = (name: string | null): Program | null =>
    name === null ? null : new Program(namespace.kernel, by, name);
  if (to?.kind === "cpu") return moveOn(from, skb, programOf(to.program));
  const devices =
    to?.kind === "devices" ? to.devices : to?.kind === "interface" ? [{ ifindex: to.ifindex, program: null }] : [];
  const ways = devices.map(({ ifindex, program }) => ({ target: namespace.findInterface(ifindex), program }));
  if (ways.every(({ target }) => target === null)) drop(namespace, "no_interface", skb);
  for (const { target, program } of ways) if (target !== null) leave(from, skb, target, programOf(program));
}

/** cpu_map_bpf_prog_run: an entry's program may redirect once more, but not send back. */
function moveOn(from: Interface, skb: Skb, program: Program | null): void {
  if (program === null) return receiveAbove(from, skb);
  const action = runMoved(program, from, skb);
  follow(from, skb, action.kind === "tx" ? { kind: "drop" } : action);
}

/** dev_map_bpf_prog_run: what an entry's program does not pass goes nowhere. */
function leave(from: Interface, skb: Skb, target: Interface, program: Program | null): void {
  const action = program === null ? ({ kind: "pass", skb } as const) : runLeaving(program, from, target, skb);
  if (action.kind !== "pass") return drop(from.namespace, "program", skb);
  sendFrame(target, action.skb);
}

/** Behind XDP (__netif_receive_skb_core). */
function receiveAbove(device: Interface, skb: Skb): void {
  capture(device, frameOf(skb), "in");
  const action = runTcx(device, skb, "ingress", (to) => sendClone(device.namespace, skb, to));
  if (action.kind === "drop") return drop(device.namespace, "program", skb);
  if (action.kind === "redirect") return redirect(device, skb, action.to);
  device.namespace.kernel.up.network(skb, device);
}

// ---- redirects

/** TC_ACT_REDIRECT (skb_do_redirect). */
function redirect(from: Interface, skb: Skb, to: Redirect | null): void {
  const target = to === null || !("ifindex" in to) ? null : from.namespace.findInterface(to.ifindex);
  if (to === null || target === null) return drop(from.namespace, "no_interface", skb);
  if (to.kind === "peer") return redirectPeer(from.namespace, skb, target);
  if (to.kind === "neigh") return redirectNeighbour(skb, target);
  if (to.kind === "interface") return redirectTo(skb, target, (to.flags & INGRESS) !== 0n);
}

function redirectTo(skb: Skb, target: Interface, ingress: boolean): void {
  if (!ingress) return transmit(target, skb);
  const { kernel } = target.namespace;
  // The device's own view of the frame: whom its address means is decided anew.
  const { mark, priority } = skb;
  kernel.defer(() => receiveAbove(target, { ...skbOfFrame(frameOf(skb), target), mark, priority }));
}

/** Straight into the namespace of the other end, without its XDP; the packet keeps whom it is for. */
function redirectPeer(namespace: Namespace, skb: Skb, target: Interface): void {
  const { peer } = target;
  if (peer === null || !peer.up || peer.namespace === namespace) return drop(namespace, "no_interface", skb);
  receiveAbove(peer, { ...skb, socket: null, arrived: peer, mark: 0, priority: 0 });
}

/** Finds the next hop and its link-layer address anew. */
function redirectNeighbour(skb: Skb, target: Interface): void {
  const next = target.namespace.kernel.up.nextHop(skb, target);
  if (next === null) return drop(target.namespace, "neighbour", skb);
  transmit(target, { ...skb, link: next });
}

/** clone_redirect: a copy goes out at once, as the frame is at that moment. */
function sendClone(namespace: Namespace, skb: Skb, to: Extract<Redirect, { kind: "clone" }>): void {
  const target = namespace.findInterface(to.ifindex);
  if (target === null) return;
  const copy = { ...skb, link: to.packet.slice(0, ETHERNET_HEADER), packet: to.packet.slice(ETHERNET_HEADER) };
  redirectTo(copy, target, (to.flags & INGRESS) !== 0n);
}

// ---- what is seen

function capture(device: Interface, bytes: Uint8Array, direction: "in" | "out"): void {
  const { kernel, name } = device.namespace;
  device.captured.push({
    nanoseconds: kernel.clock.nanoseconds,
    originalLength: bytes.length,
    bytes: bytes.slice(),
    direction,
  });
  const summary = describeIp(bytes.subarray(ETHERNET_HEADER));
  kernel.log.add({ kind: "packet", namespace: name, interface: device.name, direction, summary });
}

/** Notes a packet that goes no further. */
export function drop(namespace: Namespace, reason: DropReason, skb: Pick<Skb, "packet">): void {
  namespace.kernel.log.add({ kind: "drop", namespace: namespace.name, reason, summary: describeIp(skb.packet) });
}

/** The frame of an IP packet on lo, where addresses are all zero. */
export function loopbackFrame(packet: Uint8Array): Skb {
  const type = (packet[0] ?? 0) >> 4 === 4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6;
  const link = encodeFrame(new Uint8Array(6), new Uint8Array(6), type, new Uint8Array(0));
  return newSkb(packet, type, { link, packetType: PACKET_TYPE.host });
}
