/**
 * Byte swaps written with shifts: what AssemblyScript's `bswap` of the runtime library compiles to (std/assembly/polyfills).
 */
import type { Binary, Value } from "../../ir/ir.ts";
import { constantOf, isBinary, isConst, lowBitsOf, type Builder } from "./rules.ts";

/** (x << 8 | (x & 0xffff) >> 8) & 0xffff, with or without further masks of the low 16 bits. */
export function swap16FromShifts(value: Binary, b: Builder): Value | null {
  const [x, mask] = value.args;
  if (value.type !== "i32" || !isConst(mask, 0xffffn) || !isBinary(x, "or")) return null;
  return matchSwap16(x.args[0], x.args[1], b) ?? matchSwap16(x.args[1], x.args[0], b);
}

function matchSwap16(up: Value, down: Value, b: Builder): Value | null {
  if (!isBinary(up, "shl") || !isConst(up.args[1], 8n) || !isBinary(down, "shr_u") || !isConst(down.args[1], 8n))
    return null;
  const low = lowBitsOf(down.args[0], 16);
  // The bits above 16 must not be shifted down into the result.
  const clean = low !== down.args[0] || isBinary(down.args[0], "and");
  return clean && lowBitsOf(up.args[0], 16) === low && isMasked16(down.args[0]) ? b.unary("bswap16", "i32", low) : null;
}

function isMasked16(value: Value): boolean {
  return isBinary(value, "and") && isConst(value.args[1], 0xffffn);
}

/** rotl(x & 0xff00ff00, 8) | rotr(x & 0x00ff00ff, 8) */
export function swap32FromRotations(value: Binary, b: Builder): Value | null {
  if (value.type !== "i32") return null;
  const [p, q] = value.args;
  return matchSwap32(p, q, b) ?? matchSwap32(q, p, b);
}

function matchSwap32(left: Value, right: Value, b: Builder): Value | null {
  const high = rotated(left, "rotl");
  const low = rotated(right, "rotr");
  if (high === null || low === null || high.of !== low.of) return null;
  return high.mask === 0xff00_ff00n && low.mask === 0x00ff_00ffn ? b.unary("bswap32", "i32", high.of) : null;
}

function rotated(value: Value, operator: "rotl" | "rotr"): { of: Value; mask: bigint } | null {
  if (!isBinary(value, operator) || !isConst(value.args[1], 8n)) return null;
  const [masked] = value.args;
  const mask = isBinary(masked, "and") ? constantOf(masked.args[1]) : null;
  return mask === null || !isBinary(masked, "and") ? null : { of: masked.args[0], mask: BigInt.asUintN(32, mask) };
}
