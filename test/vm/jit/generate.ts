/**
 * Random instruction sequences for comparing engines. Nothing keeps them legal: jumps go anywhere (into loops, into the
 * second half of a load, out of the program), pointers run off, registers are read before they are written. What is likely
 * is chosen so that a good part runs for a while: small offsets, jumps that mostly go forwards, few calls.
 */
import { INSTRUCTIONS, build, slotsOf } from "../../../lib/isa/index.ts";
import type { Insn, Operand, OperandName, Reg, Row, Size } from "../../../lib/isa/index.ts";

/** 0..2^32-1. */
export type Random = () => number;

/** Helpers that the generated programs call, by number; compare.ts says what they do. */
export const HELPER = {
  lookup: 1,
  load: 2,
  callBack: 3,
  shrink: 4,
  where: 5,
  mix: 6,
  tailCall: 12,
  unknown: 99,
} as const;

const KINDS: readonly (readonly [weight: number, kinds: readonly Insn["kind"][]])[] = [
  [30, ["alu"]],
  [4, ["movsx", "neg", "swap"]],
  [14, ["load"]],
  [10, ["store"]],
  [4, ["atomic", "load_acquire", "store_release"]],
  [3, ["load_imm64"]],
  [14, ["jump_if"]],
  [3, ["jump"]],
  [6, ["call"]],
  [3, ["exit"]],
  [1, ["may_goto", "load_packet", "addr_space_cast"]],
];
const ROWS: readonly { readonly weight: number; readonly rows: readonly Row[] }[] = KINDS.map(([weight, kinds]) => ({
  weight,
  rows: INSTRUCTIONS.filter((row: Row) => kinds.includes(row.insn.kind)),
}));

const EDGES = [0, 1, -1, 2, 7, 8, 31, 32, 63, 64, 255, 0x7fff_ffff, -0x8000_0000, 0xffff, -8];

