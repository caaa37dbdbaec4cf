/**
 * The source-level oracle: runs a kernel-side program's WebAssembly directly in the JavaScript engine, with the helpers
 * it calls played by a few lines of JavaScript. Nothing of the compiler behind asc takes part, so an equal outcome in
 * the eBPF interpreter or the kernel checks translation, optimiser, instruction selection and register allocation.
 *
 * Differences by design: division by zero traps here and gives 0 in eBPF, so test programs do not divide by zero.
 */
import { runAsc } from "../../codegen/frontend/asc.ts";
import { evaluate, type Evaluation } from "../../codegen/frontend/evaluate.ts";
import { readWasm, type WasmModule } from "../../codegen/frontend/wasm.ts";
import { nodeReaders } from "../../codegen/sources.ts";
import { HOOKS } from "../../lib/kernel/index.ts";

export interface OracleResult {
  /** Return value as u32. */
  readonly verdict: number;
  readonly packet: Uint8Array;
}

export interface Oracle {
  readonly evaluation: Evaluation;
  run(program: string, packet: Uint8Array, context?: (view: DataView) => void): OracleResult;
  /** Entries of a hash, array or LPM map as hex key to hex value. */
  entries(map: string): Map<string, string>;
  set(map: string, key: Uint8Array, value: Uint8Array): void;
  /** Records of all ring buffers, in order. */
  readonly events: Uint8Array[];
}

/** Fixed places above everything the module allocates in a test. */
const CONTEXT = 0x300000;
const PACKET = 0x310000;
const VALUES = 0x400000;
const PAGES = 256;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Compiles a program to wasm alone and makes it runnable. */
export async function createOracle(path: string): Promise<Oracle> {
  const { entry, read, library } = nodeReaders(path);
  const { output, diagnostics } = await runAsc(entry, read, library);
  if (output === null) throw new Error(diagnostics.map((d) => d.message).join("\n"));
  const module = readWasm(output.wasm);
  const { evaluation } = evaluate(module, output, () => null);
  if (evaluation === null) throw new Error("evaluation failed");
  return new WasmOracle(module, evaluation);
}

function prefixLength(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(0, true);
}

/** The key of the prefix of that many bits. */
function maskedPrefix(key: Uint8Array, length: number): Uint8Array {
  const masked = key.slice();
  new DataView(masked.buffer).setUint32(0, length, true);
  for (let bit = length; bit < 8 * (key.length - 4); bit++) masked[4 + (bit >> 3)]! &= ~(0x80 >> (bit & 7));
  return masked;
}

interface OracleMap {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly capacity: number;
  /** Hex key to the value's address. */
  readonly entries: Map<string, number>;
}

class WasmOracle implements Oracle {
  readonly evaluation: Evaluation;
  readonly events: Uint8Array[] = [];
  private readonly instance: WebAssembly.Instance;
  private readonly memory: Uint8Array;
  private readonly view: DataView;
  private readonly maps: OracleMap[];
  private readonly slots = new Map<string, number>();
  private free = VALUES;
  private packetLength = 0;

