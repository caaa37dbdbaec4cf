/**
 * What helpers work on: the machine's memory, maps and environment, and the run that is going on.
 */
import type { AttachType, ProgramType } from "../kernel/index.ts";
import type { Context } from "./context.ts";
import type { Engine, Execution } from "./engine.ts";
import type { Environment } from "./environment.ts";
import { Trap } from "./fault.ts";
import type { Fault } from "./fault.ts";
import type { Btf } from "../btf/index.ts";
import type { MapSpec } from "../object/index.ts";
import { RingbufMap, createMap } from "./maps/index.ts";
import type { Device, VmMap } from "./maps/index.ts";
import { Memory } from "./memory.ts";
import type { Region } from "./memory.ts";
import type { Packet } from "./packet.ts";
import { References } from "./references.ts";
import type { Skb } from "./skb.ts";
import type { Socket } from "./socket.ts";
import { PlainWorld } from "./world.ts";
import { TIMER_BYTES, Timers } from "./timers.ts";
import type { Timer } from "./timers.ts";
import type { Cgroup, Endpoint, World } from "./world.ts";

/**
 * A redirection that a helper asked for. It takes effect when the program's verdict says so (XDP_REDIRECT,
 * TC_ACT_REDIRECT; for sockets SK_PASS), and then the last one counts; a clone goes out at once.
 */
// prettier-ignore
export type Redirect =
  | { readonly kind: "interface" | "peer" | "neigh"; readonly ifindex: number; readonly flags: bigint }
  /** redirect_map: to one device or, broadcast, to several; to a CPU, whose entry may have a program (xdp_cpumap). */
  | { readonly kind: "devices"; readonly map: string; readonly devices: readonly Device[]; readonly flags: bigint }
  | { readonly kind: "cpu"; readonly map: string; readonly cpu: number; readonly program: string | null; readonly flags: bigint }
  /** clone_redirect: `packet` is the copy that went out, as the packet was then. */
  | { readonly kind: "clone"; readonly ifindex: number; readonly flags: bigint; readonly packet: Uint8Array }
  /** To a socket of a sockmap or sockhash: `ingress` to its receive queue, else out through it. */
  | { readonly kind: "socket"; readonly map: string; readonly key: Uint8Array; readonly socket: Socket; readonly ingress: boolean }
  /** sk_assign, sk_select_reuseport: who gets the packet or connection; null takes an earlier choice back.
   * `reuseport`: the socket's group may still choose another member. */
  | { readonly kind: "assign"; readonly socket: Socket | null; readonly reuseport: boolean };

/** What a helper asked of the world besides redirections. The world (world.ts) has been told already where that matters. */
// prettier-ignore
export type Effect =
  | { readonly kind: "option"; readonly socket: Socket; readonly level: number; readonly name: number; readonly value: Uint8Array }
  | { readonly kind: "bind"; readonly socket: Socket; readonly to: Endpoint }
  | { readonly kind: "callback_flags"; readonly socket: Socket; readonly flags: number }
  /** reserve_hdr_opt, store_hdr_opt: bytes asked for, and an option that was written. */
  | { readonly kind: "reserve_options"; readonly bytes: number }
  | { readonly kind: "header_option"; readonly option: Uint8Array }
  /** msg_apply_bytes, msg_cork_bytes: the last of each counts. */
  | { readonly kind: "apply_bytes" | "cork_bytes"; readonly bytes: number };