export function generateInsns(random: Random, length: number): Insn[] {
  const below = (n: number): number => random() % n;
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  // Pointers first: r6 the memory, r7 a stack slot, r8 its length or a callback.
  const insns: Insn[] = [
    { kind: "alu", op: "mov", width: 64, dst: 6, src: { reg: 1 } },
    { kind: "alu", op: "mov", width: 64, dst: 7, src: { reg: 10 } },
    { kind: "alu", op: "add", width: 64, dst: 7, src: { imm: pick([-8, -64, -16, -512]) } },
    { kind: "alu", op: "mov", width: 64, dst: 8, src: pick([{ reg: 2 as const }, { imm: 3 }]) },
  ];
  while (insns.length < length) insns.push(...one(insns.length));
  if (below(4) > 0) insns.push({ kind: "exit" });
  return insns;

  function one(index: number): Insn[] {
    if (below(12) === 0) return detour();
    if (below(12) === 0) return tightLoop();
    if (below(12) === 0) return lookup();
    if (below(8) === 0) return spill();
    if (below(14) === 0) return [{ kind: "call", target: { kind: "local", delta: below(length + 2 - index) } }];
    const { rows } = weighted();
    const row = pick(rows);
    const operands: Partial<Record<OperandName, number>> = {};
    for (const name of ["dst", "base", "src", "src.reg", "target.reg"] as const) operands[name] = register(name);
    operands["src.imm"] = pick([pick(EDGES), below(16), random() | 0]);
    operands.imm = row.insn.kind === "load_packet" ? below(70) - 2 : 0;
    operands["imm.low"] = pick([0, 3, below(100), random()]);
    operands["imm.high"] = pick([0, 0, random()]);
    operands.off = offset();
    operands.delta = target(index);
    operands["target.delta"] = target(index);
    operands["target.id"] = pick([...Object.values(HELPER), HELPER.mix, HELPER.where]);
    operands["target.btfId"] = pick([77, 78]);
    operands["target.off"] = 0;
    const insn = build(row, operands);
    if (insn.kind === "load_imm64" && insn.pseudo === "func") return [{ ...insn, dst: 1, imm: BigInt(1 + below(12)) }];
    // A counter that comes down, so that the loop that this jump closes may end.
    if (insn.kind === "jump_if" && insn.delta < 0 && below(3) > 0) {
      const counter: Reg = pick([8, 9]);
      const down: Insn = { kind: "alu", op: pick(["sub", "rsh"]), width: 64, dst: counter, src: { imm: 1 } };
      return [down, { kind: "jump_if", op: "ne", width: 64, dst: counter, src: { imm: 0 }, delta: insn.delta - 1 }];
    }
    return [insn];
  }

  /** A register that is kept on the stack for a while, at a place of its own. */
  function spill(): Insn[] {
    const place = below(3);
    const [size, off] = [[8, 4, 1] as const, [-400, -392, -388] as const].map((from) => from[place]!) as [Size, number];
    const store: Insn = {
      kind: "store",
      size,
      base: 10,
      off,
      src: pick([{ reg: pick([0, 3, 9] as const) }, { imm: -2 }]),
    };
    const load: Insn = { kind: "load", size, signed: size < 8 && below(2) === 0, dst: pick([0, 3, 9]), base: 10, off };
    return pick([[store], [load], [store, ...detour(), load], [store, load]]);
  }

  /** A value of the array, its key on the stack or in the memory; mostly with the check for null. */
  function lookup(): Insn[] {
    const key: Reg = pick([10, 7, 6]);
    const at = pick([-4, -8, 0, -2]);
    const checked: Insn = { kind: "jump_if", op: "eq", width: 64, dst: 0, src: { imm: 0 }, delta: 1 };
    return [
      ...(below(3) > 0 ? [{ kind: "store", size: 4, base: key, off: at, src: { imm: below(6) } } as const] : []),
      { kind: "load_imm64", dst: 1, pseudo: "map_fd", imm: 0n },
      { kind: "alu", op: "mov", width: 64, dst: 2, src: { reg: key } },
      { kind: "alu", op: "add", width: 64, dst: 2, src: { imm: at } },
      { kind: "call", target: { kind: "helper", id: HELPER.lookup } },
      ...(below(4) > 0 ? [checked] : []),
      pick<Insn>([
        { kind: "load", size: pick([1, 4, 8] as const), signed: false, dst: 3, base: 0, off: pick([0, 4, 8, 11]) },
        { kind: "store", size: pick([1, 2, 8] as const), base: 0, off: pick([0, 4, 10, -1]), src: { reg: 8 } },
        { kind: "atomic", op: "fetch_add", size: 8, base: 0, off: 0, src: 8 },
      ]),
    ];
  }

  /** A loop of one block over the memory or the stack, with what such loops are made of; it may run off. */
  function tightLoop(): Insn[] {
    const [at, place, counter, index] = [3, 4, 9, 2] as const;
    const step: Operand = pick([{ imm: pick([1, 2, 4, 8, 16, 0, -1, -4]) }, { reg: pick([0, 8] as const) }]);
    const size: Size = pick([1, 2, 4, 8] as const);
    const off = pick([0, 0, 4, -8, 56]);
    const all: Insn[] = [
      pick<Insn>([
        { kind: "load", size, signed: false, dst: 0, base: at, off },
        { kind: "store", size, base: at, off, src: { reg: counter } },
        { kind: "store", size: 1, base: at, off: off + 1, src: { imm: 7 } },
      ]),
      { kind: "alu", op: "add", width: 64, dst: at, src: step },
      { kind: "alu", op: "mov", width: 64, dst: place, src: { reg: pick([6, 7] as const) } },
      { kind: "alu", op: "add", width: 64, dst: place, src: { reg: pick([index, 0]) } },
      pick<Insn>([
        { kind: "load", size: 1, signed: true, dst: 5, base: place, off: 0 },
        { kind: "alu", op: "add", width: 64, dst: index, src: { imm: 1 } },
      ]),
      { kind: "alu", op: "add", width: pick([64, 64, 32] as const), dst: index, src: { imm: pick([1, 3]) } },
    ];
    const body = all.filter(() => below(5) > 0);
    return [
      { kind: "alu", op: "mov", width: 64, dst: at, src: { reg: pick([6, 7] as const) } },
      { kind: "alu", op: "mov", width: 64, dst: index, src: { imm: 0 } },
      { kind: "alu", op: "mov", width: 64, dst: counter, src: { imm: 1 + below(20) } },
      ...body,
      { kind: "alu", op: "sub", width: 64, dst: counter, src: { imm: 1 } },
      { kind: "jump_if", op: "ne", width: 64, dst: counter, src: { imm: 0 }, delta: -(body.length + 2) },
    ];
  }

  /** Comes to the memory by way of the stack or of a value: allowed, and not what a compiler would predict. */
  function detour(): Insn[] {
    const at: Reg = pick([2, 4]);
    const from: Reg = pick([7, 0]);
    const value: Insn[] = [
      { kind: "alu", op: "mov", width: 64, dst: 1, src: { imm: 0 } },
      { kind: "call", target: { kind: "helper", id: HELPER.where } },
    ];
    return [
      ...(from === 0 ? value : []),
      { kind: "alu", op: "mov", width: 64, dst: 5, src: { reg: 6 } },
      { kind: "alu", op: "sub", width: 64, dst: 5, src: { reg: from } },
      { kind: "alu", op: "xor", width: 64, dst: 5, src: { imm: 0 } },
      { kind: "alu", op: "mov", width: 64, dst: at, src: { reg: from } },
      { kind: "alu", op: "add", width: 64, dst: at, src: { reg: 5 } },
      { kind: "load", size: 2, signed: false, dst: pick([0, 3, 9]), base: at, off: pick([0, 8, 40]) },
    ];
  }

  function weighted(): (typeof ROWS)[number] {
    let at = below(ROWS.reduce((sum, { weight }) => sum + weight, 0));
    for (const rows of ROWS) {
      at -= rows.weight;
      if (at < 0) return rows;
    }
    return ROWS[0] as (typeof ROWS)[number];
  }

  function register(name: OperandName): number {
    if (name === "base") return below(12) === 0 ? below(11) : pick([6, 6, 6, 7, 7, 10, 10]);
    if (name !== "dst") return pick([below(6), below(10), below(11)]);
    if (below(60) === 0) return 10;
    // r6 and r7 are mostly left alone, or no pointer lives long.
    const dst = pick([below(6), below(10)]);
    return (dst === 6 || dst === 7) && below(6) > 0 ? 9 : dst;
  }
  function offset(): number {
    return pick([0, 0, 8, 4, 1, below(80) - 8, -8, -16, below(40) - 520]);
  }
  function target(index: number): number {
    if (below(4) === 0) return -below(index + 3);
    return pick([0, 1, 2, 3, below(8), below(length + 2 - index)]);
  }
}

/** Slots of a program. */
export function slotCount(insns: readonly Insn[]): number {
  return insns.reduce((sum, insn) => sum + slotsOf(insn), 0);
}
