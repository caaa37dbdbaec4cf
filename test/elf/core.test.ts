/** CO-RE relocations: what is asked of types, and what becomes of the instructions. Both BTFs are made by hand. */
import { describe, expect, test } from "vitest";
import { BtfBuilder, CORE_KINDS, coreTarget, coreValue } from "../../lib/btf/index.ts";
import type { Btf, CoreKind, CoreRelocation, CoreValue, Member, TypeId } from "../../lib/btf/index.ts";
import { MISSING_HELPER, relocateCore } from "../../lib/object/core-relocate.ts";
import { inspectElf, writeElf } from "../../lib/elf/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { adaptObject, needsOf } from "../../lib/object/index.ts";
import { codeOf } from "../btf/code-of.ts";
import { filterObject } from "./samples.ts";
import { withCore } from "./with-core.ts";

interface Types {
  readonly btf: Btf;
  readonly ids: Readonly<Record<string, TypeId>>;
}

const member = (name: string, type: TypeId, bitOffset: number, bitfieldSize?: number): Member =>
  bitfieldSize === undefined ? { name, type, bitOffset } : { name, type, bitOffset, bitfieldSize };

/** What the program was compiled with. */
function programTypes(): Types {
  const b = new BtfBuilder();
  const u8 = b.int("u8", 1);
  const u32 = b.int("u32", 4);
  const i32 = b.int("i32", 4, "signed");
  const u64 = b.int("u64", 8);
  const inner = b.struct("", 8, [member("a", u32, 0), member("b", u32, 32)]);
  const task = b.struct("task___mine", 40, [
    member("pid", i32, 0),
    member("flags", u32, 32),
    member("", inner, 64),
    member("next", b.ptr(0), 128),
    member("comm", b.array(u8, 4), 192),
    member("low", u32, 224, 3),
    member("high", u32, 227, 5),
    member("gone", u32, 256),
    member("name", u32, 288),
  ]);
  const list = b.struct("list", 8, [member("head", u64, 0), member("items", b.array(u32, 0), 64)]);
  const ids = {
    task,
    list,
    absent: b.struct("absent", 4, [member("x", u32, 0)]),
    twice: b.struct("twice", 4, [member("x", u32, 0)]),
    color: b.enum("color___v2", [
      { name: "RED", value: 1n },
      { name: "GREEN___new", value: 2n },
      { name: "NONE", value: 3n },
    ]),
    callback: b.typedef("callback", b.ptr(b.funcProto(u32, [{ name: "x", type: u64 }]))),
    number: b.typedef("number", b.typedef("deeper", u32)),
    pair: b.struct("pair", 8, [member("left", u32, 0), member("task", b.ptr(b.fwd("task")), 64)]),
    nameless: inner,
  };
  return { btf: b.finish(), ids };
}

/** What the kernel has: members elsewhere, `a` and `b` named inside of two nameless ones, `low` and `high` moved. */
function kernelTypes(): Types {
  const b = new BtfBuilder();
  const u8 = b.int("u8", 1);
  const u32 = b.int("u32", 4);
  const i32 = b.int("i32", 4, "signed");
  const u64 = b.int("u64", 8);
  const deep = b.union("", 8, [member("", b.struct("", 8, [member("b", u64, 0)]), 0), member("a", u32, 0)]);
  const task = b.struct("task", 96, [
    member("", deep, 64),
    member("pid", b.typedef("pid_t", i32), 128),
    member("flags", u64, 192),
    member("next", b.ptr(0), 256),
    member("comm", b.array(u8, 16), 320),
    member("high", u32, 456, 12),
    member("low", i32, 448, 8),
    member("name", b.ptr(u8), 512),
  ]);
  const ids = {
    task,
    list: b.struct("list", 24, [member("head", u64, 64), member("items", b.array(u32, 0), 128)]),
    one: b.struct("twice", 4, [member("x", u32, 0)]),
    two: b.struct("twice___b", 8, [member("x", u32, 32)]),
    color: b.enum64("color", [
      { name: "GREEN", value: 1n << 40n },
      { name: "RED", value: -1n },
    ]),
    callback: b.typedef("callback", b.ptr(b.funcProto(u32, [{ name: "y", type: b.int("long", 8, "signed") }]))),
    number: b.typedef("number", i32),
    pair: b.struct("pair", 24, [member("task", b.ptr(task), 0), member("left", u32, 64), member("more", u32, 96)]),
  };
  return { btf: b.finish(), ids };
}

