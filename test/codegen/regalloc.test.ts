/** Register allocation on random machine functions, and the checker against allocations that were made wrong. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mapRegisters, mapTerminator, type MachineFunction, type MachineReg } from "../../codegen/lower/mir.ts";
import { allocateRegisters } from "../../codegen/regalloc/allocate.ts";
import type { Allocation, AllocatedBlock, Item } from "../../codegen/regalloc/allocation.ts";
import { checkAllocation } from "../../codegen/regalloc/check.ts";
import { randomMachineFunction, runAllocated, runOriginal } from "./regalloc-machine.ts";

const CHOICES = fc.array(fc.nat(0xffff), { maxLength: 500, size: "max" });

test("random functions are allocated right, by the checker and by running them", () => {
  let spilled = 0;
  fc.assert(
    fc.property(CHOICES, fc.nat(), (choices, seed) => {
      const fn = randomMachineFunction(choices);
      const allocation = allocateRegisters(fn);
      if (allocation.slotCount > 0) spilled++;
      expect(checkAllocation(fn, allocation)).toEqual([]);
      expect(runAllocated(fn, allocation, seed)).toEqual(runOriginal(fn, seed));
    }),
    { numRuns: 500 },
  );
  expect(spilled).toBeGreaterThan(50);
});

test("what makes the function do something else, the checker notices", () => {
  let wrong = 0;
  fc.assert(
    fc.property(CHOICES, fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), (choices, how) => {
      const fn = randomMachineFunction(choices);
      const mutated = mutate(allocateRegisters(fn), how);
      const differs = [1, 2, 3].some((seed) => differ(fn, mutated, seed));
      if (!differs) return;
      wrong++;
      expect(checkAllocation(fn, mutated)).not.toEqual([]);
    }),
    { numRuns: 2000 },
  );
  expect(wrong).toBeGreaterThan(300);
});

function differ(fn: MachineFunction, allocation: Allocation, seed: number): boolean {
  const [a, b] = [runOriginal(fn, seed), runAllocated(fn, allocation, seed)];
  return a.length !== b.length || a.some((event, i) => event !== b[i]);
}

/** Changes one thing: a register, a slot, the order of two items; or takes an item out. */
function mutate(
  allocation: Allocation,
  [which = 0, kind = 0, where = 0, to = 0, at = 0]: readonly number[],
): Allocation {
  const blocks = allocation.blocks.map((b): AllocatedBlock => ({ ...b, items: [...b.items] }));
  const block = blocks[which % blocks.length] as AllocatedBlock;
  const index = where % Math.max(1, block.items.length);
  const item = block.items[index];
  const reg = to % 10;
  if (item === undefined || kind % 5 === 4) block.terminator = mapTerminator(block.terminator, () => reg);
  else if (kind % 5 === 0) block.items.splice(index, 1);
  else if (kind % 5 === 1) block.items.splice(index, 2, ...block.items.slice(index, index + 2).reverse());
  else block.items[index] = changeItem(item, reg, at, allocation.slotCount);
  return { ...allocation, blocks };
}

function changeItem(item: Item, reg: MachineReg, at: number, slots: number): Item {
  switch (item.kind) {
    case "original":
    case "remake": {
      let left = at % 3;
      return { ...item, body: mapRegisters(item.body, (r) => (left-- === 0 ? reg : r)) };
    }
    case "spill":
    case "reload":
      return at % 2 === 0 ? { ...item, reg } : { ...item, slot: at % Math.max(1, slots) };
    case "move":
      return at % 2 === 0 ? { ...item, reg } : { ...item, to: reg };
    case "elided":
      return { kind: "move", to: reg, reg: at % 10 };
  }
}

describe("seeded faults", () => {
  const bare = { target: null, argCount: 0, place: null };
  const end = { kind: "exit", result: true, place: null } as const;

  /** v16 = r1; v17 = 5; v16 += v17; r0 = v16. */
  function small(): MachineFunction {
    const insns = [
      { ...bare, body: { kind: "alu", op: "mov", width: 64, dst: 16, src: { reg: 1 } } },
      { ...bare, body: { kind: "alu", op: "mov", width: 64, dst: 17, src: { imm: 5 } } },
      { ...bare, body: { kind: "alu", op: "add", width: 64, dst: 16, src: { reg: 17 } } },
      { ...bare, body: { kind: "alu", op: "mov", width: 64, dst: 0, src: { reg: 16 } } },
    ] as const;
    return {
      blocks: [{ id: 0, insns: [...insns], terminator: end, loopDepth: 0 }],
      paramCount: 1,
      registerEnd: 18,
      stackBytes: 0,
    };
  }

  /** Gives v16 and v17 these registers. */
  function withRegisters(fn: MachineFunction, a: MachineReg, b: MachineReg): Allocation {
    const map = (r: MachineReg): MachineReg => (r === 16 ? a : r === 17 ? b : r);
    const blocks = fn.blocks.map((from) => ({
      from,
      items: from.insns.map((insn): Item => ({ kind: "original", from: insn, body: mapRegisters(insn.body, map) })),
      terminator: from.terminator,
    }));
    return { blocks, slotCount: 0 };
  }

  test.each([
    ["two registers for two values", 1, 2, []],
    ["the result's register from the start", 0, 3, []],
    ["one register for two values", 4, 4, ["block 0 item 2: place 4 does not hold 16"]],
    ["the frame pointer", 10, 2, ["block 0 item 0: 10 is not a register that may be allocated"]],
    ["a register that does not exist", 2, 11, ["block 0 item 1: 11 is not a register that may be allocated"]],
  ])("%s", (_, a, b, problems) => {
    const fn = small();
    expect(checkAllocation(fn, withRegisters(fn, a, b))).toEqual(expect.arrayContaining(problems));
    expect(checkAllocation(fn, withRegisters(fn, a, b)).length > 0).toBe(problems.length > 0);
  });

  test("an instruction that is missing, changed, or of another block", () => {
    const fn = small();
    const good = withRegisters(fn, 1, 2);
    const [block] = good.blocks as [AllocatedBlock];
    const withItems = (items: Item[]): string[] => checkAllocation(fn, { ...good, blocks: [{ ...block, items }] });
    expect(withItems(block.items.filter((_, i) => i !== 2))).toContain(
      "block 0 item 1: original instruction 2 is missing",
    );
    const changed = block.items.map((item, i): Item =>
      i === 2 && item.kind === "original" ? { ...item, body: { ...item.body, op: "sub" } as typeof item.body } : item,
    );
    expect(withItems(changed)).toContain("block 0 item 2: the instruction is another one");
    expect(withItems([...block.items, block.items[0] as Item]).length).toBeGreaterThan(0);
  });

  test("a constant made again as another one", () => {
    const fn = small();
    const good = withRegisters(fn, 1, 2);
    const [block] = good.blocks as [AllocatedBlock];
    const constant = fn.blocks[0]?.insns[1];
    if (constant === undefined) throw new Error("no constant");
    const remake = (imm: number): Item => ({
      kind: "remake",
      value: 17,
      from: constant,
      body: { kind: "alu", op: "mov", width: 64, dst: 2, src: { imm } },
    });
    const check = (imm: number): string[] => {
      const items = block.items.flatMap((item, i) => (i === 1 ? [remake(imm)] : [item]));
      return checkAllocation(fn, { ...good, blocks: [{ ...block, items }] });
    };
    expect(check(5)).toEqual([]);
    expect(check(6)).toEqual(["block 0 item 1: register 17 cannot be made again like this"]);
  });
});
