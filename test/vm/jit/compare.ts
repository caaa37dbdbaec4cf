/** The same programs on an engine with the same surroundings, and what can be seen of it. */
import type { Insn } from "../../../lib/isa/index.ts";
import type { Engine, EngineName, Executable, HelperFunction, Linkage } from "../../../lib/vm/engine.ts";
import { createEngine } from "../../../lib/vm/engines.ts";
import type { EngineExtras } from "../../../lib/vm/engines.ts";
import { Trap } from "../../../lib/vm/fault.ts";
import { Memory } from "../../../lib/vm/memory.ts";
import { HELPER } from "./generate.ts";

/** All that two engines must agree on. `r0` only without a fault. */
export interface Seen {
  readonly r0: bigint | null;
  readonly instructions: number;
  readonly fault: readonly [kind: string, message: string, slot: number, program: string] | null;
  readonly memory: string;
  readonly table: string;
}

const TAIL_CALLS = 33;
const LENGTH = 64;
/** A table of elements that are not a multiple of 8 bytes long. */
const TABLE = { count: 4, size: 12, stride: 16 };

/** Runs the first program; tail calls lead to any of them. Twice, because what is left in memory and stacks counts too. */
export function play(
  name: EngineName,
  programs: readonly (readonly Insn[])[],
  limit: number,
  extras: Partial<EngineExtras> = {},
): Seen[] {
  const memory = new Memory();
  const engine: Engine = createEngine(name, memory, { observer: null, optimizer: null, ...extras });
  const region = memory.map("memory", LENGTH);
  const table = memory.map("value", TABLE.count * TABLE.stride, {
    elements: { stride: TABLE.stride, size: TABLE.size },
  });
  const map = memory.map("map", 0, { opaque: "a map" });
  region.bytes.forEach((_, i) => (region.bytes[i] = (i * 37) & 0xff));
  let tailCalls = 0;
  const helpers: Record<number, HelperFunction> = {
    [HELPER.mix]: (a, b, c, d, e) => a + 3n * b + 5n * c + 7n * d + 11n * e,
    [HELPER.lookup]: (which, key) => {
      const index = which === BigInt(map.start) ? memory.read(Number(key), 4) : BigInt(TABLE.count);
      return index < BigInt(TABLE.count) ? BigInt(table.start) + index * BigInt(TABLE.stride) : 0n;
    },
    [HELPER.load]: (at) => memory.read(Number(at), 4),
    [HELPER.callBack]: (f, x) => engine.call(f, x, 2n, 3n, 4n, 5n),
    // Moves the end of the memory: windows from before must not be used any more.
    [HELPER.shrink]: (by) => {
      region.setWindow(0, Math.max(8, LENGTH - Number(by & 31n)));
      return 0n;
    },
    [HELPER.where]: (which) => BigInt(which & 1n ? region.start : table.start + TABLE.stride),
  };
  const linkage: Linkage = {
    helper: (id) => helpers[id] ?? null,
    kfunc: (id) => (id === 77 ? (a) => a + 1n : null),
    pseudo: ({ pseudo }) =>
      pseudo === "map_fd" ? BigInt(map.start) : pseudo === "map_value" ? BigInt(table.start) : null,
    arrayAt: (address) =>
      address !== BigInt(map.start)
        ? null
        : { start: table.start, entries: TABLE.count, size: TABLE.size, stride: TABLE.stride, writable: true },
    tailCall: (_, index) => (tailCalls++ < TAIL_CALLS ? (prepared[Number(index & 3n)] ?? null) : null),
    loadPacket: (offset, size) => {
      if (offset < 0) throw new Trap("unsupported", `a packet load at offset ${offset}`);
      return offset + size <= LENGTH ? BigInt(offset * size) : null;
    },
  };
  const prepared: Executable[] = programs.map((insns, i) =>
    engine.prepare({ name: `p${i}`, lines: [], insns }, linkage),
  );
  const first = prepared[0] as Executable;
  return [0, 1].map(() => {
    tailCalls = 0;
    region.setWindow(0, LENGTH);
    const { r0, instructions, fault } = first.run(BigInt(region.start), BigInt(LENGTH), limit);
    return {
      r0: fault === null ? r0 : null,
      instructions,
      fault: fault === null ? null : [fault.kind, fault.message, fault.slot, fault.program],
      memory: Buffer.from(region.bytes).toString("hex"),
      table: Buffer.from(table.bytes).toString("hex"),
    };
  });
}
