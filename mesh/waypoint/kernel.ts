/**
 * The kernel's side of the waypoint: what it knows of a connection (`steered`), the listeners that sk_lookup gives connections
 * to (`listeners`), and connections to servers, of which the ones from inside a pod are announced (`proxied`).
 */
import { closeSync } from "node:fs";
import { bindTcp, bindUdp, connectTcp, openMap } from "ebpf-ts/loader";
import type { Accepted, BpfMap, SocketAddress, TcpListener } from "ebpf-ts/loader";
import type { DnsKernel, Sender, ServerSocket } from "../dns/proxy.ts";
import { decodeSteered, encodeFlowKey, encodeSteered, encodeSteeredKey, STEERED } from "./layouts.ts";
import type { MapPaths, WaypointEndpoint } from "./messages.ts";
import type { Steering } from "./proxy.ts";
import type { Dialled, Dialer, ListenerRole, Origin } from "./types.ts";

/** What the process needs of the kernel; tests have another. */
export interface KernelSide extends Steering, Dialer, DnsKernel {
  /** From here on the kernel gives connections to the endpoint's HTTP ports to this listener. */
  publish(endpoint: number, listener: TcpListener): void;
  setEndpoint(endpoint: WaypointEndpoint): void;
  removeEndpoint(id: number): void;
}

const DIRECTIONS = ["ingress", "egress"] as const;

export class Kernel implements KernelSide {
  private readonly steered: BpfMap;
  private readonly proxied: BpfMap;
  private readonly listeners: BpfMap;
  private readonly netns: string | null;
  private readonly endpoints = new Map<number, WaypointEndpoint>();
  private readonly row = new Uint8Array(STEERED);

  /** @param netns - file of the node's network namespace; null: this process's. */
  constructor(maps: MapPaths, netns: string | null) {
    this.steered = openMap(maps.steered);
    this.proxied = openMap(maps.proxied);
    this.listeners = openMap(maps.listeners);
    this.netns = netns;
  }

  publish(endpoint: number, listener: TcpListener): void {
    const { keySize, valueSize } = this.listeners.shape;
    const key = new Uint8Array(keySize);
    const value = new Uint8Array(valueSize);
    new DataView(key.buffer).setUint32(0, endpoint, true);
    new DataView(value.buffer).setUint32(0, listener.fd, true);
    this.listeners.setRaw(key, value);
  }

  setEndpoint(endpoint: WaypointEndpoint): void {
    this.endpoints.set(endpoint.id, endpoint);
  }

  removeEndpoint(id: number): void {
    this.endpoints.delete(id);
  }

  originOf({ remote, local }: Accepted, role: ListenerRole): Origin | null {
    const isEgress = role.direction === "egress";
    const key = encodeSteeredKey(remote, local, isEgress ? role.endpoint : 0);
    if (!this.steered.getInto(key, this.row)) return null;
    // On loopback nothing but this entry tells a steered connection from one that dialled the port: it is good for one.
    if (isEgress) this.steered.deleteRaw(key);
    const { original, l7, identity, endpoint, rule, direction } = decodeSteered(this.row);
    if (endpoint !== role.endpoint || DIRECTIONS[direction] !== role.direction) return null;
    const client = isEgress ? { ...remote, address: this.addressOf(endpoint, original.address) } : remote;
    return { direction: role.direction, endpoint, identity, client, destination: original, l7, rule };
  }

  senderOf(endpoint: number, port: number, listenerPort: number): Sender | null {
    const [client, listener] = [port, listenerPort].map((number) => ({ address: "::", port: number })) as [
      SocketAddress,
      SocketAddress,
    ];
    if (!this.steered.getInto(encodeSteeredKey(client, listener, endpoint), this.row)) return null;
    const { original, rule } = decodeSteered(this.row);
    return { client: { address: this.addressOf(endpoint, original.address), port }, server: original, rule };
  }

  openToServer(endpoint: number, { server, rule }: Sender): ServerSocket {
    const { netns } = this.endpoints.get(endpoint) ?? {};
    if (netns === undefined) throw new Error(`endpoint ${endpoint} is gone`);
    const { fd, local } = bindUdp({ address: this.addressOf(endpoint, server.address), port: 0, netns });
    const key = encodeFlowKey(local, server, "UDP");
    try {
      this.proxied.setRaw(key, encodeSteered({ original: server, l7: 0, identity: 0, endpoint, rule, direction: 1 }));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return { fd, ended: () => void this.proxied.deleteRaw(key) };
  }

  dial(origin: Origin): Dialled {
    return origin.direction === "ingress" ? this.dialPod(origin) : this.dialFromPod(origin);
  }

  private dialPod({ destination }: Origin): Dialled {
    const fd = connectTcp(this.netns === null ? destination : { ...destination, netns: this.netns });
    return { fd, ended: () => undefined };
  }

  /** The far end sees the pod's address; the pod's own veth lets through what is announced, by L3 and L4. */
  private dialFromPod(origin: Origin): Dialled {
    const { destination, endpoint, l7, identity, rule } = origin;
    const { netns } = this.endpoints.get(endpoint) ?? {};
    if (netns === undefined) throw new Error(`endpoint ${endpoint} is gone`);
    const socket = bindTcp({ address: this.addressOf(endpoint, destination.address), port: 0, netns });
    const key = encodeFlowKey(socket.local, destination);
    try {
      this.proxied.setRaw(key, encodeSteered({ original: destination, l7, identity, endpoint, rule, direction: 1 }));
      const fd = socket.connect(destination);
      return { fd, ended: () => void this.proxied.deleteRaw(key) };
    } catch (error) {
      this.proxied.deleteRaw(key);
      socket.close();
      throw error;
    }
  }

  /** The pod's address of the same family. */
  private addressOf(endpoint: number, like: string): string {
    const isV6 = like.includes(":");
    const addresses = this.endpoints.get(endpoint)?.addresses ?? [];
    return addresses.find((address) => address.includes(":") === isV6) ?? (isV6 ? "::" : "0.0.0.0");
  }
}
