/**
 * Reads the text of codegen/ir/print.ts back, for tests that show IR before and after a pass. Types may be left out where
 * the operands say them; block and value names are free (`p` and `loop` as well as `v3` and `b1`).
 *
 *     entry:
 *       x = param 0 : i32
 *       y = add x, x
 *       return y
 */
import type { Size } from "../../lib/isa/index.ts";
import type { HelperName } from "../../lib/kernel/index.ts";
import { FunctionBuilder } from "../../codegen/ir/build.ts";
// prettier-ignore
import type { AtomicOp, BinaryOp, Block, CompareOp, IrFunction, Origin, Phi, Type, UnaryOp, Value } from "../../codegen/ir/ir.ts";
import { printFunction } from "../../codegen/ir/print.ts";

// prettier-ignore
const BINARY: ReadonlySet<string> = new Set(["add", "sub", "mul", "div_u", "div_s", "rem_u", "rem_s", "and", "or", "xor", "shl", "shr_u", "shr_s", "rotl", "rotr"]);
// prettier-ignore
const OPERATIONS: ReadonlySet<string> = new Set([...BINARY, "stack_slot", "global_address", "map_address", "function_address", "packet_at", "context_pointer", "call_helper", "call", "compare", "select", "param", "const", "phi"]);

interface Line {
  readonly name: string;
  readonly words: readonly string[];
  readonly type: Type | undefined;
}

/** A function of no parameters or those that it lists. `entry`: an XDP program. */
export function parseFunction(text: string, options: { name?: string; entry?: boolean } = {}): IrFunction {
  return new Parser(text, options).run();
}

/** The function without types and places, names numbered in order of appearance. */
export function show(fn: IrFunction): string {
  return normalise(printFunction(fn).split("\n").slice(1).join("\n"));
}

/** Brings names and spaces of such text into one form. */
export function normalise(text: string): string {
  const lines = text
    .split("\n")
    .map((line) => line.replace(/;.*/, "").replace(/ : .*/, "").replaceAll(/\s+/g, " ").trim());
  const names = new Map<string, string>();
  for (const line of lines) {
    const label = /^(\w+):$/.exec(line)?.[1];
    const value = /^(\w+) =/.exec(line)?.[1];
    if (label !== undefined) names.set(label, `b${[...names.values()].filter((n) => n.startsWith("b")).length}`);
    if (value !== undefined) names.set(value, `v${[...names.values()].filter((n) => n.startsWith("v")).length}`);
  }
  const renamed = lines
    .filter((line) => line !== "")
    .map((line) => line.replaceAll(/(?<![.\w])[a-z]\w*/g, (word) => rename(word, line, names)));
  return renamed.map((line) => (line.endsWith(":") ? line : `  ${line}`)).join("\n");
}

function rename(word: string, line: string, names: ReadonlyMap<string, string>): string {
  // An operation may have a value's name: it stands first, or after "=".
  const operation = OPERATIONS.has(word) && (line.startsWith(`${word} `) || line.includes(`= ${word}`));
  return operation ? word : (names.get(word) ?? word);
}

class Parser {
  private readonly b: FunctionBuilder;
  private readonly blocks = new Map<string, Block>();
  private readonly values = new Map<string, Value>();
  private readonly phis: { phi: Phi; words: readonly string[] }[] = [];
  private readonly lines: string[];

  constructor(text: string, options: { name?: string; entry?: boolean }) {
    const result: Type = /return \w/.test(text) ? "i32" : "void";
    this.b = new FunctionBuilder(
      options.name ?? "f",
      result,
      options.entry === true ? { context: "xdp_md", refuse: 0 } : null,
    );
    this.lines = text
      .split("\n")
      .map((line) => line.replace(/;.*/, "").trim())
      .filter((line) => line !== "");
  }

  run(): IrFunction {
    for (const line of this.lines) {
      const label = /^(\w+):/.exec(line)?.[1];
      if (label !== undefined) this.blocks.set(label, this.blocks.size === 0 ? this.b.current : this.b.block());
    }
    for (const line of this.lines) this.line(line);
    for (const { phi, words } of this.phis) {
      for (let i = 0; i < words.length; i += 2)
        phi.inputs.set(this.block(words[i] as string), this.value(words[i + 1] as string));
    }
    const fn = this.b.finish();
    const returned = fn.blocks.flatMap((b) =>
      b.terminator.op === "return" && b.terminator.value !== null ? [b.terminator.value.type] : [],
    );
    fn.result = returned[0] ?? "void";
    return fn;
  }

  private block(name: string): Block {
    const block = this.blocks.get(name);
    if (block === undefined) throw new Error(`no block ${name}`);
    return block;
  }

  private value(name: string | undefined): Value {
    const value = this.values.get(name ?? "");
    if (value === undefined) throw new Error(`no value ${name}`);
    return value;
  }

