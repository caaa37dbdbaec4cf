/**
 * Replaces values by simpler ones of the same meaning: constants are computed, identities applied, comparisons brought
 * into one form, byte swaps moved to constants. The rules are in binary.ts, unary.ts and compare.ts; this file applies
 * them, in reverse postorder, so that operands are simplified before their users.
 *
 * A rule builds its result with the builder, which simplifies what it builds at once; every rule makes a value cheaper or
 * more regular, so that this ends.
 */
import { callable } from "../../../lib/kernel/index.ts";
import { reversePostorder } from "../../ir/dominators.ts";
import { countUses, makeValue, mapArgs, mapTerminator, Replacements, type Draft } from "../../ir/edit.ts";
import { toSigned } from "../../ir/fold.ts";
import type {
  BinaryOp,
  Block,
  Compare,
  CompareOp,
  Const,
  IrFunction,
  Phi,
  StoreValue,
  Type,
  UnaryOp,
  Value,
} from "../../ir/ir.ts";
import { possibleBits, visibleBits } from "../../ir/known-bits.ts";
import type { FunctionPass, Stage } from "../../ir/pass.ts";
import { simplifyBinary } from "./binary.ts";
import { isNeverNull, simplifyCompare, simplifySelect } from "./compare.ts";
import { isConst, isUnary, lowBitsOf, type Builder } from "./rules.ts";
import { simplifyUnary } from "./unary.ts";

export const simplify: FunctionPass = { name: "simplify", run: (fn, { stage }) => new Simplifier(fn, stage).run() };

class Simplifier implements Builder {
  readonly stage: Stage;
  private readonly fn: IrFunction;
  private readonly replaced = new Replacements();
  private readonly uses: ReadonlyMap<Value, number>;
  private readonly bounds: ReadonlySet<Value>;
  /** The block being rewritten, what it holds so far, and the value being simplified. */
  private block: Block;
  private out: Block["values"] = [];
  private at: { place: Value["place"] } = { place: null };
  private changed = false;

  constructor(fn: IrFunction, stage: Stage) {
    this.fn = fn;
    this.stage = stage;
    this.uses = countUses(fn);
    this.bounds = findBounds(fn);
    this.block = fn.blocks[0] as Block;
  }

  run(): boolean {
    for (const block of reversePostorder(this.fn)) this.rewrite(block);
    this.replaced.apply(this.fn);
    return this.changed;
  }

  private rewrite(block: Block): void {
    this.block = block;
    this.out = [];
    for (const value of block.values) {
      mapArgs(value, (v) => this.replaced.of(v));
      this.at = value;
      const better = this.simpler(value);
      if (better === null) this.out.push(value);
      else {
        this.replaced.set(value, better);
        this.changed = true;
      }
    }
    block.values = this.out;
    this.at = block.terminator;
    mapTerminator(block.terminator, (v) => this.replaced.of(v));
    this.rewriteBranch(block);
  }

  private simpler(value: Exclude<Value, Phi>): Value | null {
    switch (value.op) {
      case "binary":
        return simplifyBinary(value, this);
      case "compare":
        return simplifyCompare(value, this);
      case "unary":
        return simplifyUnary(value, this);
      case "select":
        return simplifySelect(value, this);
      case "store":
        this.narrowStore(value);
        return null;
      default:
        return null;
    }
  }

  /** A store of few bytes does not need masks and extensions of what it stores. */
  private narrowStore(store: StoreValue): void {
    if (store.size === 8) return;
    let value = lowBitsOf(store.args[1], store.size * 8);
    while (isUnary(value, "extend_u") || isUnary(value, "extend_s") || isUnary(value, "wrap")) {
      value = lowBitsOf(value.args[0], store.size * 8);
    }
    if (value === store.args[1] || value.type === "ptr") return;
    store.args[1] = value;
    this.changed = true;
  }

  /** Conditions are tested for zero anyway: x != 0 is x, x == 0 is x with the ways swapped. */
  private rewriteBranch(block: Block): void {
    const t = block.terminator;
    if (t.op !== "branch") return;
    for (let again = true; again; this.changed ||= again) {
      again = true;
      const { condition } = t;
      if (isEqualityWithZero(condition)) {
        if (condition.operator === "eq") [t.then, t.else] = [t.else, t.then];
        t.condition = condition.args[0];
      } else if (condition.op !== "const" && isNeverNull(condition)) t.condition = this.constant("i32", 1n);
      else {
        const simpler = this.simplerTest(condition);
        again = simpler !== null && simpler !== condition;
        if (simpler !== null) t.condition = simpler;
      }
    }
  }