  constructor(module: WasmModule, evaluation: Evaluation) {
    this.evaluation = evaluation;
    this.maps = evaluation.maps.map((m) => ({
      name: m.name,
      type: m.type,
      keySize: m.key?.size ?? 0,
      valueSize: m.value?.size ?? 0,
      // What a full LRU map forgets is not modelled: the programs do not fill one.
      capacity: m.type.startsWith("lru") ? Infinity : m.maxEntries,
      entries: new Map(),
    }));
    let maps = 0;
    let programs = 0;
    const defined: number[] = [];
    const bpf: Record<string, unknown> = {
      define_map: () => 0x7f000000 + maps++,
      define_program: (_hook: number, slot: number) => {
        defined.push(slot);
        return 0x7e000000 + programs++;
      },
      define_config: () => undefined,
      define_license: () => undefined,
      ...this.helpers(),
    };
    for (const f of module.functions) {
      if (f.imported === null || f.imported.name in bpf) continue;
      const { name } = f.imported;
      bpf[name] = () => {
        throw new Error(`the oracle has no ${name}`);
      };
    }
    this.instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes), { bpf } as WebAssembly.Imports);
    const memory = this.instance.exports["memory"] as WebAssembly.Memory;
    memory.grow(PAGES);
    this.memory = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    evaluation.programs.forEach((p, i) => this.slots.set(p.name, defined[i] as number));
    for (const m of this.maps) if (m.type.endsWith("array")) this.fillArray(m, evaluation);
  }

  private fillArray(map: OracleMap, evaluation: Evaluation): void {
    const length = evaluation.maps.find((m) => m.name === map.name)?.maxEntries ?? 0;
    for (let i = 0; i < length; i++)
      this.store(map, Uint8Array.of(i, i >> 8, i >> 16, i >> 24), new Uint8Array(map.valueSize));
  }

  private bytes(at: number, size: number): Uint8Array {
    return this.memory.slice(at, at + size);
  }

  private map(handle: number): OracleMap {
    return this.maps[handle - 0x7f000000] as OracleMap;
  }

  /** What a key is filed under: in a trie, bits behind the prefix do not count. */
  private nameOf(map: OracleMap, key: Uint8Array): string {
    return map.type === "lpm_trie" ? hex(maskedPrefix(key, prefixLength(key))) : hex(key);
  }

  private store(map: OracleMap, key: Uint8Array, value: Uint8Array): void {
    const name = this.nameOf(map, key);
    const known = map.entries.get(name);
    const at = known ?? this.free;
    if (known === undefined) {
      this.free += Math.ceil(map.valueSize / 8) * 8;
      map.entries.set(name, at);
    }
    this.memory.set(value, at);
  }

  /** Address of the value for a key, or 0. */
  private lookup(map: OracleMap, key: Uint8Array): number {
    if (map.type !== "lpm_trie") return map.entries.get(hex(key)) ?? 0;
    for (let length = prefixLength(key); length >= 0; length--) {
      const at = map.entries.get(hex(maskedPrefix(key, length)));
      if (at !== undefined) return at;
    }
    return 0;
  }

  private helpers(): Record<string, unknown> {
    return {
      bswap16: (x: number) => ((x & 0xff) << 8) | ((x >> 8) & 0xff),
      bswap32: (x: number) => Buffer.from(Uint32Array.of(x).buffer).readInt32BE(),
      bswap64: (x: bigint) => Buffer.from(BigUint64Array.of(x).buffer).readBigInt64BE(),
      packet_at: (_ctx: number, offset: number, size: number) =>
        (offset >>> 0) + size <= this.packetLength ? PACKET + (offset >>> 0) : 0,
      stack_alloc: (size: number) => {
        const at = this.free;
        this.free += Math.ceil(size / 8) * 8;
        return at;
      },
      map_lookup_elem: (handle: number, key: number) => {
        const map = this.map(handle);
        return this.lookup(map, this.bytes(key, map.keySize));
      },
      map_update_elem: (handle: number, key: number, value: number, flags: bigint) => {
        const map = this.map(handle);
        const bytes = this.bytes(key, map.keySize);
        const known = map.entries.has(this.nameOf(map, bytes));
        if (flags === 1n && known) return -17;
        if (!known && map.entries.size >= map.capacity) return map.type === "lpm_trie" ? -28 : -7;
        this.store(map, bytes, this.bytes(value, map.valueSize));
        return 0;
      },
      map_delete_elem: (handle: number, key: number) => {
        const map = this.map(handle);
        return map.entries.delete(this.nameOf(map, this.bytes(key, map.keySize))) ? 0 : -2;
      },
      ringbuf_output: (_handle: number, data: number, size: bigint) => {
        this.events.push(this.bytes(data, Number(size)));
        return 0;
      },
      ringbuf_reserve: (_handle: number, size: bigint) => {
        const at = this.free;
        this.free += Math.ceil(Number(size) / 8) * 8;
        this.memory.fill(0, at, this.free);
        this.reserved.set(at, Number(size));
        return at;
      },
      ringbuf_submit: (record: number) => void this.events.push(this.bytes(record, this.reserved.get(record) ?? 0)),
      ringbuf_discard: () => undefined,
      ktime_get_ns: () => 0n,
      ktime_get_boot_ns: () => 0n,
      get_prandom_u32: () => 0,
      get_smp_processor_id: () => 0,
      printk: () => undefined,
      no_inline: () => undefined,
      // The program array stays empty.
      tail_call: () => undefined,
    };
  }
  private readonly reserved = new Map<number, number>();

  run(program: string, packet: Uint8Array, context?: (view: DataView) => void): OracleResult {
    this.memory.set(packet, PACKET);
    this.packetLength = packet.length;
    this.memory.fill(0, CONTEXT, CONTEXT + 256);
    context?.(new DataView(this.view.buffer, CONTEXT, 256));
    const table = this.instance.exports["table"] as { get(slot: number): (ctx: number) => number };
    const hook = this.evaluation.programs.find((p) => p.name === program)?.hook;
    if (hook === undefined) throw new Error(`no program ${program}`);
    let verdict: number;
    try {
      verdict = table.get(this.slots.get(program) as number)(CONTEXT) >>> 0;
    } catch (error) {
      if (!(error instanceof Error && error.message === "unreachable")) throw error;
      verdict = HOOKS[hook].refuse;
    }
    return { verdict, packet: this.bytes(PACKET, packet.length) };
  }

  entries(name: string): Map<string, string> {
    const map = this.maps.find((m) => m.name === name);
    if (map === undefined) throw new Error(`no map ${name}`);
    return new Map([...map.entries].map(([key, at]) => [key, hex(this.bytes(at, map.valueSize))]));
  }

  set(name: string, key: Uint8Array, value: Uint8Array): void {
    const map = this.maps.find((m) => m.name === name);
    if (map === undefined) throw new Error(`no map ${name}`);
    this.store(map, key, value);
  }
}
