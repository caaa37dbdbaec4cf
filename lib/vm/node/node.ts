/**
 * A simulated node: namespaces with interfaces and sockets, a cgroup tree, and programs attached to them, in virtual time.
 *
 *   const node = createNode();
 *   const machine = createMachine(object, { host: node.host });
 *   const pod = node.namespace("pod");
 *   node.attach(machine, "redirect", { cgroup: "/" });
 *   const server = pod.socket("tcp");
 *   server.bind("127.0.0.1:8080");
 *   server.listen();
 *   const client = pod.socket("tcp", { cgroup: "/a" });
 *   client.connect("127.0.0.1:80");                       // "ok", or an error's name
 */
import { vmError } from "../diagnostics.ts";
import type { Environment } from "../environment.ts";
import { errnoName } from "../errno.ts";
import type { Host } from "../host.ts";
import type { Machine } from "../machine.ts";
import { MapError, ReuseportArray, SocketMap } from "../maps/index.ts";
import type { DeviceMap, SetMode, VmMap } from "../maps/index.ts";
import type { Task } from "../world.ts";
import { Attachment } from "./attach.ts";
import type { Outcome, Place, Position } from "./attach.ts";
import { Cgroup } from "./cgroup.ts";
import type { CgroupMode, CgroupPosition } from "./cgroup.ts";
import { judgeSock } from "./cgroup-sock.ts";
import { receiveFrame } from "./device.ts";
import { PROTOCOL } from "./frame.ts";
import type { Interface } from "./interface.ts";
import { nextHop, receive } from "./ip.ts";
import { Kernel } from "./kernel.ts";
import type { Upward } from "./kernel.ts";
import type { Log } from "./log.ts";
import { Namespace } from "./namespace.ts";
import { Program } from "./program.ts";
import { NodeSocket, RawSock } from "./socket.ts";
import type { Origin, SocketKind, SocketOptions } from "./socket.ts";
import { Sockmaps } from "./sockmap.ts";
import { isMember } from "./reuseport-group.ts";
import type { Sock } from "./sock.ts";
import { receiveTcp } from "./tcp-input.ts";
import { TcpSock } from "./tcp-sock.ts";
import { UdpSock, receiveIcmp, receiveUdp } from "./udp.ts";
import { NodeWorld } from "./world.ts";

/** Where a program is attached. Which hook it is there, the program's attach type says. */
export type Where =
  /** All hooks of cgroups. `mode`: default `link`. */
  | ({ readonly cgroup: string; readonly mode?: CgroupMode } & CgroupPosition)
  /** sk_msg and sk_skb: sockets that enter the map from now on are judged. */
  | { readonly map: VmMap }
  /** sk_lookup. */
  | { readonly namespace: Namespace }
  /** tcx and XDP. */
  | ({ readonly interface: Interface } & Position);

/** One end of a veth pair. */
export interface VethEnd {
  readonly namespace: Namespace;
  readonly name: string;
  /** With prefix lengths: `10.0.0.1/24`. */
  readonly addresses?: readonly string[];
  /** `02:00:00:00:00:01`. Default: one of the node's own, in order. */
  readonly mac?: string;
}

export interface NodeOptions extends Partial<Environment> {
  /** Default 1500. */
  readonly vethMtu?: number;
}

/** What layers hand upwards to. */
const UP: Upward = {
  network: receive,
  nextHop,
  transports: new Map([
    [PROTOCOL.tcp, receiveTcp],
    [PROTOCOL.udp, receiveUdp],
    [PROTOCOL.icmp, receiveIcmp],
    [PROTOCOL.icmpv6, receiveIcmp],
  ]),
};

const PID = 1;

export function createNode(options: NodeOptions = {}): Node {
  return new Node(options);
}

export class Node {
  private readonly kernel: Kernel;
  private readonly root: Cgroup;
  private readonly namespaces = new Map<string, Namespace>();
  private readonly vethMtu: number;
  private readonly sockmaps = new Sockmaps();

