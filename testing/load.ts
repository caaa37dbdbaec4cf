/**
 * Loading programs for tests.
 *
 *   const filter = await loadProgram("filter.ts");
 *   filter.map("blocked").set(23, { value: 1 });
 *   expect(filter.run(packet.tcp({ dst: "10.0.0.2:23" }))).toDrop();
 *
 * The same test runs on each engine and in the kernel: `loadProgram("filter.ts", target.options)` with the `targets()`.
 */
import type { ObjectSpec, ProgramSpec, Value } from "../lib/object/index.ts";
import type { EngineName, Environment, Machine, MapView, PlainFacts, Socket, SocketFields } from "../lib/vm/index.ts";
import type { LoadedObject } from "../loader/index.ts";
import { processCoverage } from "./coverage/record.ts";
import type { Coverage } from "./coverage/record.ts";
import { testingError } from "./diagnostics.ts";
import { KernelTarget, loadIntoKernel } from "./kernel-target.ts";
import { makeResult } from "./result.ts";
import type { Event, Input, TargetName, TestResult } from "./result.ts";
import { changeObject, readSource } from "./source.ts";
import type { Changes, ProgramSource } from "./source.ts";
import type { Target } from "./target.ts";
import { VmTarget } from "./vm-target.ts";

export interface LoadOptions extends Changes, Partial<Environment> {
  /** What executes the programs in the simulated machine. Default "interpreter". */
  readonly engine?: EngineName;
  /** "kernel": this machine's, by BPF_PROG_TEST_RUN; needs privilege. Default "vm", the simulated machine. */
  readonly against?: "vm" | "kernel";
  /** Interface numbers by name, for `toRedirectTo("eth0")`. */
  readonly interfaces?: Readonly<Record<string, number>>;
  /** Collects which lines and branches of the sources are executed. Interpreter only, and sources on disk. */
  readonly coverage?: Coverage;
  /** What is around the programs: interfaces, routes, the current task. Simulated machine only. */
  readonly world?: PlainFacts;
}

export interface LoadProgramOptions extends LoadOptions {
  /** Its name in the object; default: the only one. */
  readonly program?: string;
}

/**
 * Loads one program. Closing it closes the object. Throws DiagnosticError: errors of the compiler, T001 for a program that is
 * not there, T003 where the kernel is not to be had, T004 for changes to what is not there; VerifierError of the loader.
 */
export async function loadProgram(source: ProgramSource, options: LoadProgramOptions = {}): Promise<TestProgram> {
  const object = await loadObject(source, options);
  try {
    return object.program(options.program);
  } catch (error) {
    object.close();
    throw error;
  }
}

/** Loads all programs of an object, which share its maps. Throws as `loadProgram`. */
export async function loadObject(source: ProgramSource, options: LoadOptions = {}): Promise<TestObject> {
  const { object, root } = await readSource(source);
  const changed = changeObject(object, options);
  const target = await makeTarget(changed, root, options);
  return new TestObject(changed, target, options.interfaces ?? {});
}

async function makeTarget(object: ObjectSpec, root: string | null, options: LoadOptions): Promise<Target> {
  if (options.against === "kernel") return loadIntoKernel(object);
  const {
    engine = "interpreter",
    constants: _c,
    maps: _m,
    interfaces: _i,
    against: _a,
    coverage,
    ...machine
  } = options;
  const collectors = engine === "interpreter" && root !== null ? [coverage ?? null, processCoverage()] : [];
  const observers = collectors.flatMap((collector) => collector?.watch(object, root ?? "") ?? []);
  return new VmTarget(object, engine, machine, observers);
}

export class TestObject implements Disposable {
  readonly spec: ObjectSpec;
  private readonly target: Target;
  private readonly interfaces: Readonly<Record<string, number>>;

  /** Made by `loadObject`. */
  constructor(spec: ObjectSpec, target: Target, interfaces: Readonly<Record<string, number>>) {
    this.spec = spec;
    this.target = target;
    this.interfaces = interfaces;
  }

  get targetName(): TargetName {
    return this.target.name;
  }

  /** The simulated machine, for what only it has; null against the kernel. */
  get machine(): Machine | null {
    return this.target instanceof VmTarget ? this.target.machine : null;
  }

  /** What is loaded into the kernel, to attach its programs where there is no test run; null in the simulated machine. */
  get kernel(): LoadedObject | null {
    return this.target instanceof KernelTarget ? this.target.loaded : null;
  }

  /** The program of this name; without one, the only one. Throws T001. */
  program(name?: string): TestProgram {
    const { programs } = this.spec;
    const found = name === undefined ? programs : programs.filter((p) => p.name === name);
    const [only] = found;
    if (only !== undefined && found.length === 1) return new TestProgram(this, only);
    const message = name === undefined ? "the object has not just one program" : `the object has no program ${name}`;
    const expected = programs.map((p) => p.name).join(", ") || "an object with programs";
    throw testingError("T001", message, { expected, found: name ?? `${programs.length} programs` });
  }

  /** A map with JavaScript values for keys and values, of the types that the caller knows them to have. */
  map<K = Value, V = Value>(name: string): MapView<K, V> {
    return this.target.map<K, V>(name);
  }

  /** The events of a ring buffer since the last call. */
  events<E = Value>(map: string): E[] {
    return this.target.events<E>(map);
  }

  /** A simulated socket, for `Event.socket` and socket maps. Throws T002 against the kernel. */
  createSocket(fields: SocketFields = {}): Socket {
    if (this.machine === null) throw testingError("T002", "a simulated socket is nothing to the kernel");
    return this.machine.createSocket(fields);
  }

  /** Runs a program of the object. */
  run(program: ProgramSpec, input: Input): TestResult {
    const event: Event = input instanceof Uint8Array ? { packet: input } : input;
    const outcome = this.target.run(program, event);
    const { interfaces } = this;
    return makeResult(outcome, { target: this.target.name, program, input: event.packet?.slice() ?? null, interfaces });
  }

  /** Gives maps and programs back to the kernel; nothing to do for a simulated machine. Idempotent. */
  close(): void {
    this.target.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

export class TestProgram implements Disposable {
  readonly object: TestObject;
  readonly spec: ProgramSpec;

  /** Made by `loadProgram` and `TestObject.program`. */
  constructor(object: TestObject, spec: ProgramSpec) {
    this.object = object;
    this.spec = spec;
  }

  get name(): string {
    return this.spec.name;
  }

  /** One event: a packet, or a packet with context, socket and CPU. */
  run(input: Input = {}): TestResult {
    return this.object.run(this.spec, input);
  }

  /** One event after the other; maps keep their contents between them. */
  runAll(inputs: Iterable<Input>): TestResult[] {
    return Array.from(inputs, (input) => this.run(input));
  }

  /** As `TestObject.map`. */
  map<K = Value, V = Value>(name: string): MapView<K, V> {
    return this.object.map<K, V>(name);
  }

  /** As `TestObject.events`. */
  events<E = Value>(map: string): E[] {
    return this.object.events<E>(map);
  }

  /** As `TestObject.createSocket`. */
  createSocket(fields: SocketFields = {}): Socket {
    return this.object.createSocket(fields);
  }

  /** Closes the object. Idempotent. */
  close(): void {
    this.object.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
