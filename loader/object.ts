/**
 * From an ObjectSpec to the kernel and back.
 *
 *   adapted to the running kernel -> type information -> maps (with initial values) -> programs (linked, references filled in)
 *   -> initial entries of maps -> LoadedObject
 *
 * What was made before an error is closed; what is loaded is owned by the LoadedObject and closed with it. Attachments
 * are not: a link has its own owner, and a program that is attached lives on in the kernel.
 */
import { bindToKernel, encode, link } from "../lib/asm/index.ts";
import type { Resolve } from "../lib/asm/index.ts";
import { codecOf } from "../lib/object/index.ts";
import type { LinkedProgram, MapSpec, ObjectSpec, Value } from "../lib/object/index.ts";
import type { TypeId } from "../lib/btf/index.ts";
import { fillMapReferences } from "./patch.ts";
import { adaptToRunning, resolveKernel } from "./running-kernel.ts";
import { createMap } from "./create.ts";
import { loaderError } from "./errors.ts";
import type { BpfMap } from "./map.ts";
import { Owner } from "./owner.ts";
import { loadProgram } from "./program.ts";
import type { Image, Program } from "./program.ts";
import { decodeWith, RingBuffer } from "./ringbuf.ts";
import type { Decode, RingBufferOptions } from "./ringbuf.ts";
import { describe, loadBtf } from "./types.ts";
import type { LoadedBtf } from "./types.ts";

export interface LoadOptions {
  /** Keep the verifier's log of accepted programs too: 1 branches, 2 every instruction, 4 statistics; bits. Default 0. */
  readonly logLevel?: number;
  /** Names of the programs to load; default: all but the optional ones. */
  readonly programs?: readonly string[];
  /** Open maps to use instead of making these: maps that several objects share, or pinned ones. They are not closed. */
  readonly maps?: Readonly<Record<string, BpfMap<never, never>>>;
}

export interface RingbufOptions extends RingBufferOptions {
  /** The events' type in the object's BTF; default: the map's value type; 0: bytes. */
  readonly type?: TypeId;
}

export class LoadedObject implements AsyncDisposable, Disposable {
  /** As it was loaded: adapted to the running kernel. */
  readonly spec: ObjectSpec;
  readonly programs: ReadonlyMap<string, Program>;
  readonly maps: ReadonlyMap<string, BpfMap>;
  private readonly owner: Owner;
  private readonly btfFd: number | null;

  constructor(
    spec: ObjectSpec,
    loaded: { readonly programs: ReadonlyMap<string, Program>; readonly maps: ReadonlyMap<string, BpfMap> },
    owner: Owner,
    btfFd: number | null,
  ) {
    this.spec = spec;
    this.programs = loaded.programs;
    this.maps = loaded.maps;
    this.owner = owner;
    this.btfFd = btfFd;
  }

  program(name: string): Program {
    return named(this.programs, name, "program");
  }

  /** The map, as a map of the types that the caller knows it to have. */
  map<K = Value, V = Value>(name: string): BpfMap<K, V> {
    return named(this.maps, name, "map") as unknown as BpfMap<K, V>;
  }

  /**
   * Makes a map like those that a map of maps holds, empty and without a name in the object; closed with the object, while one
   * that was put into the map of maps lives on there: `outer.set(0, inner.fd)`. `maxEntries`: where it is to differ, which the
   * kernel takes for hashes, and for arrays with MapFlag.AnyLength. Throws L004 for a map that holds no maps.
   */
  makeInner<K = Value, V = Value>(outer: string, maxEntries?: number): BpfMap<K, V> {
    const spec = this.spec.maps.find((map) => map.name === outer)?.inner ?? null;
    if (spec === null) {
      throw loaderError("L004", `map ${JSON.stringify(outer)} holds no maps, or the object does not say which`);
    }
    const sized = maxEntries === undefined ? spec : { ...spec, maxEntries };
    return this.owner.take(createMap(sized, this.spec.btf, this.btfFd)) as unknown as BpfMap<K, V>;
  }

