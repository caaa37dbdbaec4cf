/**
 * A simulated kernel for one object: its maps, and its programs run one event at a time.
 *
 *   const machine = createMachine(object);
 *   machine.map("blocked").set(key, value);
 *   const { returnValue, packet, fault } = machine.run("filter", { packet: frame });
 *
 * Maps keep their contents between runs, as in the kernel. Programs are linked and compiled when they first run.
 */
import { link } from "../asm/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { MapSpec, ObjectSpec } from "../object/index.ts";
import { Context, contextKindOf } from "./context.ts";
import type { ContextInput } from "./context.ts";
import { vmError } from "./diagnostics.ts";
import { faultOf } from "./engine.ts";
import type { Engine, EngineName, Executable, Execution, HelperFunction } from "./engine.ts";
import { createEngine } from "./engines.ts";
import type { EngineExtras } from "./engines.ts";
import type { Optimizer } from "./jit/optimize.ts";
import { environment } from "./environment.ts";
import type { Environment } from "./environment.ts";
import type { Fault } from "./fault.ts";
import type { FieldValue } from "./fields.ts";
import { helpersOf } from "./helpers/index.ts";
import { Host } from "./host.ts";
import type { Effect, Redirect, Run } from "./host.ts";
import { Interpreter } from "./interpreter.ts";
import { kernelFunctionsOf } from "./kfuncs/index.ts";
import { linkageOf } from "./linkage.ts";
import { keyOf } from "./maps/array.ts";
import { ArrayOfMaps, HashOfMaps, ProgArray, RingbufMap, SocketMap } from "./maps/index.ts";
import type { VmMap } from "./maps/index.ts";
import type { Memory } from "./memory.ts";
import type { Observer } from "./observer.ts";
import { Packet, XDP_LINEAR } from "./packet.ts";
import { References } from "./references.ts";
import { Stepper } from "./stepper.ts";
import { Socket } from "./socket.ts";
import type { SocketFields } from "./socket.ts";
import { PlainWorld } from "./world.ts";
import type { Cgroup, PlainFacts } from "./world.ts";
import { CONTEXTS, PROGRAM_FLAGS } from "../kernel/index.ts";
import type { AttachType, ContextKind, ProgramType } from "../kernel/index.ts";

/** One event. */
export interface RunInput {
  /** xdp, tc: the frame. cgroup_skb, socket_filter: from the network header on. sk_msg: the message. sock_ops: the segment. Not at other hooks. Default: no bytes. */
  readonly packet?: Uint8Array;
  /**
   * How many of its bytes lie where the program can access them directly; the rest is reached by helpers (skb_pull_data,
   * skb_load_bytes, xdp_load_bytes, msg_pull_data). Default: all, and what fits the first buffer for XDP programs that take
   * several (section `xdp.frags`).
   */
  readonly linear?: number;
  /** xdp, tc: what an XDP program before left in front of the frame (xdp_adjust_meta). Default: no bytes. */
  readonly metadata?: Uint8Array;
  /** Fields of the hook's context by the kernel's names: `{ ingress_ifindex: 3 }`, `{ user_ip4: "10.0.0.1", user_port: 80 }`. */
  readonly context?: ContextInput;
  /** The socket that the event is about (cookie, sock_hash_update). Default: none for packets, one of the machine else. */
  readonly socket?: Socket;
  /** The CPU that it happens on. Default 0. */
  readonly cpu?: number;
  /** Hooks of a cgroup: where the program is attached. Default: the socket's, or the current task's. */
  readonly cgroup?: Cgroup;
  /** Hooks of a cgroup: what the call gives so far (get_retval), 0 or a negative errno. Default 0. */
  readonly retval?: number;
  /** sk_reuseport: the connection or request that looks for another listener. Default: none, a packet looks for its socket. */
  readonly migrating?: Socket;
  /** sock_ops: bytes that there are for options in the segment's header (reserve_hdr_opt, store_hdr_opt). Default 40. */
  readonly optionRoom?: number;
}

/** What came of many events. */
export interface BatchResult {
  /** By event: r0's low 32 bits, signed; 0 where there was a fault. */
  readonly returnValues: Int32Array;
  readonly faults: readonly { readonly event: number; readonly fault: Fault }[];
  /** Executed in all runs. */
  readonly instructions: number;
}

