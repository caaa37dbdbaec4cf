/**
 * Flows as the agent uses them: forgetting an endpoint's, so that whoever gets its addresses or its number next inherits none; and
 * which addresses pods are connected to. Layouts as in programs/mesh/tables.ts.
 */
import type { BpfMap } from "ebpf-ts/loader";
import { mappedBytes, parseAddress } from "../objects/address.ts";
import { OWNERS, readU32 } from "./layouts.ts";

/** Deletes the entries of `flows` or `halfOpen` that this endpoint judged. */
export function purgeFlows(map: BpfMap, endpoint: number): void {
  const keys = [...map.entriesRaw()].flatMap(([key, flow]) => (readU32(flow, OWNERS.flow) === endpoint ? [key] : []));
  map.deleteAllRaw(Buffer.concat(keys));
}

// FlowKey: remote address at 16, protocol at 36. Flow: seen u64 at 8; direction, action and state at 68 to 70.
const REMOTE = 16;
const PROTOCOL = 36;
const SEEN = 8;
const DIRECTION = 68;
const ACTION = 69;
const STATE = 70;

const TCP = 6;
const EGRESS = 1;
const DENY = 0;
const ESTABLISHED = 1;
/** Nanoseconds since the last packet: Lifetime in programs/mesh/tables.ts. */
const LIFETIME = { tcp: 8_000_000_000_000n, other: 60_000_000_000n } as const;

/**
 * Those of the addresses to which a pod has an open connection, or sent something a moment ago.
 * @param entries - of the map `flows`.
 * @param now - nanoseconds of the monotonic clock; default: now.
 */
export function addressesInUse(
  entries: Iterable<readonly [key: Uint8Array, flow: Uint8Array]>,
  addresses: ReadonlySet<string>,
  now: bigint = process.hrtime.bigint(),
): ReadonlySet<string> {
  const wanted = new Map<string, string>();
  for (const address of addresses) {
    const parsed = parseAddress(address);
    if (parsed !== null) wanted.set(Buffer.from(mappedBytes(parsed)).toString("latin1"), address);
  }
  const found = new Set<string>();
  for (const [key, flow] of entries) {
    if (flow[DIRECTION] !== EGRESS || flow[ACTION] === DENY || flow[STATE] !== ESTABLISHED) continue;
    const address = wanted.get(Buffer.from(key.buffer, key.byteOffset + REMOTE, 16).toString("latin1"));
    if (address === undefined) continue;
    const seen = new DataView(flow.buffer, flow.byteOffset).getBigUint64(SEEN, true);
    if (now - seen <= (key[PROTOCOL] === TCP ? LIFETIME.tcp : LIFETIME.other)) found.add(address);
  }
  return found;
}
