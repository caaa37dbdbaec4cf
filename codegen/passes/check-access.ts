/**
 * Checks every access against what its pointer is known to reach: the bytes that packet_at proved, the size of the map
 * value, stack object, ring buffer record or context. Runs after provenance. What the kernel's verifier would refuse
 * with registers and offsets is refused here in the terms of the source.
 *
 * An offset that is not constant is left to the verifier, which tracks ranges, except in packets: there a variable
 * offset voids the proof, so it has to go through packet_at.
 */
import type { Diagnostic } from "../../lib/diag/index.ts";
import { CONTEXTS, callable, SOCKET_SIZE } from "../../lib/kernel/index.ts";
import { problem, type CompilerCode } from "../diagnostics.ts";
import { successors, type Block, type IrFunction, type IrModule, type Origin, type Value } from "../ir/ir.ts";

/** The diagnostics of all accesses. */
export function checkAccesses(module: IrModule): Diagnostic[] {
  const checkers = new Map([...module.functions].map(([name, fn]) => [name, new AccessChecker(fn)]));
  // A parameter is as good as tested when every caller tested what it passes. Callers may pass on parameters of their own.
  for (let changed = true; changed;) {
    changed = false;
    for (const checker of checkers.values()) {
      for (const { callee, index } of checker.untestedArguments())
        changed = checkers.get(callee)?.distrustParameter(index) === true || changed;
    }
  }
  return [...checkers.values()].flatMap((checker) => checker.run());
}

interface Access {
  readonly value: Value;
  readonly base: Value;
  readonly offset: number;
  readonly size: number;
}

class AccessChecker {
  private readonly fn: IrFunction;
  private readonly diagnostics: Diagnostic[] = [];
  private readonly tested = new Set<Value>();
  /** Parameters that all callers tested. */
  private readonly trusted: Set<Value>;
  private readonly seen = new Set<string>();

  constructor(fn: IrFunction) {
    this.fn = fn;
    this.trusted = new Set(fn.params);
    this.collectTests();
  }

  /** Arguments of calls that may be null here. */
  untestedArguments(): { callee: string; index: number }[] {
    return this.fn.blocks.flatMap((block) =>
      block.values.flatMap((value) =>
        value.op !== "call"
          ? []
          : value.args.flatMap((arg, index) =>
              arg.origin?.nullable === true && !this.isTested(arg) ? [{ callee: value.callee, index }] : [],
            ),
      ),
    );
  }

  /** Some caller passes what may be null; true when that is new. */
  distrustParameter(index: number): boolean {
    const param = this.fn.params[index];
    return param !== undefined && this.trusted.delete(param);
  }

  run(): Diagnostic[] {
    for (const block of this.fn.blocks) {
      for (const value of block.values) {
        const access = accessOf(value);
        if (access !== null) this.check(access);
      }
    }
    this.checkLoopObjects();
    this.checkMovedPackets();
    return this.diagnostics;
  }

  private report(
    code: CompilerCode,
    message: string,
    at: Value,
    more: { expected?: string; found?: string } = {},
  ): void {
    const key = `${code} ${at.place?.file}:${at.place?.line}`;
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.diagnostics.push(problem(code, message, at.place, more));
  }

  /** Values that some branch or comparison tests against null, with what flows into and out of them by phis. */
  private collectTests(): void {
    const mark = (value: Value): void => {
      if (this.tested.has(value)) return;
      this.tested.add(value);
      if (value.op === "phi") for (const input of value.inputs.values()) mark(input);
      if (value.op === "select") [value.args[1], value.args[2]].forEach(mark);
    };
    for (const block of this.fn.blocks) {
      const t = block.terminator;
      if (t.op === "branch") mark(t.condition);
      for (const value of block.values) {
        if (value.op === "compare") value.args.forEach(mark);
        if (value.op === "select") mark(value.args[0]);
      }
    }
    // A phi of tested values is as good as tested.
    for (const block of this.fn.blocks) {
      for (const phi of block.phis) if ([...phi.inputs.values()].some((v) => this.tested.has(v))) this.tested.add(phi);
    }
  }

  private isTested(pointer: Value): boolean {
    const { root } = rootOf(pointer);
    return this.tested.has(root) || this.tested.has(pointer) || this.trusted.has(root);
  }

  private check(access: Access): void {
    const { offset, variable } = rootOf(access.base);
    const origin = access.base.origin;
    if (origin === undefined) return;
    if (origin.nullable && !this.isTested(access.base)) {
      this.report("C004", "a pointer that may be null is used without a check", access.value);
      return;
    }
    const start = offset + access.offset;
    if (origin.kind === "packet") return this.checkPacket(access, start, origin.size, variable);
    const size = sizeOf(origin);
    if (variable || size === null || (start >= 0 && start + access.size <= size)) return;
    this.report("C009", `${access.size} bytes at offset ${start} are not inside of ${nameOf(origin)}`, access.value, {
      expected: `offset 0 to ${size - access.size}`,
      found: `offset ${start}`,
    });
  }