const PROGRAM = programTypes();
const KERNEL = kernelTypes();
const TARGET = coreTarget(KERNEL.btf);

function relocation(kind: CoreKind, type: string, access: string): CoreRelocation {
  return { section: "x", offset: 0, type: PROGRAM.ids[type] ?? -1, access, kind: CORE_KINDS.indexOf(kind) };
}

function ask(kind: CoreKind, type: string, access: string): CoreValue {
  return coreValue(PROGRAM.btf, TARGET, relocation(kind, type, access));
}

describe("values", () => {
  // prettier-ignore
  const ROWS: readonly [kind: CoreKind, type: string, access: string, before: number | null, after: bigint | number | "missing"][] = [
    ["field_byte_offset", "task", "0:0", 0, 16],          // behind a typedef
    ["field_byte_offset", "task", "0:2:0", 8, 8],         // a, in a nameless member of both
    ["field_byte_offset", "task", "0:2:1", 12, 8],        // b, nested twice there
    ["field_byte_offset", "task", "0:4:3", 27, 43],       // an element
    ["field_byte_offset", "task", "2:0", 80, 208],        // the third of an array of tasks
    ["field_byte_offset", "list", "0:1:7", 36, 44],       // an array without a size
    ["field_byte_offset", "task", "0:7", 32, "missing"],
    ["field_byte_offset", "task", "0:8", 36, "missing"],  // an integer is no pointer
    ["field_byte_offset", "absent", "0:0", 0, "missing"],
    ["field_byte_offset", "task", "0:6", null, 56],       // a bitfield's unit
    ["field_byte_size", "task", "0:1", 4, 8],
    ["field_byte_size", "task", "0:4", 4, 16],
    ["field_byte_size", "task", "0:4:1", 1, 1],
    ["field_byte_size", "task", "0:6", null, 4],
    ["field_exists", "task", "0:1", 1, 1],
    ["field_exists", "task", "0:7", 1, 0],
    ["field_exists", "absent", "0:0", 1, 0],
    ["field_signed", "task", "0:0", 1, 1],
    ["field_signed", "task", "0:5", 0, 1],
    ["field_lshift_u64", "task", "0:5", null, 56],        // bits 0 to 7
    ["field_rshift_u64", "task", "0:5", 61, 56],
    ["field_lshift_u64", "task", "0:6", null, 44],        // bits 8 to 19
    ["field_rshift_u64", "task", "0:6", 59, 52],
    ["field_lshift_u64", "task", "0:1", 32, 0],
    ["type_id_local", "task", "0", null, PROGRAM.ids["task"] ?? -1],
    ["type_id_target", "task", "0", null, KERNEL.ids["task"] ?? -1],
    ["type_id_target", "absent", "0", null, 0],
    ["type_exists", "task", "0", 1, 1],
    ["type_exists", "absent", "0", 1, 0],
    ["type_exists", "callback", "0", 1, 1],               // signs of parameters do not count here
    ["type_matches", "callback", "0", 1, 0],              // and do here
    ["type_exists", "number", "0", 1, 1],
    ["type_matches", "number", "0", 1, 0],
    ["type_matches", "task", "0", 1, 0],                  // gone
    ["type_matches", "pair", "0", 1, 1],                  // order and more members do not count, nor what is behind pointers
    ["type_matches", "color", "0", 1, 0],
    ["type_size", "task", "0", 40, 96],
    ["type_size", "absent", "0", 4, 0],
    ["enumval_exists", "color", "0", 1, 1],
    ["enumval_exists", "color", "2", 1, 0],
    ["enumval_value", "color", "0", 1, -1],
    ["enumval_value", "color", "1", 2, 1n << 40n],        // flavours of enumerators do not count
    ["enumval_value", "color", "2", 3, "missing"],
  ];
  test.each(ROWS)("%s of %s %s", (kind, type, access, before, after) => {
    const answer = ask(kind, type, access);
    if (after === "missing") return expect(answer).toEqual({ kind: "missing" });
    expect(answer).toMatchObject({
      kind: "value",
      before: before === null ? null : BigInt(before),
      after: BigInt(after),
    });
  });

  // prettier-ignore
  const UNCLEAR: readonly [kind: CoreKind, type: string, access: string, why: string][] = [
    ["field_byte_offset", "task", "0:99", "does not lead through its type"],
    ["field_byte_offset", "task", "0:4:4", "does not lead through its type"],
    ["field_byte_offset", "task", "0:0:0", "does not lead through its type"],
    ["field_byte_offset", "task", "", "does not lead through its type"],
    ["field_byte_offset", "task", "0:x", "does not lead through its type"],
    ["enumval_value", "task", "0", "does not lead through its type"],
    ["type_size", "task", "1", "does not lead through its type"],
    ["field_signed", "task", "0:4:1", "cannot be asked"],
    ["field_byte_offset", "twice", "0:0", "several types called twice"],
    ["field_byte_offset", "nameless", "0:0", "no name"],
    ["type_size", "no such", "0", "there is no type -1"],
  ];
  test.each(UNCLEAR)("%s of %s %s is unclear", (kind, type, access, why) => {
    expect(ask(kind, type, access)).toEqual({ kind: "unclear", why: expect.stringContaining(why) });
  });

  test("a kind of the future is unclear", () => {
    const answer = coreValue(PROGRAM.btf, TARGET, { ...relocation("type_size", "task", "0"), kind: 13 });
    expect(answer).toEqual({ kind: "unclear", why: "it is of the unknown kind 13" });
  });
});

