/**
 * Random kernel-side programs from a seed: integer expressions of all widths, assignments, branches, bounded loops,
 * functions (inlined and not), stack objects, global variables and tables. Results go to an array map.
 */

const TYPES = ["u32", "i32", "u64", "i64", "u8", "i16"] as const;
type Type = (typeof TYPES)[number];
const ARITHMETIC = ["+", "-", "*", "&", "|", "^"] as const;
const COMPARISONS = ["<", "<=", ">", ">=", "==", "!="] as const;

class Generator {
  private readonly random: () => number;
  private readonly lines: string[] = [];
  private variables: { name: string; type: Type; fixed?: true }[] = [];
  private names = 0;
  private puts = 0;
  private functions: { name: string; params: Type[]; result: Type }[] = [];

  constructor(random: () => number) {
    this.random = random;
  }

  private below(n: number): number {
    return this.random() % n;
  }
  private pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
  private type(): Type {
    return this.pick(TYPES);
  }

  private literal(type: Type): string {
    const small = this.pick([0, 1, 2, 7, 8, 31, 63, 100, 127]);
    if (type === "u8" || type === "i16" || this.below(2) === 0) return `<${type}>${small}`;
    const wide = type === "u64" || type === "i64";
    const big = wide
      ? this.pick(["0x80000000", "0xffffffff", "0x123456789abcdef", "0x7fffffffffffffff"])
      : this.pick(["0x7fffffff", "0x80000000", "0xffff", "0x12345678"]);
    return `<${type}>${big}`;
  }

  expression(type: Type, depth: number): string {
    if (depth <= 0) {
      const same = this.variables.filter((v) => v.type === type);
      return same.length > 0 && this.below(4) > 0 ? this.pick(same).name : this.literal(type);
    }
    const sub = (t: Type = type): string => this.expression(t, depth - 1);
    switch (this.below(12)) {
      case 0:
        return `<${type}>${this.expression(this.type(), depth - 1)}`;
      case 1:
        return `(${this.condition(depth - 1)} ? ${sub()} : ${sub()})`;
      case 2:
        return `<${type}>(${sub()} ${this.pick(["<<", ">>"])} ${sub()})`;
      case 3: {
        // Not by zero, and not the most negative number by -1, which traps in WebAssembly.
        const divisor =
          type === "i32" || type === "i64" ? `((${sub()} & <${type}>63) | <${type}>1)` : `(${sub()} | <${type}>1)`;
        return `<${type}>(${sub()} ${this.pick(["/", "%"])} ${divisor})`;
      }
      case 4:
        return `<${type}>(${this.pick(["~", "-"])}${sub()})`;
      case 5:
        return `<${type}>(${this.condition(depth - 1)})`;
      case 6: {
        const f = this.functions.find((each) => each.result === type);
        if (f === undefined) return sub();
        return `${f.name}(${f.params.map((p) => this.expression(p, depth - 2)).join(", ")})`;
      }
      case 7:
        return type === "u32" ? `table[<i32>(${sub()} & 7)]` : sub();
      default:
        return `<${type}>(${sub()} ${this.pick(ARITHMETIC)} ${sub()})`;
    }
  }

  private condition(depth: number): string {
    const type = this.type();
    const one = `${this.expression(type, depth)} ${this.pick(COMPARISONS)} ${this.expression(type, depth)}`;
    return depth > 0 && this.below(4) === 0
      ? `(${one} ${this.pick(["&&", "||"])} ${this.condition(depth - 1)})`
      : `(${one})`;
  }

  private emit(indent: number, text: string): void {
    this.lines.push("  ".repeat(indent) + text);
  }

