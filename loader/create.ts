/** Making a map: the request, the checks that give a better answer than EINVAL, the initial value of global data. */
import { MAPS_OF_MAPS, MAP_TYPES, UNTYPED_MAPS } from "../lib/kernel/index.ts";
import type { Btf } from "../lib/btf/index.ts";
import { mapCodecs, sizeForCpus } from "../lib/object/index.ts";
import type { MapSpec } from "../lib/object/index.ts";
import { loaderError } from "./errors.ts";
import { Handle } from "./handle.ts";
import { BpfMap, possibleCpus } from "./map.ts";
import { mustBpf } from "./sys/calls.ts";
import { shim } from "./sys/shim.ts";

/**
 * Makes a map and, for global data, writes and freezes its only value. A map of maps is made after the pattern of an inner
 * map that exists for just as long as the request. `btfFd` null: without type information.
 */
export function createMap(spec: MapSpec, btf: Btf, btfFd: number | null): BpfMap {
  checkSpec(spec);
  if (spec.inner === null) return createLike(spec, btf, btfFd, {});
  const pattern = createMap(spec.inner, btf, btfFd);
  try {
    return createLike(spec, btf, btfFd, { inner_map_fd: pattern.fd });
  } finally {
    pattern.close();
  }
}

function createLike(given: MapSpec, btf: Btf, btfFd: number | null, more: { inner_map_fd?: number }): BpfMap {
  const spec = sizeForCpus(given, possibleCpus());
  const codecs = mapCodecs(spec, btf, possibleCpus());
  const fd = mustBpf(`create map ${JSON.stringify(spec.name)}`, "map_create", {
    map_type: MAP_TYPES[spec.type],
    key_size: spec.keySize,
    value_size: spec.valueSize,
    max_entries: spec.maxEntries,
    map_flags: spec.flags,
    map_extra: spec.extra ?? 0,
    map_name: spec.name,
    ...typeFields(spec, btfFd),
    ...more,
  });
  const handle = new Handle(fd, spec.name);
  try {
    const map = new BpfMap(fd, spec, codecs);
    if (spec.initial !== null) map.setRaw(new Uint8Array(spec.keySize), spec.initial);
    if (spec.frozen) map.freeze();
    return map;
  } catch (failure) {
    handle.close();
    throw failure;
  }
}

function typeFields(spec: MapSpec, btfFd: number | null): Record<string, number> {
  if (btfFd === null || spec.valueType === 0 || UNTYPED_MAPS.has(spec.type)) return {};
  return { btf_fd: btfFd, btf_key_type_id: spec.keyType, btf_value_type_id: spec.valueType };
}

function checkSpec(spec: MapSpec): void {
  const name = JSON.stringify(spec.name);
  const { pageSize } = shim();
  if (
    (spec.type === "ringbuf" || spec.type === "user_ringbuf") &&
    (spec.maxEntries % pageSize !== 0 || (spec.maxEntries & (spec.maxEntries - 1)) !== 0 || spec.maxEntries === 0)
  ) {
    throw loaderError("L005", `the size of ring buffer ${name} is not possible`, {
      expected: `a power of two of bytes, at least a page (${pageSize})`,
      found: String(spec.maxEntries),
    });
  }
  if (MAPS_OF_MAPS.has(spec.type) && spec.inner === null) {
    throw loaderError("L005", `map ${name} holds maps whose shape the object does not say`, {
      remedy: "define the inner map with the map, or pass an open map for it",
    });
  }
  if (spec.type === "struct_ops") {
    throw loaderError("L005", `map ${name} is a table of functions for the kernel, which is not made (struct_ops)`, {
      remedy: "load the object with libbpf",
    });
  }
  if (spec.initial !== null && spec.initial.length !== spec.valueSize) {
    throw loaderError("L005", `the initial value of map ${name} has another size than its values`, {
      expected: `${spec.valueSize} bytes`,
      found: `${spec.initial.length} bytes`,
    });
  }
}
