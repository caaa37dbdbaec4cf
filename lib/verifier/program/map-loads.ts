/** 64-bit loads of maps and of addresses in their values, dead code as well: the kernel resolves them all before it walks. */
import type { VerifierLimits } from "../profiles/index.ts";
import { Rejection } from "../outcome.ts";
import type { LoadRequest, MapReference, RequestMap } from "../request.ts";
import type { RawCode } from "./raw.ts";

/** `src` of loads that refer to no map: a number, a kernel variable, a function. */
const NO_MAP: ReadonlySet<number> = new Set([0, 3, 4]);
/** Offsets are smaller than this, whatever the map. Source: BPF_MAX_VAR_OFF of include/linux/bpf_verifier.h. */
const OFFSET_LIMIT = 1 << 29;

/** Loads of maps refer to maps, and there are not too many; addresses are inside of values. */
export function checkMapLoads(raw: RawCode, request: LoadRequest, limits: VerifierLimits): void {
  const used = new Set<number>();
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    if (!raw.isLoadImm64(slot) || NO_MAP.has(raw.src(slot))) continue;
    const reference = request.mapReferences.get(slot);
    const map = reference === undefined ? undefined : request.maps[reference.map];
    if (reference === undefined || map === undefined) throw new Rejection("bad_map", slot, {});
    used.add(reference.map);
    if (used.size > limits.maps) throw new Rejection("too_many_maps", slot, { max: limits.maps });
    if (reference.kind === "map_value") checkAddress(slot, reference, map);
  }
}

function checkAddress(slot: number, { offset }: MapReference, { spec }: RequestMap): void {
  const refuse = (what: string): Rejection => new Rejection("map_address", slot, { what });
  if (offset >= OFFSET_LIMIT) throw refuse(`direct value offset of ${offset} is not allowed`);
  if (spec.type === "arena") return;
  if (spec.type !== "array") throw refuse("no direct value access support for this map type");
  if (spec.maxEntries === 1 && offset < spec.valueSize) return;
  throw refuse(`invalid access to map value pointer, value_size=${spec.valueSize} off=${offset}`);
}
