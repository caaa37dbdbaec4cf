/** What a map's definition leaves to the machine that it is made on. */
import type { MapSpec } from "./object.ts";

/** The map with room for every CPU where it says nothing: a perf_event_array has a buffer for each, as libbpf takes it too. */
export function sizeForCpus(map: MapSpec, cpus: number): MapSpec {
  return map.type === "perf_event_array" && map.maxEntries === 0 ? { ...map, maxEntries: cpus } : map;
}
