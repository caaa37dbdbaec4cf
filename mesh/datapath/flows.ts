/** Forgetting an endpoint's flows, so that whoever gets its addresses or its number next inherits none. */
import type { BpfMap } from "ebpf-ts/loader";
import { OWNERS, readU32 } from "./layouts.ts";

/** Deletes the entries of `flows` or `halfOpen` that this endpoint judged. */
export function purgeFlows(map: BpfMap, endpoint: number): void {
  const keys = [...map.entriesRaw()].flatMap(([key, flow]) => (readU32(flow, OWNERS.flow) === endpoint ? [key] : []));
  map.deleteAllRaw(Buffer.concat(keys));
}
