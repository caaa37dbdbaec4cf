/** Random small objects that are valid: maps of several kinds, global data, programs and subprograms that refer to them. */
import fc from "fast-check";
import { exit, lddw, mov64, r0, r1 } from "../../lib/asm/index.ts";
import { BtfBuilder } from "../../lib/btf/index.ts";
import { slotsOf } from "../../lib/isa/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { HOOKS } from "../../lib/kernel/index.ts";
import { dataSectionTraits } from "../../lib/object/index.ts";
import type {
  CoreReference,
  FunctionSpec,
  MapSpec,
  ObjectSpec,
  Relocation,
  SourceLine,
} from "../../lib/object/index.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const text = fc.string({ unit: "grapheme", maxLength: 20 }).filter((s) => !s.includes("\0"));

const mapShape = fc.record({
  type: fc.constantFrom(
    "hash" as const,
    "lru_hash" as const,
    "array" as const,
    "ringbuf" as const,
    "sockmap" as const,
    "prog_array" as const,
  ),
  typed: fc.boolean(),
  maxEntries: word,
  flags: word,
  keySize: word,
  valueSize: word,
  nested: fc.boolean(),
  extra: fc.oneof(fc.constant(0), word),
});

const dataShape = fc.record({
  name: fc.constantFrom(".rodata", ".data", ".bss", ".rodata.str1.1", ".data.extra"),
  size: fc.integer({ min: 1, max: 40 }),
  fill: fc.nat(255),
  typed: fc.boolean(),
});

/** What a function is made of: each becomes one instruction; `pick` chooses among what there is to refer to. */
const item = fc.record({
  kind: fc.constantFrom("plain", "map", "data", "call", "func", "kfunc", "ksym"),
  pick: fc.nat(),
  line: fc.boolean(),
  core: fc.boolean(),
});

const functionShape = fc.record({
  items: fc.array(item, { minLength: 1, maxLength: 8 }),
  hasLines: fc.boolean(),
  global: fc.boolean(),
  hook: fc.constantFrom(...Object.values(HOOKS)),
  file: text.filter((s) => s !== ""),
  text,
  number: fc.integer({ min: 1, max: 5_000_000 }),
  column: fc.integer({ min: 1, max: 2000 }),
  optional: fc.boolean(),
});
type FunctionShape = typeof functionShape extends fc.Arbitrary<infer T> ? T : never;

/** Names and sizes that instructions can refer to. */
interface World {
  readonly maps: readonly MapSpec[];
  readonly data: readonly MapSpec[];
  readonly subprograms: readonly string[];
  /** Of the kernel, the function first; the second need not be there. */
  readonly kernel: readonly [func: string, variable: string];
  /** A type that something can be asked of. */
  readonly struct: number;
}

export const arbitraryObject: fc.Arbitrary<ObjectSpec> = fc
  .record({
    license: text,
    typed: fc.boolean(),
    maps: fc.array(mapShape, { maxLength: 4 }),
    data: fc.uniqueArray(dataShape, { maxLength: 3, selector: (d) => d.name }),
    programs: fc.array(functionShape, { maxLength: 4 }),
    subprograms: fc.array(functionShape, { maxLength: 3 }),
  })
  .map(({ license, typed, maps, data, programs, subprograms }) => {
    const b = new BtfBuilder();
    const int = b.int("u32", 4);
    const struct = b.struct("entry", 8, [
      { name: "a", type: int, bitOffset: 0 },
      { name: "b", type: int, bitOffset: 32 },
    ]);
    b.typedef("unused", b.array(int, 7, int));
    const world: World = {
      maps: maps.map((m, i) => buildMap(m, `map_${i}`, int, struct)),
      data: data.map((d) => buildData(d, b, int)),
      subprograms: subprograms.map((_, i) => `sub_${i}`),
      kernel: ["bpf_some_function", "bpf_some_variable"],
      struct,
    };
    b.func(world.kernel[0], b.funcProto(int, []), "extern");
    b.var(world.kernel[1], int, "extern");
    const build = (shape: FunctionShape, name: string, linkage: "static" | "global"): FunctionSpec => ({
      name,
      linkage,
      btfId: typed ? b.func(name, b.funcProto(int, []), linkage) : 0,
      ...buildCode(shape, world),
    });
    return {
      license,
      programs: programs.map((p, i) => ({
        ...build(p, `prog_${i}`, "global"),
        section: p.hook.section,
        type: p.hook.type,
        attach: p.hook.attach,
        flags: p.hook.flags,
        ...(p.optional ? { optional: true as const } : {}),
      })),
      subprograms: subprograms.map((s, i) => build(s, `sub_${i}`, s.global ? "global" : "static")),
      maps: [...world.data, ...world.maps.map((map, i) => withEntries(map, world, i, programs.length))],
      btf: b.finish(),
    };
  });

