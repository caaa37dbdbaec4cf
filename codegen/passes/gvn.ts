/**
 * Global value numbering: of two pure values with the same operation and operands, one of which dominates the other, the
 * dominating one serves both. The dominator tree is walked depth first with a table of what was computed on the way.
 *
 * `packet_at` counts as pure while the packet cannot move: a call that may move it anywhere in the function forbids it.
 */
import { callable } from "../../lib/kernel/index.ts";
import { Dominators } from "../ir/dominators.ts";
import { mapArgs, Replacements } from "../ir/edit.ts";
import type { Block, CompareOp, IrFunction, IrModule, Phi, Value } from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";

export const gvn: FunctionPass = {
  name: "gvn",
  run: (fn, { module }) => new Numbering(fn, !packetMayMove(fn, module, new Set())).run(),
};

const COMMUTATIVE: ReadonlySet<string> = new Set(["add", "mul", "and", "or", "xor"]);
/** a op b = b MIRRORED[op] a. */
// prettier-ignore
const MIRRORED: Readonly<Record<CompareOp, CompareOp>> = {
  eq: "eq", ne: "ne", lt_u: "gt_u", le_u: "ge_u", gt_u: "lt_u", ge_u: "le_u", lt_s: "gt_s", le_s: "ge_s", gt_s: "lt_s", ge_s: "le_s",
};

class Numbering {
  private readonly fn: IrFunction;
  private readonly packetsStay: boolean;
  private readonly replaced = new Replacements();
  private readonly table = new Map<string, Value>();

  constructor(fn: IrFunction, packetsStay: boolean) {
    this.fn = fn;
    this.packetsStay = packetsStay;
  }

  run(): boolean {
    const dominators = new Dominators(this.fn);
    const children = dominators.children();
    // Depth first with an explicit stack; on the way back up, the keys that a block added are taken out again.
    const stack: { block: Block; waiting: Block[]; added: string[] }[] = [];
    const enter = (block: Block): void => {
      stack.push({ block, waiting: [...(children.get(block) ?? [])], added: this.visit(block) });
    };
    const entry = dominators.order[0];
    if (entry !== undefined) enter(entry);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.waiting.shift();
      if (next !== undefined) enter(next);
      else {
        for (const key of top.added) this.table.delete(key);
        stack.pop();
      }
    }
    this.replaced.apply(this.fn);
    return this.replaced.size > 0;
  }

  /** Numbers the block's values; gives the keys that it added. */
  private visit(block: Block): string[] {
    const added: string[] = [];
    const isNew = (value: Value, key: string | null): boolean => {
      if (key === null) return true;
      const known = this.table.get(key);
      if (known === undefined) {
        this.table.set(key, value);
        added.push(key);
        return true;
      }
      this.replaced.set(value, known);
      return false;
    };
    block.phis = block.phis.filter((phi) => isNew(phi, this.phiKey(phi)));
    block.values = block.values.filter((value) => {
      mapArgs(value, (v) => this.replaced.of(v));
      return isNew(value, this.key(value));
    });
    return added;
  }

  private phiKey(phi: Phi): string {
    const inputs = [...phi.inputs].map(([from, v]) => `${from.id}:${this.replaced.of(v).id}`);
    return `phi ${phi.block.id} ${phi.type} ${inputs.sort().join()}`;
  }

  /** Equal for values that compute the same; null for those that may not be merged. */
  private key(value: Exclude<Value, Phi>): string | null {
    const args = (value.args as Value[]).map((a) => a.id);
    switch (value.op) {
      case "const":
        return `const ${value.type} ${value.value}`;
      case "binary": {
        const [a, b] = args as [number, number];
        const sorted = COMMUTATIVE.has(value.operator) && a > b ? [b, a] : [a, b];
        return `${value.operator} ${value.type} ${sorted.join()}`;
      }
      case "compare": {
        const [a, b] = args as [number, number];
        return a > b ? `compare ${MIRRORED[value.operator]} ${b},${a}` : `compare ${value.operator} ${a},${b}`;
      }
      case "unary":
        return `${value.operator} ${args.join()}`;
      case "select":
        return `select ${value.type} ${args.join()}`;
      case "global_address":
        return `global ${value.type} ${value.map} ${value.offset}`;
      case "map_address":
        return `map ${value.type} ${value.map}`;
      case "function_address":
        return value.callee === "" ? null : `function ${value.type} ${value.callee}`;
      case "packet_at":
        return this.packetsStay ? `packet_at ${value.window} ${value.size} ${args.join()}` : null;
      case "param":
      case "load":
      case "store":
      case "atomic":
      case "stack_slot":
      case "context_pointer":
      case "call_helper":
      case "call":
        return null;
    }
  }
}

/** True when the function, or one that it calls, may move the packet. */
function packetMayMove(fn: IrFunction, module: IrModule, seen: Set<IrFunction>): boolean {
  if (seen.has(fn)) return false;
  seen.add(fn);
  return fn.blocks.some((block) =>
    block.values.some((value) => {
      if (value.op === "call_helper") return callable(value.helper).movesPacket === true;
      if (value.op !== "call") return false;
      const callee = module.functions.get(value.callee);
      return callee === undefined || packetMayMove(callee, module, seen);
    }),
  );
}