export interface RunResult {
  /** r0's low 32 bits, signed (TCX_NEXT is -1); null after a fault. */
  readonly returnValue: number | null;
  readonly fault: Fault | null;
  /** The packet afterwards, a copy; null at hooks without one. */
  readonly packet: Uint8Array | null;
  /** The bytes in front of it afterwards (`RunInput.metadata`), a copy; none at hooks without. */
  readonly metadata: Uint8Array;
  /** Context fields afterwards by the kernel's names, pointers left out. */
  readonly context: Readonly<Record<string, FieldValue>>;
  readonly redirects: readonly Redirect[];
  /** What else helpers asked of the world, in order. */
  readonly effects: readonly Effect[];
  /** `RunInput.retval`, or what set_retval made of it. */
  readonly retval: number;
  /** Instructions executed. */
  readonly instructions: number;
  /** Text of trace_printk, one string per call. */
  readonly trace: readonly string[];
}

/** A program as the machine has it: prepared code and its place in the kernel. */
interface Loaded {
  readonly code: Executable;
  /** Length in 8-byte slots. */
  readonly slots: number;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  readonly kind: ContextKind;
  /** BPF_F_XDP_HAS_FRAGS: takes packets whose later parts are in buffers of their own. */
  readonly frags: boolean;
}

/** The longest options of a TCP header. */
const OPTION_ROOM = 40;

// MAX_TAIL_CALL_CNT, include/linux/bpf.h.
const TAIL_CALLS = 33;

const DEFAULT_COOKIE = 1n;

/** Events that are set up at once, a power of two: each has a packet buffer and a context. */
const BATCH = 64;

interface BatchedRun {
  readonly r0: bigint;
  readonly fault: Fault | null;
}

/** Time, randomness and the like (see Environment), and what the machine is made of. */
export interface MachineOptions extends Partial<Environment> {
  /** What executes the programs. Default "interpreter". */
  readonly engine?: EngineName;
  /** The simulated kernel to be loaded into, whose environment counts. Default: one of its own. */
  readonly host?: Host;
  /** Told of every instruction that is executed; what a program does then takes several times as long. */
  readonly observer?: Observer;
  /** From `loadOptimizer`: goes over what the JIT compiles, which takes tens of milliseconds a program. Default: none. */
  readonly optimizer?: Optimizer;
  /** Maps by name to be used in place of new ones; they must be of the same host. */
  readonly maps?: Readonly<Record<string, VmMap>>;
  /** What is around the programs: interfaces, routes, the current task. For a machine without a `host`. */
  readonly world?: PlainFacts;
}

/**
 * Throws DiagnosticError: V001 and V002 for maps that cannot be simulated or that the kernel would not create, V010 when
 * they are too big.
 */
export function createMachine(object: ObjectSpec, options: MachineOptions = {}): Machine {
  const { engine = "interpreter", host, maps = {}, world = {}, observer = null, optimizer = null, ...env } = options;
  const own = host ?? new Host(environment(env), (sockets) => new PlainWorld(sockets, world));
  return new Machine(object, engine, { observer, optimizer }, own, maps);
}

export class Machine {
  readonly object: ObjectSpec;
  /** By name, as in the object. */
  readonly maps: ReadonlyMap<string, VmMap>;
  private readonly host: Host;
  private readonly helpers: ReadonlyMap<number, HelperFunction>;
  private readonly kernelFunctions: ReadonlyMap<string, HelperFunction>;
  private readonly engine: Engine;
  private readonly programs = new Map<string, Loaded>();
  /** By level: 0 for a run, 1 for a run that a helper of it causes, and so on. */
  private readonly buffers: Buffers[] = [];
  /** As `buffers`, by event of a batch. */
  private readonly batches: Buffers[][] = [];
  private level = 0;
  private defaultSocket: Socket | null = null;
  private nextCookie = DEFAULT_COOKIE + 1n;

  /** Made by `createMachine`. */
  // prettier-ignore
  constructor(object: ObjectSpec, engine: EngineName, extras: EngineExtras, host: Host, maps: Readonly<Record<string, VmMap>>) {
    this.object = object;
    this.host = host;
    const { memory } = host;
    this.maps = new Map(
      object.maps.map((spec) => [spec.name, maps[spec.name] ?? host.createMap(spec, object.btf)]),
    );
    for (const map of this.maps.values()) host.addMap(map);
    for (const spec of object.maps) if (maps[spec.name] === undefined) this.fillEntries(spec);
    this.helpers = helpersOf(host);
    this.kernelFunctions = kernelFunctionsOf(host);
    this.engine = createEngine(engine, memory, extras);
  }

