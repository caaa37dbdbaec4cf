/**
 * Structures of the kernel's interface by field name: filling them from JavaScript values and reading them back, driven by
 * the field tables of lib/kernel.
 *
 * | kind          | JavaScript                                                             |
 * |---------------|------------------------------------------------------------------------|
 * | int           | `number`, may be negative                                              |
 * | uint, pointer | `number`, `bigint` for 8 bytes; with `count`, an array of numbers      |
 * | be16, be32    | `number` in host order (a port, an EtherType)                          |
 * | ipv4, ipv6    | text: `"10.0.0.1"`, `"fd00::1"`                                        |
 */
import type { ContextField } from "../kernel/index.ts";
import { formatAddress } from "../bytes/index.ts";
import { parseAddress } from "./address.ts";
import { vmError } from "./diagnostics.ts";

export type FieldValue = number | bigint | string | readonly number[];

/** Writes a field of the structure in `view`. Throws V007 for a value that the field does not take, V011 for a bad address. */
export function writeField(view: DataView, field: ContextField, value: FieldValue): void {
  const { kind, offset } = field;
  if (kind === "ipv4" || kind === "ipv6") {
    if (typeof value !== "string")
      throw badValue(field, value, `text such as ${kind === "ipv4" ? "10.0.0.1" : "fd00::1"}`);
    bytesOf(view, field).set(parseAddress(value, kind));
  } else if (field.count !== undefined) {
    writeArray(view, field, field.count, value);
  } else if (kind === "be16") {
    bytesOf(view, field).fill(0);
    view.setUint16(offset, checked(field, value, 16), false);
  } else if (kind === "be32") {
    view.setUint32(offset, checked(field, value, 32), false);
  } else if (kind === "int") {
    view.setInt32(offset, checked(field, value, 32, -(2 ** 31)), true);
  } else {
    writeUint(view, field, value);
  }
}

export function readField(view: DataView, field: ContextField): FieldValue {
  const { kind, offset, count } = field;
  if (kind === "ipv4" || kind === "ipv6") return formatAddress(bytesOf(view, field));
  if (count !== undefined) return Array.from({ length: count }, (_, i) => view.getUint32(offset + 4 * i, true));
  if (kind === "be16") return view.getUint16(offset, false);
  if (kind === "be32") return view.getUint32(offset, false);
  if (kind === "int") return view.getInt32(offset, true);
  return readUint(view, field);
}

/** All fields by name. */
export function readFields(view: DataView, fields: readonly ContextField[]): Record<string, FieldValue> {
  return Object.fromEntries(fields.map((field) => [field.name, readField(view, field)]));
}

function writeUint(view: DataView, field: ContextField, value: FieldValue): void {
  const { offset, size } = field;
  if (size === 8) {
    if (typeof value !== "bigint" && typeof value !== "number") throw badValue(field, value, "a 64-bit number");
    if (!Number.isSafeInteger(value) && typeof value === "number") throw badValue(field, value, "a whole number");
    if (BigInt.asUintN(64, BigInt(value)) !== BigInt(value)) throw badValue(field, value, "a 64-bit unsigned number");
    view.setBigUint64(offset, BigInt(value), true);
    return;
  }
  const number = checked(field, value, size * 8);
  if (size === 1) view.setUint8(offset, number);
  else if (size === 2) view.setUint16(offset, number, true);
  else view.setUint32(offset, number, true);
}

function readUint(view: DataView, { offset, size }: ContextField): number | bigint {
  if (size === 8) return view.getBigUint64(offset, true);
  if (size === 4) return view.getUint32(offset, true);
  return size === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
}

function writeArray(view: DataView, field: ContextField, count: number, value: FieldValue): void {
  if (!Array.isArray(value) || value.length > count) throw badValue(field, value, `at most ${count} numbers`);
  const numbers: readonly number[] = value;
  bytesOf(view, field).fill(0);
  numbers.forEach((number, i) => view.setUint32(field.offset + 4 * i, checked(field, number, 32), true));
}

/** The value as a number of `bits` bits from `least` on. */
function checked(field: ContextField, value: FieldValue, bits: number, least = 0): number {
  const number = Number(value);
  const fits =
    (typeof value === "number" || typeof value === "bigint") &&
    Number.isInteger(number) &&
    number >= least &&
    number < least + 2 ** bits;
  if (!fits) throw badValue(field, value, `a number from ${least} to ${least + 2 ** bits - 1}`);
  return number;
}

function badValue(field: ContextField, value: FieldValue, expected: string): Error {
  return vmError("V007", `the field ${field.name} cannot be set to this`, { expected, found: String(value) });
}

function bytesOf(view: DataView, { offset, size }: ContextField): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, size);
}