  /** Made by `createNode`. */
  constructor({ vethMtu = 1500, ...environment }: NodeOptions) {
    let id = 0;
    this.vethMtu = vethMtu;
    this.root = new Cgroup("/", null, () => ++id);
    const { root } = this;
    this.kernel = new Kernel(environment, UP, (kernel) => new NodeWorld(kernel, root), taskIn(root, 0));
  }

  /** For `createMachine(object, { host })`: programs that run on this node share its memory, sockets and time. */
  get host(): Host {
    return this.kernel.host;
  }
  get log(): Log {
    return this.kernel.log;
  }
  /** Milliseconds of virtual time since boot. */
  get now(): number {
    return this.kernel.clock.now;
  }

  /** Lets time pass: retransmissions, delayed acknowledgements and the like happen at their moments. */
  advance(ms: number): void {
    this.kernel.advance(ms);
  }

  // ---- what there is

  /** The namespace of that name, made when it is named first. */
  namespace(name: string): Namespace {
    const known = this.namespaces.get(name);
    if (known !== undefined) return known;
    const made = new Namespace(this.kernel, name, (namespace, kind, options) => this.open(namespace, kind, options));
    this.namespaces.set(name, made);
    return made;
  }

  /** The cgroup at a path, made when it is named first: `/a/b`. */
  cgroup(path: string): Cgroup {
    return this.root.at(path);
  }

  /** Two interfaces, each the other's wire. */
  veth(a: VethEnd, b: VethEnd): readonly [Interface, Interface] {
    const [one, two] = [a, b].map(({ namespace, name, addresses = [], mac }) => {
      const made = namespace.addInterface(name, "veth", this.vethMtu);
      if (mac !== undefined) made.mac.set(mac.split(":").map((byte) => Number.parseInt(byte, 16)));
      for (const address of addresses) made.addAddress(address);
      return made;
    }) as [Interface, Interface];
    one.peer = two;
    two.peer = one;
    return [one, two];
  }

  /** A frame comes in at an interface, as from its wire. */
  inject(device: Interface, frame: Uint8Array): void {
    this.kernel.operate(() => receiveFrame(device, frame.slice()));
  }

  private open(namespace: Namespace, kind: SocketKind, options: SocketOptions): NodeSocket {
    const { family = "inet", cgroup: path = "/", uid = 0, nonblock = false, protocol = 0 } = options;
    const cgroup = this.cgroup(path);
    const origin: Origin = { kernel: this.kernel, namespace, cgroup, family, uid, nonblock, task: taskIn(cgroup, uid) };
    const sock = makeSock(kind, origin, protocol);
    if (kind === "raw" && uid !== 0) return new NodeSocket(origin, sock, "EPERM");
    const retval = judgeSock(sock, "create");
    return new NodeSocket(origin, sock, retval < 0 ? errnoName(-retval) : null);
  }

  // ---- programs

  /** Attaches a program of a machine; `errno` of what it gives says why the kernel would refuse. Throws V012, V013. */
  attach(machine: Machine, name: string, where: Where): Attachment {
    const program = this.program(machine, name);
    if ("cgroup" in where) return this.attachCgroup(program, where);
    if ("map" in where) return this.sockmaps.attach(socketMap(where.map), program);
    if ("namespace" in where) return where.namespace.lookup.attach(program);
    return attachDevice(program, where);
  }

  private attachCgroup(
    program: Program,
    { cgroup, mode = "link", ...position }: Extract<Where, { cgroup: string }>,
  ): Attachment {
    if (program.attach === null) throw noPlace(program, "a cgroup");
    return this.cgroup(cgroup).attach(program, program.attach, mode, position);
  }

  /** The program by name, for `Attachment.replace`. */
  program(machine: Machine, name: string): Program {
    for (const map of machine.maps.values()) this.watch(map);
    return new Program(this.kernel, machine, name);
  }