describe("instructions", () => {
  const load = (size: 1 | 2 | 4 | 8, off: number): Insn => ({
    kind: "load",
    size,
    signed: false,
    dst: 1,
    base: 2,
    off,
  });
  const mov = (imm: number): Insn => ({ kind: "alu", op: "mov", width: 64, dst: 1, src: { imm } });
  const lddw = (imm: bigint): Insn => ({ kind: "load_imm64", dst: 1, pseudo: "none", imm });
  const store: Insn = { kind: "store", size: 4, base: 2, off: 0, src: { reg: 1 } };
  const missing: Insn = { kind: "call", target: { kind: "helper", id: MISSING_HELPER } };

  // prettier-ignore
  const ROWS: readonly [name: string, insn: Insn, asked: CoreRelocation, result: readonly Insn[] | string][] = [
    ["an immediate", mov(0), relocation("field_byte_offset", "task", "0:0"), [mov(16)]],
    ["a load", load(4, 0), relocation("field_byte_offset", "task", "0:0"), [load(4, 16)]],
    ["a store", store, relocation("field_byte_offset", "task", "0:0"), [{ ...store, off: 16 }]],
    ["a load that becomes wider", load(4, 4), relocation("field_byte_offset", "task", "0:1"), [load(8, 24)]],
    ["a load of a part of what changes", load(2, 4), relocation("field_byte_offset", "task", "0:1"), "a field of 4 bytes is accessed with 2"],
    ["an element keeps its size", load(1, 24), relocation("field_byte_offset", "task", "0:4"), [load(1, 40)]],
    ["a 64-bit immediate", lddw(2n), relocation("enumval_value", "color", "1"), [lddw(1n << 40n)]],
    ["a negative one", lddw(1n), relocation("enumval_value", "color", "0"), [lddw(-1n)]],
    ["a missing field", load(4, 32), relocation("field_byte_offset", "task", "0:7"), [missing]],
    ["a missing enumerator, two slots", lddw(3n), relocation("enumval_value", "color", "2"), [missing, missing]],
    ["a bitfield's offset may be anything", load(4, 28), relocation("field_byte_offset", "task", "0:6"), [load(4, 56)]],
    ["an offset that the types do not give", load(4, 8), relocation("field_byte_offset", "task", "0:0"), "the types say 0, the instruction 8"],
    ["an immediate that they do not give", mov(3), relocation("type_size", "task", "0"), "the types say 40, the instruction 3"],
    ["an offset too far", load(4, 40 * 400), relocation("field_byte_offset", "task", "400:0"), "the offset 38416 does not fit an instruction"],
    ["a register operand", { kind: "alu", op: "mov", width: 64, dst: 1, src: { reg: 2 } }, relocation("type_size", "task", "0"), "a mov of a register has no number"],
    ["another instruction", { kind: "exit" }, relocation("type_size", "task", "0"), "the instruction (exit) has no number"],
  ];
  test.each(ROWS)("%s", (_, insn, { type, access, kind }, result) => {
    const { insns, refusals } = relocateCore(
      new Map([[3, insn]]),
      [{ slot: 3, type, access, kind }],
      PROGRAM.btf,
      TARGET,
    );
    if (typeof result === "string") {
      expect(refusals).toEqual([{ slot: 3, why: result }]);
      expect([...insns]).toEqual([[3, insn]]);
    } else {
      expect(refusals).toEqual([]);
      expect([...insns]).toEqual(result.map((part, i) => [3 + i, part]));
    }
  });

  test("no instruction", () => {
    const { type, access, kind } = relocation("type_size", "task", "0");
    const { refusals } = relocateCore(new Map(), [{ slot: 1, type, access, kind }], PROGRAM.btf, TARGET);
    expect(refusals).toEqual([{ slot: 1, why: "no instruction is there" }]);
  });
});

