// The instruction table by itself: complete, without contradictions, and in step with the shapes of insn.ts.
import { describe, expect, test } from "vitest";
// prettier-ignore
import { INSTRUCTIONS, OPCODES, REJECTIONS, build, operand, operandNames, rowOf, variantOf } from "../../lib/isa/index.ts";
import type { AluOp, AtomicOp, InsnKind, JumpOp, Pseudo, Row } from "../../lib/isa/index.ts";

const ROWS: readonly Row[] = INSTRUCTIONS;

describe("opcodes", () => {
  test.each(Array.from({ length: 256 }, (_, code) => code))(
    "0x%s is either an instruction or rejected by name",
    (code) => {
      const rows = ROWS.filter((row) => row.code === code);
      const rejections = REJECTIONS.filter((r) => (r.codes as readonly number[]).includes(code));
      expect(rejections.length).toBe(rows.length > 0 ? 0 : 1);
      const opcode = OPCODES[code];
      if (opcode !== undefined && "rows" in opcode) expect(opcode.rows).toEqual(rows);
      else expect(opcode?.rejection.reason).toBe(rejections[0]?.reason);
    },
  );

  test("129 opcodes are instructions", () => {
    expect(new Set(ROWS.map((row) => row.code)).size).toBe(129);
  });

  test("rejections have different names and reasons", () => {
    expect(new Set(REJECTIONS.map((r) => r.name)).size).toBe(REJECTIONS.length);
    expect(new Set(REJECTIONS.map((r) => r.reason)).size).toBe(REJECTIONS.length);
  });
});

describe("rows", () => {
  test("are told apart by their fixed fields", () => {
    const fixed = (row: Row): string =>
      [row.code, row.src, row.off, row.imm].map((v) => (typeof v === "number" ? v : "*")).join(" ");
    for (const [i, a] of ROWS.entries()) {
      for (const b of ROWS.slice(i + 1)) {
        const clash = fixed(a)
          .split(" ")
          .every((v, k) => {
            const w = fixed(b).split(" ")[k];
            return v === "*" || w === "*" || v === w;
          });
        expect(clash, `${a.text} and ${b.text}`).toBe(false);
      }
    }
  });

  test("are found again from the instructions that they build", () => {
    for (const row of ROWS) expect(rowOf(build(row, {})), row.text).toBe(row);
    expect(new Set(ROWS.map((row) => variantOf(build(row, {})))).size).toBe(ROWS.length);
  });

  test("give back the operands that they are built with", () => {
    for (const row of ROWS) {
      const operands = Object.fromEntries(operandNames(row).map((name, i) => [name, i + 1]));
      const insn = build(row, operands);
      for (const name of operandNames(row)) expect(operand(insn, name), `${row.text} ${name}`).toBe(operands[name]);
    }
  });

  test("have a text with all operands, and none that they lack", () => {
    for (const row of ROWS) {
      const written = new Set([...row.text.matchAll(/\{([a-zA-Z.]+(?:64)?)(?::.)?\}/g)].map((m) => m[1]));
      if (written.delete("imm64")) for (const half of ["imm.low", "imm.high"]) written.add(half);
      expect(written, row.text).toEqual(new Set<string>(operandNames(row)));
    }
  });

  test("have different texts", () => {
    expect(new Set(ROWS.map((row) => row.text)).size).toBe(ROWS.length);
  });
});

// What insn.ts can express, as records so that a new member of a union does not compile until it is listed here.
// prettier-ignore
const KINDS: Record<InsnKind, true> = { alu: true, movsx: true, neg: true, swap: true, load: true, store: true, atomic: true, load_acquire: true, store_release: true, load_imm64: true, load_packet: true, jump: true, jump_if: true, may_goto: true, call: true, exit: true, addr_space_cast: true };
// prettier-ignore
const ALU_OPS: Record<AluOp, true> = { add: true, sub: true, mul: true, div: true, sdiv: true, or: true, and: true, lsh: true, rsh: true, mod: true, smod: true, xor: true, mov: true, arsh: true };
// prettier-ignore
const JUMP_OPS: Record<JumpOp, true> = { eq: true, gt: true, ge: true, set: true, ne: true, sgt: true, sge: true, lt: true, le: true, slt: true, sle: true };
// prettier-ignore
const ATOMIC_OPS: Record<AtomicOp, true> = { add: true, or: true, and: true, xor: true, fetch_add: true, fetch_or: true, fetch_and: true, fetch_xor: true, xchg: true, cmpxchg: true };
// prettier-ignore
const PSEUDOS: Record<Pseudo, true> = { none: true, map_fd: true, map_value: true, btf_id: true, func: true, map_index: true, map_index_value: true };

describe("every shape of insn.ts has its rows", () => {
  const variants = new Set(ROWS.map((row) => variantOf(build(row, {}))));
  const kinds = new Set<string>(ROWS.map((row) => row.insn.kind));

  test.each(Object.keys(KINDS))("kind %s", (kind) => expect(kinds).toContain(kind));
  test.each(Object.keys(ALU_OPS))("ALU %s in 32 and 64 bits, register and immediate", (op) => {
    for (const width of [32, 64])
      for (const form of ["reg", "imm"]) expect(variants).toContain(`alu ${op} ${width} ${form}`);
  });
  test.each(Object.keys(JUMP_OPS))("jump %s in 32 and 64 bits, register and immediate", (op) => {
    for (const width of [32, 64])
      for (const form of ["reg", "imm"]) expect(variants).toContain(`jump_if ${op} ${width} ${form}`);
  });
  test.each(Object.keys(ATOMIC_OPS))("atomic %s of 4 and 8 bytes", (op) => {
    for (const size of [4, 8]) expect(variants).toContain(`atomic ${op} ${size}`);
  });
  test.each(Object.keys(PSEUDOS))("64-bit load of %s", (pseudo) => expect(variants).toContain(`load_imm64 ${pseudo}`));
});
