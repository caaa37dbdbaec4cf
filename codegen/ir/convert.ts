/** What a load makes of a value that is known to be in memory. */
import type { Emit } from "./edit.ts";
import { bitsOf } from "./fold.ts";
import type { LoadValue, Value } from "./ir.ts";

/** The low bytes of `stored`, as many as the load reads, extended as the load does. */
export function loadedFrom(load: LoadValue, stored: Value, emit: Emit): Value {
  if (stored.type === "ptr") return stored;
  const narrow = load.type === "i32" && stored.type === "i64";
  const value = narrow ? emit({ op: "unary", operator: "wrap", type: "i32", args: [stored] }) : stored;
  const extended = load.size * 8 < bitsOf(value.type) ? extendWithin(load, value, emit) : value;
  if (load.type === extended.type) return extended;
  return emit({ op: "unary", operator: load.signed ? "extend_s" : "extend_u", type: "i64", args: [extended] });
}

function extendWithin(load: LoadValue, value: Value, emit: Emit): Value {
  const { type } = value;
  const bits = load.size * 8;
  if (load.signed) {
    const operator = bits === 8 ? "sext8" : bits === 16 ? "sext16" : "sext32";
    return emit({ op: "unary", operator, type, args: [value] });
  }
  const mask = emit({ op: "const", type, args: [], value: (1n << BigInt(bits)) - 1n });
  return emit({ op: "binary", operator: "and", type, args: [value, mask] });
}
