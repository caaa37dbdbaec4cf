/**
 * From an ObjectSpec to the kernel and back.
 *
 *   type information -> maps (with initial values) -> programs (linked, map references filled in) -> LoadedObject
 *
 * What was made before an error is closed; what is loaded is owned by the LoadedObject and closed with it. Attachments
 * are not: a link has its own owner, and a program that is attached lives on in the kernel.
 */
import { encode, link } from "../lib/asm/index.ts";
import { codecOf } from "../lib/object/index.ts";
import type { LinkedProgram, ObjectSpec, Value } from "../lib/object/index.ts";
import type { TypeId } from "../lib/btf/index.ts";
import { fillKernelFunctions, fillMapReferences } from "./patch.ts";
import { resolveKernelFunctions } from "./kernel-functions.ts";
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
  /** Names of the programs to load; default: all. */
  readonly programs?: readonly string[];
  /** Open maps to use instead of making these: maps that several objects share, or pinned ones. They are not closed. */
  readonly maps?: Readonly<Record<string, BpfMap<never, never>>>;
}

export interface RingbufOptions extends RingBufferOptions {
  /** The events' type in the object's BTF; default: the map's value type; 0: bytes. */
  readonly type?: TypeId;
}

export class LoadedObject implements AsyncDisposable, Disposable {
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
    const linked = wantedPrograms(object, options).map((name) => link(object, name));
    const btf = loadBtf(object, linked, owner);
    const maps = loadMaps(object, btf, options, owner);
    const kfuncId = resolveKernelFunctions(linked);
    const programs = linked.map((program) =>
      owner.take(loadProgram(imageOf(program, btf, maps, kfuncId), options.logLevel ?? 0)),
    );
    const byName = new Map(programs.map((program) => [program.name, program]));
    return new LoadedObject(object, { programs: byName, maps }, owner, btf?.fd ?? null);
  } catch (failure) {
    owner.close();
    throw failure;
  }
}

function wantedPrograms(object: ObjectSpec, { programs }: LoadOptions): readonly string[] {
  const names = object.programs.map((program) => program.name);
  const unknown = programs?.find((name) => !names.includes(name));
  if (unknown === undefined) return programs ?? names;
  throw loaderError("L004", `the object has no program ${JSON.stringify(unknown)}`, {
    expected: names.join(", ") || "none",
  });
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
  kfuncId: (kfunc: string) => number,
): Image {
  const withMaps = fillMapReferences(linked, (name) => named(maps, name, "map").fd);
  const insns = encode(fillKernelFunctions(withMaps, linked, kfuncId));
  return { linked, insns, btf: btf === null ? null : describe(btf, linked) };
}
