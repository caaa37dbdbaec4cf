/**
 * A network namespace: interfaces, addresses, routes, neighbours, sockets, and the programs that choose sockets for its
 * packets (sk_lookup). A new one has `lo` up, with 127.0.0.1/8 and ::1/128.
 */
import { vmError } from "../diagnostics.ts";
import { AttachmentList } from "./attach.ts";
import { canonicalAddress, contains, familyOf } from "./endpoint.ts";
import type { Family } from "./endpoint.ts";
import { Interface } from "./interface.ts";
import type { InterfaceKind } from "./interface.ts";
import type { Kernel } from "./kernel.ts";
import { Neighbours } from "./neighbour.ts";
import { findRoute, parseDestination } from "./route.ts";
import type { RouteEntry, RouteOptions } from "./route.ts";
import type { NodeSocket, SocketKind, SocketOptions } from "./socket.ts";
import { SocketTable } from "./socket-table.ts";

/** Makes a socket of a namespace: socket(2). */
export type OpenSocket = (namespace: Namespace, kind: SocketKind, options: SocketOptions) => NodeSocket;

export class Namespace {
  readonly name: string;
  /** What get_netns_cookie gives. */
  readonly cookie: bigint;
  readonly kernel: Kernel;
  readonly interfaces: Interface[] = [];
  readonly lo: Interface;
  readonly neighbours = new Neighbours();
  readonly sockets = new SocketTable();
  /** Programs that choose the socket for a connection or datagram, in order. */
  readonly lookup = new AttachmentList({ twice: null, full: "E2BIG" });
  /** net.ipv4.ip_forward and net.ipv6.conf.all.forwarding. */
  forwarding = false;
  private readonly routes: RouteEntry[] = [];
  private readonly open: OpenSocket;

  /** Made by `Node.namespace`. */
  constructor(kernel: Kernel, name: string, open: OpenSocket) {
    this.kernel = kernel;
    this.name = name;
    this.open = open;
    this.cookie = BigInt(kernel.count("netns"));
    this.lo = this.addInterface("lo", "lo").addAddress("127.0.0.1/8").addAddress("::1/128");
  }

  /** A socket of this namespace: `"tcp"`, `"udp"`, or raw. Refused ones have an `errno`, and every call on them gives EBADF. */
  socket(kind: SocketKind, options: SocketOptions = {}): NodeSocket {
    return this.kernel.operate(() => this.open(this, kind, options));
  }

  // ---- interfaces

  /** The interface of that name. Throws V013 when there is none. */
  interface(name: string): Interface {
    const found = this.findInterface(name);
    if (found !== null) return found;
    const expected = this.interfaces.map((one) => one.name).join(", ");
    throw vmError("V013", `namespace ${this.name} has no interface ${name}`, { expected, found: name });
  }

  /** By name or index; null when there is none. */
  findInterface(which: string | number): Interface | null {
    return this.interfaces.find((one) => one.name === which || one.ifindex === which) ?? null;
  }

  /** A physical interface: what it sends goes to its `wire`, what the test injects (`Node.inject`) it receives. */
  physical(name: string, ...addresses: readonly string[]): Interface {
    const made = this.addInterface(name, "physical");
    for (const address of addresses) made.addAddress(address);
    return made;
  }

  /** `Node.veth` makes pairs of these. Throws V013 for a name that is taken. */
  addInterface(name: string, kind: InterfaceKind, mtu?: number): Interface {
    if (this.findInterface(name) !== null)
      throw vmError("V013", `namespace ${this.name} has an interface ${name} already`, { found: name });
    const ifindex = this.interfaces.length + 1;
    const made = new Interface(this, name, kind, ifindex, macOf(this.kernel, kind), mtu);
    this.interfaces.push(made);
    return made;
  }

  /** Another address of `lo`, as a host has for a service: `10.0.0.1`. */
  addAddress(text: string): this {
    this.lo.addAddress(text);
    return this;
  }

  /** Is it an address of this host? All of 127.0.0.0/8 is. */
  isLocal(address: string): boolean {
    return this.interfaces.some(
      (one) => one.hasAddress(address) || (one.kind === "lo" && isLoopbackNetwork(one, address)),
    );
  }

  // ---- routes and neighbours

  /** A route: `route("default", { via: "10.0.0.254" })`. Throws V013 when it names no interface. */
  route(destination: string, options: RouteOptions = {}): this {
    const { via, metric = 0, type = "unicast" } = options;
    const next = via === undefined ? null : canonicalAddress(via);
    const device = type === "unicast" ? this.routeDevice(options.dev, next, destination) : null;
    this.routes.push({ to: parseDestination(destination), type, device, via: next, metric });
    return this;
  }

  private routeDevice(name: string | undefined, via: string | null, destination: string): Interface {
    if (name !== undefined) return this.interface(name);
    const device = via === null ? null : (findRoute([], this.interfaces, via)?.device ?? null);
    if (device === null)
      throw vmError("V013", `the route to ${destination} names no interface, and none has the next hop on its link`);
    return device;
  }

  /** A permanent neighbour entry; `mac` is `02:00:00:00:00:01`. */
  neighbour(device: string, address: string, mac: Uint8Array): this {
    this.neighbours.set(this.interface(device), canonicalAddress(address), mac);
    return this;
  }

  /** The way to a destination, by interface `device` alone where that is given; null: there is none. */
  routeTo(destination: string, device: Interface | null = null): RouteEntry | null {
    const devices = device === null ? this.interfaces : [device];
    const routes = device === null ? this.routes : this.routes.filter((route) => route.device === device);
    return findRoute(routes, devices, destination);
  }

  /** The address that packets to a destination get as their source; null: none fits. */
  sourceFor(destination: string, device: Interface | null): string | null {
    const family = familyOf(destination);
    if (this.isLocal(destination)) return destination;
    const same = device?.addresses.find((own) => contains(own, destination) && familyOf(own.address) === family);
    return same?.address ?? device?.address(family) ?? this.anyAddress(family);
  }

  private anyAddress(family: Family): string | null {
    return this.interfaces.find((one) => one.kind !== "lo" && one.address(family) !== null)?.address(family) ?? null;
  }
}

function isLoopbackNetwork(device: Interface, address: string): boolean {
  return device.addresses.some((own) => own.length < 32 && contains(own, address));
}

/** lo has none; others get locally administered ones, in order: 02:00:00:00:00:01. */
function macOf(kernel: Kernel, kind: InterfaceKind): Uint8Array {
  const mac = new Uint8Array(6);
  if (kind === "lo") return mac;
  new DataView(mac.buffer).setUint32(2, kernel.count("mac"));
  mac[0] = 2;
  return mac;
}
