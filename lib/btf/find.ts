/**
 * Looking up functions in a BTF without decoding it: the kernel's own has a hundred thousand types, of which a loader wants a
 * few. One pass over the fixed parts of the types; names are compared where they stand.
 */
import { Reader } from "../bytes/index.ts";
import { badValue } from "./diagnostics.ts";
import { HEADER_SIZE, KIND_NUMBERS, KINDS, MAGIC, TYPE_SIZE } from "./format.ts";
import type { BtfKind } from "./format.ts";
import type { TypeId } from "./types.ts";

/** Bytes that a type has behind its fixed part: so many, and so many for each member. Source: docs.kernel.org/bpf/btf.html. */
// prettier-ignore
const TAILS: Readonly<Record<BtfKind, readonly [fixed: number, each: number]>> = {
  void: [0, 0], int: [4, 0], ptr: [0, 0], array: [12, 0], struct: [0, 12], union: [0, 12], enum: [0, 8], fwd: [0, 0],
  typedef: [0, 0], volatile: [0, 0], const: [0, 0], restrict: [0, 0], func: [0, 0], func_proto: [0, 8], var: [4, 0],
  datasec: [0, 12], float: [0, 0], decl_tag: [4, 0], type_tag: [0, 0], enum64: [0, 12],
};

/** The ids of the functions with these names, as far as they are there. Throws B001 for bytes that are no BTF. */
export function findFunctions(bytes: Uint8Array, names: ReadonlySet<string>): Map<string, TypeId> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE || view.getUint16(0, true) !== MAGIC) throw badValue("B001", "not BTF", "header");
  const header = new Reader(bytes, 4);
  const headerSize = header.u32();
  const [typeAt, typeSize, stringAt] = [header.u32(), header.u32(), header.u32()];
  const strings = headerSize + stringAt;
  const wanted = new Map([...names].map((name) => [name, new TextEncoder().encode(`${name}\0`)]));
  const found = new Map<string, TypeId>();
  let at = headerSize + typeAt;
  const end = Math.min(at + typeSize, bytes.length);
  for (let id = 1; at + TYPE_SIZE <= end; id++) {
    const info = view.getUint32(at + 4, true);
    const number = (info >> 24) & 31;
    const kind = KINDS[number];
    if (kind === undefined) throw badValue("B001", `type ${id} is of an unknown kind`, `types[${id}]`);
    if (number === KIND_NUMBERS.func) {
      const name = strings + view.getUint32(at, true);
      for (const [text, spelled] of wanted) if (startsWith(bytes, name, spelled)) found.set(text, id);
    }
    const [fixed, each] = TAILS[kind];
    // The low half of a function's info is its linkage.
    at += TYPE_SIZE + fixed + each * (each === 0 ? 0 : info & 0xffff);
  }
  return found;
}

function startsWith(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
