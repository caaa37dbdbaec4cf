/**
 * Map definitions as BTF: each map is a variable in the section `.maps`, of a structure that is never instantiated and whose
 * members' types hold the definition. Numbers hide in the length of an array behind a pointer, types stand behind a pointer:
 *
 *   struct { int (*type)[1]; int (*max_entries)[1024]; struct flow_key *key; __u64 *value; } flows SEC(".maps");
 *
 * The record type of a map without values (a ring buffer) has no place there, since libbpf refuses members it does not know;
 * it becomes a typedef `__value_of_<map>` instead.
 *
 * A map of maps ends with the definition of the maps in it, as the element of an array of unknown length:
 *
 *   struct { int (*type)[13]; …; struct { int (*type)[1]; … } *values[]; } tenants SEC(".maps");
 *
 * What a map holds from the start has a word in that array, which a relocation fills in; a prog_array points to functions there.
 *
 * Source: docs.kernel.org/bpf/libbpf and the macros __uint, __type and __array of libbpf's bpf_helpers.h.
 */
import type { Btf, BtfType, Member, SectionVariable, TypeId } from "../btf/index.ts";
import { POINTER_SIZE } from "../btf/index.ts";
import { MAP_TYPES } from "../kernel/index.ts";
import { MAPS_SECTION } from "../object/index.ts";
import type { MapSpec } from "../object/index.ts";

/** What a map's definition takes in `.maps`. */
export interface MapSlot {
  readonly map: MapSpec;
  readonly offset: number;
  readonly size: number;
  /** Where the words of its initial entries begin, in bytes from `offset`. */
  readonly entriesAt: number;
}

/** The name of the typedef that keeps the record type of a map without values, or of such a map in `map`. */
export function recordTypedef(map: string): string {
  return `__value_of_${map}`;
}

/** Does the definition leave the value's type out, so that a typedef must keep it? */
export function hasRecordType(map: MapSpec): boolean {
  return map.valueSize === 0 && map.valueType !== 0;
}

/**
 * `btf` with the definitions of `maps` appended, and where each stands in `.maps`. The appended types are all new, even
 * where equal ones exist: so the reader finds them by reachability from `.maps` and takes away just them.
 */
export function appendMapTypes(btf: Btf, maps: readonly MapSpec[]): { btf: Btf; slots: MapSlot[]; size: number } {
  if (maps.length === 0) return { btf, slots: [], size: 0 };
  const types: BtfType[] = [...btf.types];
  const add = (type: BtfType): TypeId => types.push(type) - 1;
  const int = add({ kind: "int", name: "int", size: 4, encoding: "signed" });
  const variables: SectionVariable[] = [];
  const slots: MapSlot[] = [];
  let size = 0;
  for (const map of maps) {
    const definition = addDefinition(map, int, add);
    const slot: MapSlot = { map, offset: size, size: definition.size, entriesAt: definition.entriesAt };
    variables.push({
      type: add({ kind: "var", name: map.name, type: definition.id, linkage: "global" }),
      offset: size,
      size: slot.size,
    });
    slots.push(slot);
    size += slot.size;
    const record = [map, map.inner].find((m) => m !== null && hasRecordType(m));
    if (record != null) add({ kind: "typedef", name: recordTypedef(map.name), type: record.valueType });
  }
  add({ kind: "datasec", name: MAPS_SECTION, size, variables });
  return { btf: { types }, slots, size };
}

type Add = (type: BtfType) => TypeId;

/** The structure of a map's definition. The array of values has a word for each initial entry; without any it takes no room. */
function addDefinition(map: MapSpec, int: TypeId, add: Add): { id: TypeId; size: number; entriesAt: number } {
  const members = memberTypes(map, int, add).map(([name, target], i): Member => ({
    name,
    type: add({ kind: "ptr", type: target }),
    bitOffset: i * POINTER_SIZE * 8,
  }));
  const entriesAt = members.length * POINTER_SIZE;
  const count = map.entries === undefined ? 0 : Math.max(...map.entries.map(({ index }) => index + 1));
  if (map.inner !== null || count > 0) {
    const target =
      map.inner === null ? add({ kind: "func_proto", result: int, params: [] }) : addDefinition(map.inner, int, add).id;
    const values = add({ kind: "array", element: add({ kind: "ptr", type: target }), index: int, count });
    members.push({ name: "values", type: values, bitOffset: entriesAt * 8 });
  }
  const size = entriesAt + count * POINTER_SIZE;
  return { id: add({ kind: "struct", name: "", size, members }), size, entriesAt };
}

/** The members of a definition with the types that they point to. */
function memberTypes(map: MapSpec, int: TypeId, add: Add): [string, TypeId][] {
  const number = (name: string, count: number): [string, TypeId] => [
    name,
    add({ kind: "array", element: int, index: int, count }),
  ];
  const members = [number("type", MAP_TYPES[map.type])];
  if (map.keyType !== 0) members.push(["key", map.keyType]);
  else if (map.keySize !== 0) members.push(number("key_size", map.keySize));
  if (map.valueType !== 0 && map.valueSize !== 0) members.push(["value", map.valueType]);
  else if (map.valueSize !== 0) members.push(number("value_size", map.valueSize));
  if (map.maxEntries !== 0) members.push(number("max_entries", map.maxEntries));
  if (map.flags !== 0) members.push(number("map_flags", map.flags));
  if (map.extra !== undefined) members.push(number("map_extra", map.extra));
  return members;
}