  /** Throws V003 when the object has no such map. */
  map(name: string): VmMap {
    const map = this.maps.get(name);
    if (map === undefined) {
      const expected = [...this.maps.keys()].join(", ") || "the object has no maps";
      throw vmError("V003", `the object has no map ${name}`, { expected, found: name });
    }
    return map;
  }
  /** As `map`, for types with operations of their own: `mapOf("pending", QueueMap)`; V004 when it is of another class. */
  mapOf<M extends VmMap>(name: string, type: abstract new (...args: never[]) => M): M {
    return ofClass(this.map(name), type, type.name);
  }
  /** What a map of maps or a prog_array holds from the start. */
  private fillEntries({ name, entries = [] }: MapSpec): void {
    const map = this.map(name);
    for (const entry of entries) {
      if (map instanceof ProgArray) map.setProgram(entry.index, entry.name);
      else if (map instanceof ArrayOfMaps || map instanceof HashOfMaps)
        map.setInner(keyOf(entry.index), this.map(entry.name));
    }
  }

  /** A further map that programs reach only through a map of maps. Throws V001, V002, V010. */
  createMap(spec: MapSpec): VmMap {
    return this.host.createMap(spec, this.object.btf);
  }
  ringbuf(name: string): RingbufMap {
    return ofClass(this.map(name), RingbufMap, "a ring buffer");
  }
  progArray(name: string): ProgArray {
    return ofClass(this.map(name), ProgArray, "a program array");
  }
  socketMap(name: string): SocketMap {
    return ofClass(this.map(name), SocketMap, "a sockmap or sockhash");
  }

  /** A simulated socket, for `RunInput.socket` and sockmaps. `cookie`: default 2, 3, … */
  createSocket(fields: SocketFields = {}, cookie?: bigint): Socket {
    const socket = new Socket(this.host.memory, cookie ?? this.nextCookie++, fields);
    this.host.addSocket(socket);
    return socket;
  }

  /**
   * Runs a program on an event. What the program does wrong is in the result (`fault`); what the caller does wrong is
   * thrown as DiagnosticError: A009 and others of lib/asm for a program that cannot be linked, V007 to V009 for an input
   * that does not fit the hook. A helper may cause another run: packet, context and stacks of the outer one stay.
   */
  run(programName: string, input: RunInput = {}): RunResult {
    const program = this.load(programName);
    const run = this.prepare(program, input);
    const r1 = BigInt(run.context.region.start);
    const { instructionLimit } = this.host.environment;
    this.level++;
    try {
      const execution = this.host.during(run, () => program.code.run(r1, 0n, instructionLimit));
      return this.finish(program, run, execution);
    } finally {
      this.level--;
    }
  }

  /**
   * Runs a program on many events, one after the other, as fast as the engine can: the JIT goes through as many as it has
   * buffers for in one call. Packets and contexts afterwards are not kept. Throws as `run`.
   */
  runBatch(programName: string, inputs: readonly RunInput[]): BatchResult {
    const program = this.load(programName);
    const returnValues = new Int32Array(inputs.length);
    const faults: { event: number; fault: Fault }[] = [];
    let instructions = 0;
    const size = this.runsApart ? 1 : BATCH;
    for (let first = 0; first < inputs.length; first += size) {
      const runs = inputs
        .slice(first, first + size)
        .map((input, i) => this.prepare(program, input, this.batchBuffers(i)));
      const { executions, total } = this.executeBatch(program, runs);
      instructions += total;
      executions.forEach(({ r0, fault: found }, i) => {
        const fault = found ?? this.leak(program, runs[i] as Run);
        if (fault === null) returnValues[first + i] = Number(BigInt.asIntN(32, r0));
        else faults.push({ event: first + i, fault });
      });
    }
    return { returnValues, faults, instructions };
  }

  /**
   * Runs a program `times` on one event without setting it up anew in between, as the kernel's BPF_PROG_TEST_RUN does
   * with `repeat`: for measuring. The result is that of the last run, with the instructions of all; the first fault ends
   * it. Throws as `run`.
   */
  repeat(programName: string, input: RunInput, times: number): RunResult {
    const program = this.load(programName);
    const run = this.prepare(program, input);
    const ring = { args: Uint32Array.of(run.context.region.start, 0), results: new BigUint64Array(1) };
    const { instructionLimit } = this.host.environment;
    const most = this.runsApart ? 1 : times;
    let [instructions, fault]: [number, Fault | null] = [0, null];
    this.level++;
    try {
      for (let done = 0; done < times && fault === null; done += most) {
        run.tailCalls = 0;
        const batch = this.host.during(run, () => program.code.runBatch(ring, most, instructionLimit));
        instructions += batch.instructions;
        ({ fault } = batch);
      }
      return this.finish(program, run, { r0: ring.results[0] ?? 0n, instructions, fault });
    } finally {
      this.level--;
    }
  }