  /** What the rules of `condition != 0` make of it, if they apply: the comparison itself is not built. */
  private simplerTest(condition: Value): Value | null {
    if (condition.type !== "i32" || (condition.op !== "binary" && condition.op !== "unary")) return null;
    const make = <T extends Exclude<Value, Phi>>(draft: Draft<T>): T =>
      makeValue<T>(this.fn, this.block, this.at, draft);
    const zero = make<Const>({ op: "const", type: "i32", args: [], value: 0n });
    const test = make<Compare>({ op: "compare", operator: "ne", type: "i32", args: [condition, zero] });
    const end = this.out.length;
    const simpler = simplifyCompare(test, this);
    // The result may use the zero.
    if (simpler !== null) this.out.splice(end, 0, zero);
    return simpler;
  }

  // --- Builder ------------------------------------------------------------------------------------------------------

  constant(type: Type, n: bigint): Value {
    return this.add({ op: "const", type, args: [], value: toSigned(type, n) });
  }

  binary(operator: BinaryOp, a: Value, b: Value): Value {
    const origin = a.type === "ptr" ? a.origin : undefined;
    return this.build({ op: "binary", operator, type: a.type, args: [a, b], ...(origin && { origin }) });
  }

  compare(operator: CompareOp, a: Value, b: Value): Value {
    return this.build({ op: "compare", operator, type: "i32", args: [a, b] });
  }

  unary(operator: UnaryOp, type: Type, a: Value): Value {
    return this.build({ op: "unary", operator, type, args: [a] });
  }

  select(condition: Value, then: Value, otherwise: Value): Value {
    const origin = this.at as { origin?: Value["origin"] };
    // prettier-ignore
    return this.build({
      op: "select", type: then.type, args: [condition, then, otherwise], ...(then.type === "ptr" && origin.origin && { origin: origin.origin }),
    });
  }

  isOnce(value: Value): boolean {
    return this.uses.get(value) === 1;
  }

  bits(result: Value, operand: Value): bigint {
    return this.stage === "scalar" || this.bounds.has(result) ? visibleBits(operand) : possibleBits(operand);
  }

  private build(draft: Draft<Exclude<Value, Phi>>): Value {
    const value = makeValue<Exclude<Value, Phi>>(this.fn, this.block, this.at, draft);
    const better = this.simpler(value);
    if (better !== null) return better;
    this.out.push(value);
    return value;
  }

  private add(draft: Draft<Exclude<Value, Phi>>): Value {
    const value = makeValue<Exclude<Value, Phi>>(this.fn, this.block, this.at, draft);
    this.out.push(value);
    return value;
  }
}

function isEqualityWithZero(condition: Value): condition is Value & { op: "compare"; operator: "eq" | "ne" } {
  if (condition.op !== "compare" || (condition.operator !== "eq" && condition.operator !== "ne")) return false;
  return isConst(condition.args[1], 0n) && condition.args[0].type !== "i64";
}

/**
 * Values that the verifier must know the bounds of: offsets of pointers and packets, lengths for helpers, and what these
 * are computed from. A mask there is kept although we know that it changes nothing.
 */
function findBounds(fn: IrFunction): Set<Value> {
  const bounds = new Set<Value>();
  const work: Value[] = [];
  const need = (value: Value | undefined): void => {
    if (value === undefined || value.type === "ptr" || bounds.has(value)) return;
    bounds.add(value);
    work.push(value);
  };
  for (const value of fn.blocks.flatMap((b) => b.values)) {
    if (value.op === "binary" && value.type === "ptr") need(value.args[1]);
    if (value.op === "packet_at") need(value.args[1]);
    if (value.op === "call") value.args.forEach(need);
    if (value.op === "call_helper")
      callable(value.helper).args.forEach((kind, i) => kind === "size" && need(value.args[i]));
  }
  for (let value = work.pop(); value !== undefined; value = work.pop()) {
    if (value.op === "phi") for (const input of value.inputs.values()) need(input);
    else if (value.op === "binary" || value.op === "unary" || value.op === "select") value.args.forEach(need);
  }
  return bounds;
}