  /** Puts a socket into a sockmap, sockhash or reuseport_sockarray, as bpf(2) does with its descriptor. */
  put(map: VmMap, key: Uint8Array, socket: NodeSocket, mode: SetMode = "any"): Outcome {
    this.watch(map);
    return this.kernel.operate(() => outcomeOf(() => putSocket(map, key, socket, mode)));
  }

  /**
   * Puts an interface into a devmap or devmap_hash. `program`: one with attach type xdp_devmap, of the machine whose program
   * redirects, that sees what leaves.
   */
  putDevice(map: DeviceMap, key: number, device: Interface, program: string | null = null): Outcome {
    const put = (): void => map.setDevice(key, { ifindex: device.ifindex, program });
    return outcomeOf(() => this.kernel.within(device.namespace, put));
  }

  /** Sockets of the node that enter the map get its programs. */
  private watch(map: VmMap): void {
    if (map instanceof SocketMap) map.guard = this.sockmaps;
  }
}

function makeSock(kind: SocketKind, origin: Origin, protocol: number): NodeSocketKind {
  if (kind === "tcp") return new TcpSock(origin);
  return kind === "udp" ? new UdpSock(origin) : new RawSock({ ...origin, protocol });
}
type NodeSocketKind = TcpSock | UdpSock | RawSock;

function taskIn(cgroup: Cgroup, uid: number): Task {
  return { pid: PID, tgid: PID, uid, gid: uid, comm: "node", cgroup };
}

function attachDevice(
  program: Program,
  { interface: device, ...position }: Extract<Where, { interface: Interface }>,
): Attachment {
  if (program.type === "xdp") return attachXdp(program, device);
  if (program.attach === "tcx_egress") return device.tcx.egress.attach(program, position);
  if (program.attach === "tcx_ingress") return device.tcx.ingress.attach(program, position);
  throw noPlace(program, "an interface");
}

/** One program, and a second one is refused (EBUSY). */
function attachXdp(program: Program, device: Interface): Attachment {
  if (device.xdp !== null) return new Attachment(program, null, "EBUSY");
  const place: Place = {
    detach: () => {
      device.xdp = null;
      return "ok";
    },
    replace: () => "ok",
  };
  device.xdp = new Attachment(program, place);
  return device.xdp;
}

function socketMap(map: VmMap): SocketMap {
  if (map instanceof SocketMap) return map;
  throw vmError("V004", `map ${map.name} is not a sockmap or sockhash`, { found: map.spec.type });
}

function putSocket(map: VmMap, key: Uint8Array, { sock, vm }: NodeSocket, mode: SetMode): Outcome | void {
  if (map instanceof ReuseportArray) return putMember(map, key, sock, mode);
  socketMap(map).setSocket(key, vm, mode);
}

/** Nothing, or what a map refused. */
function outcomeOf(put: () => Outcome | void): Outcome {
  try {
    return put() ?? "ok";
  } catch (failure) {
    if (failure instanceof MapError) return errnoName(failure.errno);
    throw failure;
  }
}

/** Only members of a group that take packets, and only ones that are in no other map of sockets. */
function putMember(map: ReuseportArray, key: Uint8Array, sock: Sock, mode: SetMode): Outcome {
  const index = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
  const wrongMode = mode !== "any" && (map.at(index) === null) !== (mode === "create");
  if (index < map.spec.maxEntries && !wrongMode && sock.type !== "raw") {
    if (sock.reuseport?.socks.includes(sock) !== true || sock.local.port === 0) return "EINVAL";
    if (sock.psock !== null || isMember(sock)) return "EBUSY";
  }
  map.setSocket(index, sock.publish(), mode);
  sock.arrays.push(map);
  return "ok";
}

function noPlace({ name, type, attach }: Program, what: string): Error {
  return vmError("V014", `program ${name} cannot be attached to ${what}`, { found: attach ?? type });
}