  /** Some things are looked at after each run: records that were forgotten, the number of tail calls. */
  private get runsApart(): boolean {
    return this.host.ringBuffers.length > 0 || [...this.maps.values()].some((map) => map instanceof ProgArray);
  }

  /** Executes prepared runs; one that faults does not keep the others from running. */
  private executeBatch({ code }: Loaded, runs: readonly Run[]): { executions: BatchedRun[]; total: number } {
    const { instructionLimit } = this.host.environment;
    const executions: BatchedRun[] = [];
    let total = 0;
    this.level++;
    try {
      while (executions.length < runs.length) {
        const rest = runs.slice(executions.length);
        const ring = { args: new Uint32Array(2 * BATCH), results: new BigUint64Array(BATCH) };
        rest.forEach((run, i) => (ring.args[2 * i] = run.context.region.start));
        // prettier-ignore
        const { done, instructions, fault } = this.host.duringOne(
          () => rest[this.engine.batchIndex],
          () => code.runBatch(ring, rest.length, instructionLimit),
        );
        total += instructions;
        for (let i = 0; i < done; i++) executions.push({ r0: ring.results[i] ?? 0n, fault: null });
        if (fault !== null) executions.push({ r0: 0n, fault });
      }
    } finally {
      this.level--;
    }
    return { executions, total };
  }

  /** The buffers of an event of a batch at the current level. */
  private batchBuffers(index: number): Buffers {
    const ofLevel = (this.batches[this.level] ??= []);
    return (ofLevel[index] ??= new Buffers(this.host.memory));
  }

  /**
   * A run to be stepped; takes the same as `run`. Until it has ended or was stopped, other runs of the machine are runs
   * within it. Throws as `run`, and V015 for an engine other than the interpreter.
   */
  debug(programName: string, input: RunInput = {}): Stepper {
    const { engine, host } = this;
    if (!(engine instanceof Interpreter)) throw vmError("V015", "debugging compiled code", { found: engine.name });
    const program = this.load(programName);
    const run = this.prepare(program, input);
    const level = this.level++;
    const { instructionLimit } = host.environment;
    const stepped = engine.debug(program.code, [BigInt(run.context.region.start), 0n, 0n, 0n, 0n], instructionLimit);
    let result: RunResult | null = null;
    const end = (execution: Execution): void => {
      this.level = level;
      result = this.finish(program, run, execution);
    };
    const stepOrStop = (act: () => void): void => {
      if (stepped.execution !== null) return;
      host.during(run, act);
      if (stepped.execution !== null) end(stepped.execution);
    };
    return new Stepper(
      {
        moment: () => stepped.moment,
        callers: () => stepped.callers,
        result: () => result,
        step: () => stepOrStop(() => stepped.step()),
        stop: () => stepOrStop(() => stepped.stop()),
        packet: () => run.packet?.contents() ?? null,
      },
      host.memory,
    );
  }

  /**
   * Runs the timers of map values that are due by the environment's clock, or at `now` (nanoseconds). What goes wrong in a
   * callback is in the result.
   */
  expireTimers(now?: bigint): Fault[] {
    return this.host.expireTimers(now);
  }
  /** When the next timer of a map value is due; null when none is running. */
  get nextTimer(): bigint | null {
    return this.host.timers.next;
  }

  /** What a register's value points to: `packet+14`, `value of map flows+8`; null when it is no address. */
  describe(value: bigint): string | null {
    return this.host.memory.whereIs(value);
  }

