/**
 * Maps as the walk knows them: with the special fields of their values.
 *
 * The kernel makes a map even where it cannot make sense of its value's type: the map then has no special fields, and what
 * needs one (a lock, a timer) refuses it. Fields that this type of map cannot have are refused when the map is made.
 */
import { MAP_FIELDS } from "../../kernel/index.ts";
import type { MapType } from "../../kernel/index.ts";
import type { Env } from "../env.ts";
import { Rejection } from "../outcome.ts";
import type { LoadRequest, RequestMap } from "../request.ts";
import type { VerifierMap } from "../program/maps.ts";
import { recordOf } from "./fields.ts";
import { FIELD_STRUCTS, NO_FIELDS } from "./record.ts";
import type { Field, FieldKind, Record } from "./record.ts";
import { resolveSize } from "./walk.ts";

const made = new WeakMap<LoadRequest, Map<number, VerifierMap>>();

/** The request's map of an index, with its value's fields; one object a request. Throws a Rejection for impossible maps. */
export function mapOf(index: number, { request }: Pick<Env, "request">): VerifierMap {
  let maps = made.get(request);
  if (maps === undefined) made.set(request, (maps = new Map()));
  let map = maps.get(index);
  if (map === undefined) {
    const of = request.maps[index];
    if (of === undefined) throw new RangeError(`the request has no map ${index}`);
    maps.set(index, (map = makeMap(index, of, request)));
  }
  return map;
}

function makeMap(index: number, map: RequestMap, request: LoadRequest): VerifierMap {
  return {
    index,
    map,
    record: valueRecord(map, request),
    inner: map.inner === null ? null : makeMap(-1, map.inner, request),
  };
}

function valueRecord({ spec, btf }: RequestMap, request: LoadRequest): Record {
  if (btf === null || spec.valueType === 0) return NO_FIELDS;
  let record: Record;
  try {
    record = recordOf(btf, spec.valueType, request.kernel, "map");
  } catch (error) {
    if (error instanceof Rejection) return NO_FIELDS;
    throw error;
  }
  for (const field of record.fields) {
    if (!mayHave(spec.type, field.kind) || (field.kind === "uptr" && !isUserMemory(field, request))) {
      throw new Rejection("map_field", null, { map: spec.name, kind: FIELD_STRUCTS[field.kind], type: spec.type });
    }
  }
  return record;
}

/** What a pointer to user memory points to: a type of the program's own, within a page. */
function isUserMemory({ btf, type }: Field, { kernel }: LoadRequest): boolean {
  if (btf === null || btf === kernel) return false;
  const size = resolveSize(btf, type)?.size ?? 0;
  return size > 0 && size <= PAGE;
}
const PAGE = 4096;

/** Pointers to kernel objects may be where counts may be; pointers to user memory in a task's storage only. */
function mayHave(type: MapType, kind: FieldKind): boolean {
  if (kind === "uptr") return type === "task_storage";
  const struct = kind.startsWith("kptr") ? "bpf_refcount" : FIELD_STRUCTS[kind];
  return MAP_FIELDS.some((row) => row.type === struct && (row.maps as readonly MapType[]).includes(type));
}
