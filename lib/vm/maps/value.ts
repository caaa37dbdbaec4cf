/**
 * Values with fields that the kernel itself keeps (lib/kernel, `MAP_FIELDS`): found in the value's type by the names of
 * their structures, and left out of copies.
 */
import type { Btf, TypeId } from "../../btf/index.ts";
import { MAP_FIELDS } from "../../kernel/index.ts";
import type { MapField } from "../../kernel/index.ts";

export interface SpecialField {
  readonly field: MapField;
  readonly offset: number;
  readonly size: number;
}

/** Structures in structures: the kernel looks no deeper. */
const MAX_DEPTH = 4;

/** The special fields of a type, ascending by offset. */
export function specialFields(btf: Btf | undefined, type: TypeId): SpecialField[] {
  return btf === undefined || type === 0 ? [] : fieldsOf(btf, type, 0, 0);
}

function fieldsOf(btf: Btf, id: TypeId, base: number, depth: number): SpecialField[] {
  const type = btf.types[id];
  switch (type?.kind) {
    case "typedef":
    case "const":
    case "volatile":
    case "type_tag":
    case "var":
      return fieldsOf(btf, type.type, base, depth);
    case "struct": {
      const field = MAP_FIELDS.find((one) => one.type === type.name);
      if (field !== undefined) return [{ field, offset: base, size: type.size }];
      if (depth === MAX_DEPTH) return [];
      return type.members.flatMap((member) => fieldsOf(btf, member.type, base + member.bitOffset / 8, depth + 1));
    }
    case "datasec":
      return type.variables.flatMap((variable) => fieldsOf(btf, variable.type, base + variable.offset, depth + 1));
    case undefined:
    default:
      return [];
  }
}

/** Copies a value and leaves special fields of the target as they are. */
export function copyValue(into: Uint8Array, from: Uint8Array, special: readonly SpecialField[]): void {
  if (special.length === 0) return into.set(from);
  let at = 0;
  for (const { offset, size } of special) {
    into.set(from.subarray(at, offset), at);
    at = offset + size;
  }
  into.set(from.subarray(at), at);
}

/** What the kernel does to fields of a value that is given up: timers and the like end, locks are nothing to end. */
export function endFields(value: Uint8Array, special: readonly SpecialField[]): void {
  for (const { field, offset, size } of special) if (field.kind !== "lock") value.fill(0, offset, offset + size);
}

/** A copy of a value as user space sees it: special fields are zeros. */
export function readValue(from: Uint8Array, special: readonly SpecialField[]): Uint8Array {
  const out = from.slice();
  for (const { offset, size } of special) out.fill(0, offset, offset + size);
  return out;
}