  /** `given`: buffers; default those of the level. */
  private prepare(program: Loaded, input: RunInput, given: Buffers | null = null): Run {
    const { kind, type } = program;
    const hasPacket = CONTEXTS[kind].packet !== null;
    if (input.packet !== undefined && !hasPacket) throw vmError("V009", `${kind} has no packet`);
    const buffers = given ?? (this.buffers[this.level] ??= new Buffers(this.host.memory));
    const packet = hasPacket ? buffers.packet : null;
    const bytes = input.packet ?? new Uint8Array(0);
    packet?.load(bytes, input.linear ?? (program.frags ? XDP_LINEAR : bytes.length), input.metadata);
    const cpu = input.cpu ?? 0;
    // prettier-ignore
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= this.host.environment.cpus) {
      throw vmError("V009", `there is no CPU ${cpu}`, { expected: `0 to ${this.host.environment.cpus - 1} (option cpus)`, found: String(cpu) });
    }
    const socket = input.socket ?? (needsSocket(kind) ? this.socketOfMachine() : null);
    const context = buffers.context(kind);
    context.fill(program, input.context ?? {}, packet, socket);
    if (input.migrating !== undefined) context.setPointer("migrating_sk", input.migrating.region.start);
    return {
      type,
      attach: program.attach,
      context,
      packet,
      socket,
      cpu,
      engine: this.engine,
      redirects: [],
      trace: [],
      tailCalls: 0,
      effects: [],
      references: new References(),
      pieces: null,
      lock: null,
      cgroup: () => input.cgroup ?? this.cgroupOf(socket),
      optionRoom: input.optionRoom ?? OPTION_ROOM,
      skb: null,
      retval: input.retval ?? 0,
    };
  }

  private finish(program: Loaded, run: Run, execution: Execution): RunResult {
    const fault = execution.fault ?? this.leak(program, run);
    const context = run.context.snapshot();
    return {
      returnValue: fault === null ? Number(BigInt.asIntN(32, execution.r0)) : null,
      fault,
      packet: run.packet?.contents() ?? null,
      metadata: run.packet?.metadata ?? new Uint8Array(0),
      get context() {
        return context();
      },
      redirects: run.redirects,
      effects: run.effects,
      get retval() {
        return program.kind === "bpf_sockopt" ? Number(context()["retval"]) : run.retval;
      },
      instructions: execution.instructions,
      trace: run.trace,
    };
  }

  /** Something that was acquired and forgotten: the kernel's verifier refuses such a program. */
  private leak({ code, slots }: Loaded, { references }: Run): Fault | null {
    const records = this.host.ringBuffers.map((ring) => ring.checkReleased());
    const trap = [...records, references.leaked()].find((one) => one !== null) ?? null;
    return trap === null ? null : faultOf(trap, code, slots - 1);
  }

  private load(name: string): Loaded {
    const known = this.programs.get(name);
    if (known !== undefined) return known;
    const linked = link(this.object, name);
    const { type, attach } = linked;
    const kind = contextKindOf(type);
    if (kind === null)
      throw vmError("V008", `program ${name} is of type ${type}, which is not simulated`, { found: type });
    // prettier-ignore
    const code = this.engine.prepare(linked, linkageOf(linked, {
      maps: this.maps,
      helpers: this.helpers,
      kernelFunctions: this.kernelFunctions,
      tailCall: (map, index) => this.tailCall(map, index),
      packet: () => this.host.run.packet,
    }));
    const slots = linked.insns.reduce((sum, insn) => sum + slotsOf(insn), 0);
    const frags = type === "xdp" && (linked.flags & PROGRAM_FLAGS.xdp_has_frags) !== 0;
    const program = { code, slots, type, attach, kind, frags };
    this.programs.set(name, program);
    return program;
  }

  private tailCall(register: bigint, index: bigint): Executable | null {
    const map = this.host.mapOf(register, ProgArray, "program array");
    const name = map.getProgram(Number(BigInt.asUintN(32, index)));
    const { run } = this.host;
    if (name === null || run.tailCalls >= TAIL_CALLS) return null;
    run.tailCalls++;
    return this.load(name).code;
  }

  private cgroupOf(socket: Socket | null): Cgroup {
    const { world } = this.host;
    return socket === null ? world.task().cgroup : world.sockets.cgroup(socket);
  }

  private socketOfMachine(): Socket {
    this.defaultSocket ??= this.createSocket({}, DEFAULT_COOKIE);
    return this.defaultSocket;
  }
}

/** The memory of one event at a time, made when first needed. */
class Buffers {
  private readonly memory: Memory;
  private readonly contexts = new Map<ContextKind, Context>();
  readonly packet: Packet;

  constructor(memory: Memory) {
    this.memory = memory;
    this.packet = new Packet(memory, "packet");
  }

  context(kind: ContextKind): Context {
    const context = this.contexts.get(kind) ?? new Context(this.memory, kind);
    this.contexts.set(kind, context);
    return context;
  }
}

/** Hooks of sockets always have one; packets may, sk_lookup looks for one. */
function needsSocket(kind: ContextKind): boolean {
  return kind === "bpf_sock_addr" || kind === "bpf_sock_ops" || kind === "sk_msg_md";
}

function ofClass<M extends VmMap>(map: VmMap, type: abstract new (...args: never[]) => M, what: string): M {
  if (map instanceof type) return map;
  throw vmError("V004", `map ${map.name} is not ${what}`, { expected: what, found: map.spec.type });
}