  private statement(indent: number, depth: number): void {
    const mutable = this.variables.filter((v) => v.fixed === undefined);
    switch (this.below(depth > 0 ? 8 : 4)) {
      case 0: {
        const type = this.type();
        const name = `v${this.names++}`;
        this.emit(indent, `let ${name}: ${type} = ${this.expression(type, 2)};`);
        this.variables.push({ name, type });
        return;
      }
      case 1:
        if (this.puts < 60) this.emit(indent, `put(${this.puts++}, <u64>${this.expression(this.type(), 2)});`);
        return;
      case 4:
      case 5:
        this.emit(indent, `if ${this.condition(1)} {`);
        this.block(indent + 1, depth - 1);
        if (this.below(2) === 0) {
          this.emit(indent, "} else {");
          this.block(indent + 1, depth - 1);
        }
        this.emit(indent, "}");
        return;
      case 6: {
        const i = `i${this.names++}`;
        this.emit(indent, `for (let ${i}: u32 = 0; ${i} < ${1 + this.below(4)}; ${i}++) {`);
        const outer = this.variables.length;
        this.variables.push({ name: i, type: "u32", fixed: true });
        this.block(indent + 1, depth - 1);
        this.variables.length = outer;
        if (this.below(3) === 0) this.emit(indent + 1, `if ${this.condition(0)} ${this.pick(["break", "continue"])};`);
        this.emit(indent, "}");
        return;
      }
      case 7: {
        const name = `o${this.names++}`;
        this.emit(indent, `const ${name} = new Pair();`);
        this.emit(indent, `${name}.left = ${this.expression("u32", 1)};`);
        if (this.below(2) === 0) this.emit(indent, `${name}.right = ${this.expression("u64", 1)};`);
        this.emit(indent, `counts.set(${name}, ${name});`);
        this.variables.push({ name: `${name}.right`, type: "u64" }, { name: `${name}.left`, type: "u32" });
        return;
      }
      default: {
        if (mutable.length === 0) return;
        const target = this.pick(mutable);
        this.emit(indent, `${target.name} = ${this.expression(target.type, 2)};`);
      }
    }
  }

  private block(indent: number, depth: number): void {
    const outer = this.variables.length;
    for (let i = 1 + this.below(3); i > 0; i--) this.statement(indent, depth);
    this.variables.length = outer;
  }

  program(): string {
    this.variables = [
      { name: "total", type: "u64" },
      { name: "small", type: "u8" },
    ];
    for (let i = 0; i < 3; i++) {
      const params = Array.from({ length: 1 + this.below(4) }, () => this.type());
      const result = this.type();
      const name = `f${i}`;
      const outer = this.variables;
      this.variables = [...outer, ...params.map((type, p) => ({ name: `p${p}`, type }))];
      this.emit(0, `function ${name}(${params.map((t, p) => `p${p}: ${t}`).join(", ")}): ${result} {`);
      // With a table in it, a failed bound would have to end the caller: those are inlined.
      const from = this.lines.length;
      for (let n = this.below(3); n > 0; n--) this.statement(1, 1);
      this.emit(1, `return ${this.expression(result, 2)};`);
      if (this.below(3) === 0 && !this.lines.slice(from).some((l) => /table|f\d\(/.test(l)))
        this.lines.splice(from, 0, "  noInline();");
      this.emit(0, "}");
      this.variables = outer;
      this.functions.push({ name, params, result });
    }
    this.emit(0, "export const run = xdp((ctx) => {");
    this.emit(1, "const w = ctx.at<Words>(0);");
    this.emit(1, "if (!w) return XdpAction.Aborted;");
    this.emit(1, "let a: u32 = w.a, b: i32 = w.b, c: u64 = w.c, d: i64 = w.d, e: u8 = w.e, g: i16 = w.g;");
    for (const [name, type] of [
      ["a", "u32"],
      ["b", "i32"],
      ["c", "u64"],
      ["d", "i64"],
      ["e", "u8"],
      ["g", "i16"],
    ] as const)
      this.variables.push({ name, type });
    for (let i = 0; i < 10; i++) this.statement(1, 2);
    for (const v of this.variables.slice(0, 12)) this.emit(1, `put(${this.puts++}, <u64>${v.name});`);
    this.emit(1, `return ${this.condition(1)} ? XdpAction.Pass : XdpAction.Drop;`);
    this.emit(0, "});");
    return HEADER + this.lines.join("\n") + "\n";
  }
}

const HEADER = `import { ArrayMap, Cell, HashMap, XdpAction, noInline, xdp } from "ebpf-ts/std";
@unmanaged @final
class Words { a: u32; b: i32; c: u64; d: i64; e: u8; f: u8; g: i16; }
@unmanaged @final
class Pair { left: u32; right: u64; }
export const results = new ArrayMap<Cell<u64>>(128);
export const counts = new HashMap<Pair, Pair>(65536);
let total: u64 = 1;
let small: u8 = 2;
const table = new StaticArray<u32>(8);
for (let i = 0; i < 8; i++) table[i] = i * 0x01010101;
function put(index: u32, value: u64): void {
  const cell = results.get(index);
  if (cell) cell.value = value;
}
`;

/** The source of a random program "run" with maps "results" and "counts". */
export function generateProgram(random: () => number): string {
  return new Generator(random).program();
}