function buildMap(
  shape: typeof mapShape extends fc.Arbitrary<infer T> ? T : never,
  name: string,
  int: number,
  struct: number,
): MapSpec {
  const { typed, nested, extra, ...rest } = shape;
  const sizes = extra === 0 ? rest : { ...rest, extra };
  const base = { ...sizes, name, keyType: 0, valueType: 0, initial: null, frozen: false, inner: null };
  if (nested) {
    const inner = buildMap({ ...shape, nested: false }, "anything", int, struct);
    return { ...base, type: "hash_of_maps", valueSize: 4, inner };
  }
  if (!typed) return base;
  if (shape.type === "ringbuf") return { ...base, keySize: 0, valueSize: 0, valueType: struct };
  return { ...base, keySize: 4, valueSize: 8, keyType: int, valueType: struct };
}

/** Every third map of maps holds another of them, every second prog_array a program. */
function withEntries(map: MapSpec, { maps }: World, i: number, programs: number): MapSpec {
  if (map.inner !== null && i % 3 === 1) return { ...map, entries: [{ index: 2, name: maps[0]?.name ?? "" }] };
  if (map.type === "prog_array" && i % 2 === 0 && programs > 0) {
    return { ...map, entries: Array.from({ length: programs }, (_, p) => ({ index: 3 * p, name: `prog_${p}` })) };
  }
  return map;
}

function buildData(
  { name, size, fill, typed }: { name: string; size: number; fill: number; typed: boolean },
  b: BtfBuilder,
  int: number,
): MapSpec {
  const variables =
    size < 4 ? [] : [{ type: b.var(`in${name.replaceAll(".", "_")}`, int, "static"), offset: 0, size: 4 }];
  // prettier-ignore
  return {
    name, type: "array", keySize: 4, valueSize: size, maxEntries: 1, keyType: 0,
    valueType: typed ? b.datasec(name, size, variables) : 0,
    initial: new Uint8Array(size).fill(name === ".bss" ? 0 : fill), inner: null, ...dataSectionTraits(name),
  };
}

function buildCode(shape: FunctionShape, world: World): Pick<FunctionSpec, "insns" | "relocations" | "lines" | "core"> {
  const insns: Insn[] = [];
  const core: CoreReference[] = [];
  const relocations: Relocation[] = [];
  const lines: SourceLine[] = [];
  let slot = 0;
  for (const [i, { kind, pick, line, core: depends }] of shape.items.entries()) {
    const relocation = refer(kind, pick, slot, world);
    const insn = relocation === null ? mov64(r0, pick % 1000) : (CALLS[relocation.kind] ?? lddw(r1, 0n));
    if (relocation === null && depends) core.push({ slot, type: world.struct, access: "0:1", kind: pick % 6 });
    if (shape.hasLines && (line || i === 0))
      lines.push({ slot, file: shape.file, line: shape.number + i, column: shape.column, text: shape.text });
    insns.push(insn);
    if (relocation !== null) relocations.push(relocation);
    slot += slotsOf(insn);
  }
  return { insns: [...insns, exit()], relocations, lines, ...(core.length === 0 ? {} : { core }) };
}

const CALLS: Readonly<Record<string, Insn>> = {
  call: { kind: "call", target: { kind: "local", delta: -1 } },
  kfunc: { kind: "call", target: { kind: "kfunc", btfId: 0, off: 0 } },
};

function refer(
  kind: "plain" | "map" | "data" | "call" | "func" | "kfunc" | "ksym",
  pick: number,
  slot: number,
  world: World,
): Relocation | null {
  const of = <T>(list: readonly T[]): T | undefined => list[pick % list.length];
  const [map, data, func] = [of(world.maps), of(world.data), of(world.subprograms)];
  if (kind === "map" && map !== undefined) return { kind, slot, map: map.name };
  if (kind === "data" && data !== undefined)
    return { kind: "map_value", slot, map: data.name, offset: pick % data.valueSize };
  if ((kind === "call" || kind === "func") && func !== undefined) return { kind, slot, func };
  if (kind === "kfunc") return { kind, slot, kfunc: world.kernel[0] };
  if (kind === "ksym") return { kind, slot, ksym: world.kernel[1], weak: true };
  return null;
}
