/**
 * Register allocation: build the interference graph, colour it, and where colours run out spill and start again. What
 * spilling adds are registers that live over few instructions, so it ends. At the end copies, reloads and stores that
 * turned out to be redundant are dropped.
 */
import { isVirtual, mapRegisters, mapTerminator, type MachineFunction, type MachineReg } from "../lower/mir.ts";
import { asItems, type AllocatedBlock, type Allocation, type Item } from "./allocation.ts";
import { colourGraph } from "./colour.ts";
import { buildGraph } from "./interference.ts";
import { removeDeadSpills, removeRedundant } from "./cleanup.ts";
import { packSlots } from "./slots.ts";
import { Spiller } from "./spill.ts";

export function allocateRegisters(fn: MachineFunction): Allocation {
  const blocks = asItems(fn);
  const spiller = new Spiller(fn.registerEnd);
  for (;;) {
    const graph = buildGraph(blocks, spiller.nextRegister);
    const { colours, spilled } = colourGraph(graph, spiller.temporaries);
    if (spilled.length > 0) {
      spiller.spill(blocks, spilled);
      continue;
    }
    const { place, count } = packSlots(fn, spiller.slots);
    // A register without a colour occurs nowhere that matters: it cannot be reached here.
    const physical = (reg: MachineReg): MachineReg => (isVirtual(reg) ? (colours.get(reg) as MachineReg) : reg);
    const finished = blocks.map((b) => finishBlock(b, physical, place));
    removeRedundant(finished);
    removeDeadSpills(finished);
    return { blocks: finished, slotCount: count };
  }
}

function finishBlock(
  block: AllocatedBlock,
  physical: (reg: MachineReg) => MachineReg,
  place: readonly number[],
): AllocatedBlock {
  return {
    from: block.from,
    items: block.items.map((item) => finishItem(item, physical, place)),
    terminator: mapTerminator(block.terminator, physical),
  };
}

function finishItem(item: Item, physical: (reg: MachineReg) => MachineReg, place: readonly number[]): Item {
  switch (item.kind) {
    case "original":
    case "remake":
      return { ...item, body: mapRegisters(item.body, physical) };
    case "spill":
    case "reload":
      return { ...item, reg: physical(item.reg), slot: place[item.slot] as number };
    case "move":
      return { ...item, to: physical(item.to), reg: physical(item.reg) };
    case "elided":
      return {
        ...item,
        place: "slot" in item.place ? { slot: place[item.place.slot] as number } : { reg: physical(item.place.reg) },
      };
  }
}