  private checkPacket(access: Access, start: number, size: number, variable: boolean): void {
    if (variable) {
      this.report("C008", "the packet is read at an offset from a header that is not constant", access.value, {
        expected: `a constant offset inside of the ${size} checked bytes`,
        found: "a variable offset",
      });
    } else if (start < 0 || start + access.size > size) {
      // prettier-ignore
      this.report("C008", `${access.size} bytes are accessed at offset ${start} of a packet pointer whose next ${size} bytes were checked`, access.value, {
        expected: `bytes 0 to ${size - 1}`,
        found: `bytes ${start} to ${start + access.size - 1}`,
      });
    }
  }

  /** An object made in a loop is one stack slot: a pointer that lives into the next iteration would see it overwritten. */
  private checkLoopObjects(): void {
    const order = new Map(this.fn.blocks.map((b, i) => [b, i]));
    for (const header of this.fn.blocks) {
      const loop = loopOf(header, order);
      if (loop === null) continue;
      for (const phi of header.phis) {
        for (const [pred, input] of phi.inputs) {
          const { root } = rootOf(input);
          if (loop.has(pred) && root.op === "stack_slot" && loop.has(root.block)) {
            this.report("C023", "an object made in a loop is kept for the next iteration", root);
          }
        }
      }
    }
  }

  /** Packet pointers die at a helper that may move the packet: no use of one may be reachable across such a call. */
  private checkMovedPackets(): void {
    for (const block of this.fn.blocks) {
      block.values.forEach((value, i) => {
        if (value.op !== "call_helper" || callable(value.helper).movesPacket !== true) return;
        this.checkAfterMove(block, i, value.helper);
      });
    }
  }

  private checkAfterMove(from: Block, index: number, helper: string): void {
    // Pointers taken before the call: anything not defined again on the way.
    const walk = (block: Block, start: number, fresh: ReadonlySet<Value>, seen: Set<Block>): void => {
      const known = new Set(fresh);
      for (const value of block.values.slice(start)) {
        if (value.op === "packet_at") known.add(value);
        const access = accessOf(value);
        if (access === null || access.base.origin?.kind !== "packet") continue;
        const { root } = rootOf(access.base);
        if (root.op === "packet_at" && !known.has(root)) {
          this.report("C024", `a packet pointer from before ${helper} is used after it`, value);
        }
      }
      for (const next of successors(block)) {
        if (seen.has(next)) continue;
        seen.add(next);
        walk(next, 0, known, seen);
      }
    };
    walk(from, index + 1, new Set(), new Set());
  }
}

function accessOf(value: Value): Access | null {
  switch (value.op) {
    case "load":
    case "store":
    case "atomic":
      return { value, base: value.args[0] as Value, offset: value.offset, size: value.size };
    default:
      return null;
  }
}

/** Follows sums with constants to where the pointer came from. */
function rootOf(base: Value): { root: Value; offset: number; variable: boolean } {
  let root = base;
  let offset = 0;
  let variable = false;
  while (root.op === "binary" && root.type === "ptr") {
    const by: Value = root.args[1];
    if (by.op === "const") offset += Number(BigInt.asIntN(32, by.value));
    else variable = true;
    root = root.args[0];
  }
  return { root, offset, variable };
}

function sizeOf(origin: Origin): number | null {
  switch (origin.kind) {
    case "ctx":
      return CONTEXTS[origin.context].size;
    case "map_value":
    case "stack":
    case "mem":
    case "flow_keys":
    case "map_key":
      return origin.size;
    case "socket":
      return SOCKET_SIZE;
    default:
      return null;
  }
}

function nameOf(origin: Origin): string {
  switch (origin.kind) {
    case "ctx":
      return `the context (${CONTEXTS[origin.context].size} bytes)`;
    case "map_value":
      return `a value of map "${origin.map}" (${origin.size} bytes)`;
    case "mem":
      return `the ring buffer record (${origin.size} bytes)`;
    case "socket":
      return `a socket (${SOCKET_SIZE} bytes)`;
    case "map_key":
      return `a key of map "${origin.map}" (${origin.size} bytes)`;
    case "stack":
    case "flow_keys":
      return `the object (${origin.size} bytes)`;
    default:
      return "the object";
  }
}

/** The blocks of the natural loops at a header, or null. */
function loopOf(header: Block, order: ReadonlyMap<Block, number>): Set<Block> | null {
  const inside = new Set<Block>([header]);
  const tails = header.preds.filter((p) => dominatedBy(p, header, order));
  if (tails.length === 0) return null;
  const work = [...tails];
  for (let block = work.pop(); block !== undefined; block = work.pop()) {
    if (inside.has(block)) continue;
    inside.add(block);
    work.push(...block.preds);
  }
  return inside;
}

/** Every path from the entry to `block` passes `by`: search that does not cross `by`. */
function dominatedBy(block: Block, by: Block, order: ReadonlyMap<Block, number>): boolean {
  if (block === by) return true;
  const seen = new Set<Block>([by]);
  const work = [block];
  for (let b = work.pop(); b !== undefined; b = work.pop()) {
    if (seen.has(b)) continue;
    if (order.get(b) === 0) return false;
    seen.add(b);
    work.push(...b.preds);
  }
  return true;
}