describe("objects", () => {
  const sample = filterObject();
  const stats = sample.btf.types.findIndex((type) => type.kind === "struct" && type.name === "FlowStats");
  /** Of the load of `packets` in `filter`, the tenth slot of its section. */
  const asked: CoreRelocation = { section: "xdp", offset: 9 * 8, type: stats, access: "0:0", kind: 0 };
  const kernel = ((): Btf => {
    const b = new BtfBuilder();
    b.struct("FlowStats", 16, [member("packets", b.int("u64", 8), 64)]);
    return b.finish();
  })();

  test("the kernel's types decide; without them it is a warning", () => {
    const file = withCore(writeElf(sample), [asked]);
    const adapted = inspectElf(file, "x.o", { kernel });
    expect(adapted.warnings).toEqual([]);
    expect(adapted.object.programs[0]?.insns).toContainEqual({
      kind: "load",
      size: 8,
      signed: false,
      dst: 1,
      base: 0,
      off: 8,
    });
    const plain = inspectElf(file, "x.o");
    expect(plain.warnings.map(({ code }) => code)).toEqual(["E010"]);
    expect({ ...adapted.object, programs: [] }).toEqual({ ...plain.object, programs: [] });
  });

  test("what depends on the kernel's types is kept, written, and answered later", () => {
    const file = withCore(writeElf(sample), [asked]);
    const { object } = inspectElf(file);
    expect(object.programs[0]?.core).toEqual([{ slot: 9, type: stats, access: "0:0", kind: 0 }]);
    expect(needsOf(object)).toEqual({ types: true, config: false });
    const again = inspectElf(writeElf(object)).object;
    expect(again).toEqual(object);
    expect(adaptObject(again, { types: kernel })).toEqual(inspectElf(file, "x.o", { kernel }).object);
    expect(adaptObject(object, {})).toBe(object);
  });

  test("one that cannot be applied is an error with its place", () => {
    const file = withCore(writeElf(sample), [{ ...asked, access: "0:7" }]);
    expect(codeOf(() => inspectElf(file, "x.o", { kernel }))).toBe("O009");
    expect(() => inspectElf(file, "x.o", { kernel })).toThrow(
      /error O009: a CO-RE relocation of filter cannot be applied: its path "0:7"/,
    );
    expect(codeOf(() => inspectElf(file, "x.o"))).toBeNull();
  });
});