  private line(text: string): void {
    const label = /^(\w+):/.exec(text)?.[1];
    if (label !== undefined) {
      this.b.at(this.block(label));
      return;
    }
    const [, name, body, type] = /^(?:(\w+) = )?(.*?)(?:\s+: (\w+).*)?$/.exec(text) as RegExpExecArray;
    const words = (body as string).split(/[\s,()]+/).filter((w) => w !== "");
    if (this.terminator(words)) return;
    const value = this.parse({ name: name ?? "", words, type: type as Type | undefined });
    if (name !== undefined) this.values.set(name, value);
  }

  private terminator([op, ...rest]: readonly string[]): boolean {
    switch (op) {
      case "jump":
        this.b.jump(this.block(rest[0] as string));
        return true;
      case "branch":
        this.b.branch(this.value(rest[0]), this.block(rest[1] as string), this.block(rest[2] as string));
        return true;
      case "return":
        this.b.return(rest.length === 0 ? null : this.value(rest[0]));
        return true;
      case "trap":
        this.b.trap();
        return true;
      default:
        return false;
    }
  }

  private parse({ words: [op = "", ...rest], type }: Line): Value {
    const { b } = this;
    const plus = rest.findIndex((w) => w.startsWith("+"));
    const offset = plus < 0 ? 0 : Number(rest[plus]);
    const names = plus < 0 ? rest : rest.slice(0, plus);
    const access = /^(load|store|atomic)(\d+)([us]?)$/.exec(op);
    if (access !== null) return this.access(access, names, offset, type);
    const pointer = type === "ptr";
    const withOrigin = (origin: Origin): { origin?: Origin } => (pointer ? { origin } : {});
    switch (op) {
      case "const":
        return b.add({ op: "const", type: type ?? "i32", args: [], value: BigInt(rest[0] as string) });
      case "param":
        return b.param(type ?? "i32", pointer ? { kind: "ctx", context: "xdp_md", nullable: false } : undefined);
      case "phi": {
        const phi = b.phi(
          type ?? "i32",
          [],
          pointer ? { kind: "map_value", map: "m", size: 8, nullable: true } : undefined,
        );
        this.phis.push({ phi, words: rest });
        return phi;
      }
      case "compare":
        return b.compare(rest[0] as CompareOp, this.value(rest[1]), this.value(rest[2]));
      case "select":
        return b.select(this.value(rest[0]), this.value(rest[1]), this.value(rest[2]));
      case "stack_slot":
        return b.add({
          op: "stack_slot",
          type: type ?? "i32",
          size: Number(rest[0]),
          args: [],
          ...withOrigin({ kind: "stack", size: Number(rest[0]), nullable: false }),
        });
      case "global_address":
        return b.add({ op: "global_address", type: type ?? "i32", map: rest[0] as string, offset, args: [] });
      case "map_address":
        return b.add({ op: "map_address", type: type ?? "i32", map: rest[0] as string, args: [] });
      case "function_address":
        return b.add({
          op: "function_address",
          type: type ?? "i32",
          callee: rest[0] as string,
          shape: { kind: "loop" },
          args: [],
        });
      case "packet_at": {
        const size = Number(rest[3]);
        return b.add({
          op: "packet_at",
          window: rest[4] === "meta" ? "meta" : "packet",
          type: type ?? "i32",
          size,
          args: [this.value(rest[0]), this.value(rest[1])],
          ...withOrigin({ kind: "packet", size, nullable: true }),
        });
      }
      case "context_pointer":
        return b.add({
          op: "context_pointer",
          type: type ?? "i32",
          pointee: rest[0] as "socket" | "flow_keys",
          offset,
          args: [this.value(rest[1])],
        });
      case "call_helper":
        return b.helper(
          rest[0] as HelperName,
          rest.slice(1).map((n) => this.value(n)),
          type ?? "i64",
        );
      case "call":
        return b.call(
          rest[0] as string,
          rest.slice(1).map((n) => this.value(n)),
          type ?? "i32",
        );
      default:
        if (BINARY.has(op)) return b.binary(op as BinaryOp, this.value(rest[0]), this.value(rest[1]));
        return b.unary(op as UnaryOp, this.value(rest[0]));
    }
  }

  private access(
    [, kind, bits, sign]: RegExpExecArray,
    names: readonly string[],
    offset: number,
    type: Type | undefined,
  ): Value {
    const size = (Number(bits) / 8) as Size;
    const wide = type ?? (size === 8 ? "i64" : "i32");
    if (kind === "load") return this.b.load(wide as "i32" | "i64", size, this.value(names[0]), offset, sign === "s");
    if (kind === "store") return this.b.store(size, this.value(names[0]), this.value(names[1]), offset);
    const [operator, base, ...operands] = names as [AtomicOp, string, ...string[]];
    return this.b.atomic(
      operator,
      size as 4 | 8,
      this.value(base),
      operands.map((n) => this.value(n)),
      offset,
      type !== "void",
    );
  }
}