/** What a run has besides registers. */
export interface Run {
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  readonly context: Context;
  readonly packet: Packet | null;
  readonly socket: Socket | null;
  readonly cpu: number;
  /** What executes it: helpers that take a function call it back there. */
  readonly engine: Engine;
  readonly redirects: Redirect[];
  /** Text of trace_printk, one string per call. */
  readonly trace: string[];
  /** Tail calls taken so far. */
  tailCalls: number;
  readonly effects: Effect[];
  /** What the program has acquired and must give back. */
  readonly references: References;
  /** sk_msg: lengths of the message's pieces; made when a helper first needs them (helpers/message.ts). */
  pieces: number[] | null;
  /** The spin lock that is held, by address. */
  lock: number | null;
  /** The cgroup that the program is attached to. */
  readonly cgroup: () => Cgroup;
  /** sock_ops: bytes that there still are for header options. */
  optionRoom: number;
  /** What the packet has besides bytes; made when a helper first needs it (skb.ts). */
  skb: Skb | null;
  /** What the call gives that the event is a part of: get_retval, set_retval. */
  retval: number;
}

/**
 * What machines on one simulated kernel share: memory, sockets and maps. The maps of several objects may be given to one
 * host, so that programs of one see what programs of another put into a map that they share.
 */
export class Host {
  readonly memory = new Memory();
  readonly environment: Environment;
  readonly world: World;
  readonly ringBuffers: RingbufMap[] = [];
  readonly timers = new Timers();
  private readonly objects = new Map<number, object>();
  private readonly objectHandles = new WeakMap<object, Region>();
  /** Numbers by which user space knows maps and programs (their names). */
  private readonly ids = new Map<object | string, number>();
  private readonly mapsByAddress = new Map<number, VmMap>();
  private readonly socketsByAddress = new Map<number, Socket>();
  private readonly sockets = new Set<Socket>();
  private readonly views = new WeakMap<Socket, Map<string, Region>>();
  /** Innermost last: what a helper does may cause another event, at which another program runs. */
  private readonly runs: (() => Run | undefined)[] = [];

  /** `world` gets all sockets, those that are made later too. Default: a plain one, which knows nothing else. */
  constructor(environment: Environment, world?: (sockets: Iterable<Socket>) => World) {
    this.environment = environment;
    this.world = world?.(this.sockets) ?? new PlainWorld(this.sockets);
  }

  /** A new map, known to helpers. `btf`: types of the object that it is of. Throws V001, V002, V010. */
  createMap(spec: MapSpec, btf: Btf): VmMap {
    const map = createMap(spec, {
      memory: this.memory,
      cpus: this.environment.cpus,
      btf,
      idOf: (object) => this.idOf(object),
      hasInterface: (ifindex) => this.world.network.interface(ifindex) !== null,
    });
    this.addMap(map);
    return map;
  }

  /** A socket, cgroup or task is gone: storage that hangs on it and entries that hold it go too. */
  dropObject(object: object): void {
    for (const map of this.mapsByAddress.values()) map.dropObject(object);
  }

  /** A socket came of another, which has values in maps. */
  cloneObject(from: object, to: object): void {
    for (const map of this.mapsByAddress.values()) map.cloneTo(from, to);
  }

  private idOf(object: object | string): number {
    const known = this.ids.get(object);
    if (known !== undefined) return known;
    const id = this.ids.size + 1;
    this.ids.set(object, id);
    return id;
  }

  /** Makes a map known to helpers; again is no harm. */
  addMap(map: VmMap): void {
    if (this.mapsByAddress.has(map.handle.start)) return;
    this.mapsByAddress.set(map.handle.start, map);
    if (map instanceof RingbufMap) this.ringBuffers.push(map);
  }

  /** Calls `execute` while helpers work on `run`. */
  during<T>(run: Run, execute: () => T): T {
    return this.duringOne(() => run, execute);
  }

  /** As `during`, of an execution that changes from run to run: `current` gives the one that is going on. */
  duringOne<T>(current: () => Run | undefined, execute: () => T): T {
    this.runs.push(current);
    try {
      return execute();
    } finally {
      this.runs.pop();
    }
  }

  get run(): Run {
    const run = this.runs.at(-1)?.();
    if (run === undefined) throw new Error("a helper was called outside a run");
    return run;
  }

  addSocket(socket: Socket): void {
    this.socketsByAddress.set(socket.region.start, socket);
    this.sockets.add(socket);
  }

