// A record of the verifier corpus (its README.md tells the fields) as the LoadRequest that `verify` takes.
import { ATTACH_TYPES, MAP_FLAGS, MAP_TYPES, PROGRAM_TYPES } from "../../dist/lib/kernel/index.js";

const SLOT_SIZE = 8;
const NAME_OF_TYPE = invert(PROGRAM_TYPES);
const NAME_OF_MAP_TYPE = invert(MAP_TYPES);

/**
 * The request, or the noun of what the model has no name for. `btfs`: the program BTFs by id, decoded; `kernel`: the types that
 * kernel ids in the record refer to, or null.
 */
export function requestOfRecord(record, btfs, kernel) {
  if (record.maps === undefined || record.insns === "") return { unsupported: "a record without a program" };
  const type = NAME_OF_TYPE.get(record.prog_type_id);
  if (type === undefined) return { unsupported: `program type ${record.prog_type}` };
  const attach = record.expected_attach_type ?? null;
  if (attach !== null && !Object.hasOwn(ATTACH_TYPES, attach)) return { unsupported: `attach type ${attach}` };
  const strange = record.maps.flatMap((map) => [map, map.inner ?? map]).find((m) => !NAME_OF_MAP_TYPE.has(m.type_id));
  if (strange !== undefined) return { unsupported: `map type ${strange.type}` };
  const code = Uint8Array.from(Buffer.from(record.insns, "hex"));
  const request = {
    name: record.program ?? record.id,
    type,
    attach,
    flags: record.prog_flags,
    license: record.license,
    code,
    maps: record.maps.map((map) => requestMap(map, btfs)),
    mapReferences: new Map(record.fixups.map((fixup) => [fixup.insn, mapReference(fixup, code)])),
    btf: btfOf(record.btf, btfs),
    functions: (record.func_info ?? []).map(([slot, id]) => ({ slot, type: id })),
    lines: [],
    kernel,
    target: record.attach === undefined ? null : targetOf(record.attach),
  };
  return { request };
}

function requestMap(map, btfs) {
  const isTyped = map.btf !== undefined && (map.btf_key_type_id !== 0 || map.btf_value_type_id !== 0);
  const isConstant = map.frozen === true && (map.map_flags & MAP_FLAGS.rdonly_prog) !== 0 && map.value !== undefined;
  const contents = map.value === undefined ? null : Uint8Array.from(Buffer.from(map.value, "hex"));
  return {
    spec: {
      name: map.name,
      type: NAME_OF_MAP_TYPE.get(map.type_id),
      keySize: map.key_size,
      valueSize: map.value_size,
      maxEntries: map.max_entries,
      flags: map.map_flags,
      keyType: isTyped ? map.btf_key_type_id : 0,
      valueType: isTyped ? map.btf_value_type_id : 0,
      initial: contents,
      frozen: map.frozen === true,
      inner: map.inner === undefined ? null : requestMap(map.inner, btfs).spec,
      ...(map.map_extra ? { extra: map.map_extra } : {}),
    },
    btf: isTyped ? btfOf(map.btf, btfs) : null,
    contents: isConstant ? contents : null,
    inner: map.inner === undefined ? null : requestMap(map.inner, btfs),
  };
}

/** The offset into a map's value is the immediate of the load's second slot. */
function mapReference({ insn, map, kind }, code) {
  const second = (insn + 1) * SLOT_SIZE + 4;
  const isValue = kind === "value";
  const offset = isValue && second + 4 <= code.length ? new DataView(code.buffer).getUint32(second, true) : 0;
  return { map, kind: isValue ? "map_value" : "map", offset };
}

function targetOf({ btf_id: type, member_index: member }) {
  return { type, member: member ?? null };
}

function btfOf(id, btfs) {
  if (id === undefined) return null;
  const btf = btfs.get(id);
  if (btf === undefined) throw new Error(`the BTF file does not have ${id}`);
  return btf;
}

function invert(table) {
  return new Map(Object.entries(table).map(([name, number]) => [number, name]));
}