  /**
   * The events of a ring buffer: values of the map's value type where it has one, else `Uint8Array`s. Closed with the
   * object at the latest.
   */
  ringbuf<E = Value>(name: string, options: RingbufOptions = {}): RingBuffer<E> {
    const map = this.map<never, never>(name);
    const type = options.type ?? this.spec.maps.find((spec) => spec.name === name)?.valueType ?? 0;
    const decode: Decode<unknown> =
      type === 0 ? (bytes) => bytes.slice() : decodeWith(codecOf(this.spec.btf, type, name));
    return this.owner.take(new RingBuffer<E>(map, decode as Decode<E>, options));
  }

  /** Closes ring buffers, programs and maps. Idempotent. Attached programs stay attached. */
  close(): void {
    this.owner.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function named<T>(things: ReadonlyMap<string, T>, name: string, what: string): T {
  const thing = things.get(name);
  if (thing !== undefined) return thing;
  throw loaderError("L004", `the object has no ${what} ${JSON.stringify(name)}`, {
    expected: [...things.keys()].join(", ") || "none",
  });
}

/**
 * Loads an object into the kernel. Throws `VerifierError` when a program is rejected, `KernelError` when the kernel refuses
 * anything else, `DiagnosticError` when the object itself is not sound; then nothing stays behind.
 */
export async function load(object: ObjectSpec, options: LoadOptions = {}): Promise<LoadedObject> {
  const owner = new Owner();
  try {
    const names = wantedPrograms(object, options);
    const spec = adaptToRunning(onlyWanted(object, names));
    const linked = names.map((name) => link(spec, name));
    const btf = loadBtf(spec, linked, owner);
    const maps = loadMaps(spec, btf, options, owner);
    const resolve = resolveKernel(spec, linked);
    const programs = linked.map((program) =>
      owner.take(loadProgram(imageOf(program, btf, maps, resolve), options.logLevel ?? 0)),
    );
    const byName = new Map(programs.map((program) => [program.name, program]));
    for (const map of spec.maps) if (options.maps?.[map.name] === undefined) fillEntries(map, maps, byName);
    return new LoadedObject(spec, { programs: byName, maps }, owner, btf?.fd ?? null);
  } catch (failure) {
    owner.close();
    throw failure;
  }
}

function wantedPrograms(object: ObjectSpec, { programs }: LoadOptions): readonly string[] {
  const names = object.programs.map((program) => program.name);
  const unknown = programs?.find((name) => !names.includes(name));
  if (unknown === undefined) return programs ?? object.programs.filter((p) => p.optional !== true).map((p) => p.name);
  throw loaderError("L004", `the object has no program ${JSON.stringify(unknown)}`, {
    expected: names.join(", ") || "none",
  });
}

/** What is not loaded need not fit the kernel. */
function onlyWanted(object: ObjectSpec, names: readonly string[]): ObjectSpec {
  if (object.programs.every(({ name, core }) => core === undefined || names.includes(name))) return object;
  return { ...object, programs: object.programs.filter(({ name }) => names.includes(name)) };
}

/** A map of maps or a prog_array that holds something from the start; programs that are not loaded are left out. */
function fillEntries(
  { name, entries = [] }: MapSpec,
  maps: ReadonlyMap<string, BpfMap>,
  programs: ReadonlyMap<string, Program>,
): void {
  for (const entry of entries) {
    const held = maps.get(entry.name) ?? programs.get(entry.name);
    if (held !== undefined) named(maps, name, "map").setRaw(word(entry.index), word(held.fd));
  }
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function loadMaps(object: ObjectSpec, btf: LoadedBtf | null, options: LoadOptions, owner: Owner): Map<string, BpfMap> {
  const maps = new Map<string, BpfMap>();
  for (const spec of object.maps) {
    const shared = options.maps?.[spec.name] as unknown as BpfMap | undefined;
    maps.set(spec.name, shared ?? owner.take(createMap(spec, object.btf, btf?.fd ?? null)));
  }
  return maps;
}

function imageOf(
  linked: LinkedProgram,
  btf: LoadedBtf | null,
  maps: ReadonlyMap<string, BpfMap>,
  resolve: Resolve,
): Image {
  const bound = { ...linked, insns: bindToKernel(linked, resolve) };
  const insns = encode(fillMapReferences(bound, (name) => named(maps, name, "map").fd));
  return { linked, insns, btf: btf === null ? null : describe(btf, linked) };
}