  /**
   * The address of a task, cgroup or the like, by which a program may hand it to helpers; the same each time. `name`: its
   * structure in the kernel, whose layout is nothing that is simulated.
   */
  objectAddress(object: object, name: string): number {
    const known = this.objectHandles.get(object);
    if (known !== undefined) return known.start;
    const region = this.memory.map(name, 0, { opaque: "fields of the kernel's own structures are not simulated" });
    this.objectHandles.set(object, region);
    this.objects.set(region.start, object);
    return region.start;
  }

  /** What `objectAddress` gave an address; a trap for anything else. */
  object(register: bigint): object {
    const object = this.objects.get(Number(register));
    if (object === undefined)
      throw new Trap("argument", `a helper was called with 0x${register.toString(16)} where it takes a kernel object`);
    return object;
  }

  /** Another structure by which programs know a socket; the same each time. Its address is taken for the socket's. */
  socketView(socket: Socket, name: string, size: number): Region {
    const views = this.views.get(socket) ?? new Map<string, Region>();
    this.views.set(socket, views);
    const known = views.get(name);
    if (known !== undefined) return known;
    const region = this.memory.map(name, size, { writable: false });
    views.set(name, region);
    this.socketsByAddress.set(region.start, socket);
    return region;
  }

  /**
   * Runs the timers of map values that are due now, or at `now`: a callback gets map, key and value. What goes wrong in one
   * is in the result; a timer of an entry that was deleted is gone.
   */
  expireTimers(now = this.environment.now()): Fault[] {
    const faults: Fault[] = [];
    this.timers.expire(now, (timer) => {
      const fault = this.fire(timer);
      if (fault !== null) faults.push(fault);
    });
    return faults;
  }

  private fire({ map, address, callback, run: started }: Timer): Fault | null {
    if (started === null || callback === null) return null;
    // The value may be another entry's by now.
    if (this.timers.at(address, this.bytes(BigInt(address), TIMER_BYTES)) === null) return null;
    const run: Run = { ...started, packet: null, skb: null, lock: null, references: new References(), tailCalls: 0 };
    let fault: Fault | null = null;
    map.forEach((key, value) => {
      if (address < value || address >= value + map.spec.valueSize) return true;
      const call = (): Execution =>
        run.engine.run(
          callback,
          [BigInt(map.handle.start), BigInt(key), BigInt(value), 0n, 0n],
          this.environment.instructionLimit,
        );
      fault = this.during(run, call).fault;
      return false;
    }, run.cpu);
    return fault;
  }

  /** The map that a register holds; a trap for anything else. */
  map(register: bigint): VmMap {
    const map = this.mapsByAddress.get(Number(register));
    if (map === undefined)
      throw new Trap("argument", `a helper was called with 0x${register.toString(16)} where it takes a map`);
    return map;
  }

  /** As `map`, of a certain class; `kind` is how the message calls it. */
  mapOf<M extends VmMap>(register: bigint, type: abstract new (...args: never[]) => M, kind: string): M {
    const map = this.map(register);
    if (!(map instanceof type))
      throw new Trap("argument", `the helper takes a ${kind}, not map ${map.name} (${map.spec.type})`);
    return map;
  }

  /** The socket that a register points to, or null for a null pointer. */
  socket(register: bigint): Socket | null {
    if (register === 0n) return null;
    const socket = this.socketsByAddress.get(Number(register));
    if (socket === undefined)
      throw new Trap("argument", `a helper was called with 0x${register.toString(16)} where it takes a socket`);
    return socket;
  }

  /** `size` bytes that a register points to. */
  bytes(register: bigint, size: number, write = false): Uint8Array {
    return this.memory.slice(Number(register), size, write);
  }

  /** The run's packet; a trap at hooks that have none. */
  packet(helper: string): Packet {
    const { packet, context } = this.run;
    if (packet === null) throw new Trap("helper", `helper ${helper} needs a packet, and ${context.kind} has none`);
    return packet;
  }
}
