/**
 * The IR as text, for `--dump` and tests. One line for each value:
 *
 *     function filter(v0: ptr ctx) -> i32  [entry xdp_md, refuse 0]
 *     b1:
 *       v0 = param 0                          : ptr ctx
 *       v3 = packet_at v0, v2 size 14         : ptr packet?   ; filter.ts:12:8
 *       branch v3 b4 b7
 */
import type { Block, IrFunction, IrModule, Origin, SourcePlace, Terminator, Value } from "./ir.ts";

/** All functions, in the module's order. */
export function printModule(module: IrModule): string {
  return [...module.functions.values()].map(printFunction).join("\n");
}

/** Ends with a newline. */
export function printFunction(fn: IrFunction): string {
  const params = fn.params.map((p) => `${name(p)}: ${typeOf(p)}`).join(", ");
  const entry = fn.entry === null ? "" : `  [entry ${fn.entry.context}, refuse ${fn.entry.refuse}]`;
  const lines = [`function ${fn.name}(${params}) -> ${fn.result}${entry}`];
  for (const block of fn.blocks) lines.push(...printBlock(block));
  return `${lines.join("\n")}\n`;
}

function printBlock(block: Block): string[] {
  const preds = block.preds.length === 0 ? "" : `  ; from ${block.preds.map(label).join(" ")}`;
  const lines = [`${label(block)}:${preds}`];
  for (const value of [...block.phis, ...block.values]) lines.push(`  ${printValue(value)}`);
  lines.push(`  ${withPlace(printTerminator(block.terminator), block.terminator.place)}`);
  return lines;
}

/** One value with its operands, type and place. */
export function printValue(value: Value): string {
  const text = value.type === "void" ? describe(value) : `${name(value)} = ${describe(value)}`;
  return withPlace(`${text.padEnd(38)} : ${typeOf(value)}`, value.place);
}

function describe(value: Value): string {
  const args = value.args.map(name).join(", ");
  switch (value.op) {
    case "const":
      return `const ${value.value}`;
    case "param":
      return `param ${value.index}`;
    case "phi":
      return `phi ${[...value.inputs].map(([from, v]) => `${label(from)} ${name(v)}`).join(", ")}`;
    case "binary":
    case "unary":
      return `${value.operator} ${args}`;
    case "compare":
      return `compare ${value.operator} ${args}`;
    case "select":
      return `select ${args}`;
    case "load":
      return `load${value.size * 8}${value.signed ? "s" : "u"} ${args}${offset(value.offset)}`;
    case "store":
      return `store${value.size * 8} ${args}${offset(value.offset)}`;
    case "atomic":
      return `atomic${value.size * 8} ${value.operator} ${args}${offset(value.offset)}`;
    case "stack_slot":
      return `stack_slot ${value.size}`;
    case "global_address":
      return `global_address ${value.map}${offset(value.offset)}`;
    case "map_address":
      return `map_address ${value.map}`;
    case "function_address":
      return `function_address ${value.callee || `at ${args}`}`;
    case "packet_at":
      return `packet_at ${args} size ${value.size}${value.window === "meta" ? " meta" : ""}`;
    case "context_pointer":
      return `context_pointer ${value.pointee} ${args}${offset(value.offset)}`;
    case "call_helper":
      return `call_helper ${value.helper}(${args})`;
    case "call":
      return `call ${value.callee}(${args})`;
  }
}

function printTerminator(t: Terminator): string {
  switch (t.op) {
    case "jump":
      return `jump ${label(t.target)}`;
    case "branch":
      return `branch ${name(t.condition)} ${label(t.then)} ${label(t.else)}`;
    case "return":
      return t.value === null ? "return" : `return ${name(t.value)}`;
    case "trap":
      return "trap";
  }
}

function name(value: Value): string {
  return `v${value.id}`;
}

function label(block: Block): string {
  return `b${block.id}`;
}

function offset(n: number): string {
  return n === 0 ? "" : ` +${n}`;
}

function typeOf(value: Value): string {
  return value.origin === undefined ? value.type : `${value.type} ${printOrigin(value.origin)}`;
}

/** `map_value flows?`: the question mark says that it may be null. */
function printOrigin(origin: Origin): string {
  const map = "map" in origin ? ` ${origin.map}` : "";
  return `${origin.kind}${map}${origin.nullable ? "?" : ""}`;
}

function withPlace(text: string, place: SourcePlace | null): string {
  return place === null ? text.trimEnd() : `${text.padEnd(52)} ; ${place.file}:${place.line}:${place.column}`;
}
