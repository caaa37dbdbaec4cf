// Service load balancing: which backend a new flow to a service address goes to. Pure lookups, shared by the hooks that
// translate at the socket (connect.ts) and by whatever translates packets.
//
//   (address, port, protocol) -> `services`: a Service, which names a slot table -> `slots[table + n]`: an alias table, so that
//   weighted random costs one slot whatever the weights are; or `maglevs[table]`, whose entries are looked up by a hash of
//   the client. Both give the number of a backend -> `backends`: address, port, state. Arrays, because with many services a pick
//   costs what the caches do not hold, and an array's entry is one line of them.
//
// Slot tables are immutable: other backends or weights are another table, complete before a Service names it, whose place is
// given to nobody else before none does. So a pick sees the old table or the new one, never half of each. A backend belongs to
// one service and says which; it is removed last, and what still remembers its number (affinity, a UDP socket) finds nobody or
// somebody else there and picks again. mesh/services writes all of it.
import { ArrayMap, Cell, HashMap, HashOfMaps, LruHashMap, MapFlag, monotonicTime, random } from "ebpf-ts/std";

/** Addresses as in tables.ts: 16 bytes in network order as two words, IPv4 as ::ffff:a.b.c.d. */
@unmanaged @final
export class ServiceKey {
  hi: u64;
  lo: u64;
  port: u16;
  /** IANA number. */
  protocol: u8;
  reserved: u8;
  reserved2: u32;
}

@unmanaged @final
export class Service {
  /** From 1; stays the same as long as the address, port and protocol are a service's. */
  id: u32;
  /** Where its table begins in `slots`, or the key of `maglevs`. */
  table: u32;
  /** Length of the table; 0: the service has no backends, connecting to it is refused. */
  slots: u32;
  /** Seconds for which a client goes back to its backend, from its last connection on; 0: it does not. */
  affinity: u32;
  /** Algorithm. */
  algorithm: u8;
  reserved: u8;
  reserved2: u16;
}

export namespace Algorithm {
  export const Random: u8 = 0;
  export const Maglev: u8 = 1;
}

/** A column of an alias table: `backend` with a probability of `threshold` / 2^32, else `other`. */
@unmanaged @final
export class Slot {
  backend: u32;
  other: u32;
  threshold: u32;
  reserved: u32;
}

@unmanaged @final
export class Backend {
  hi: u64;
  lo: u64;
  /** Service.id; 0: there is no such backend. */
  service: u32;
  port: u16;
  /** BackendState. */
  state: u8;
  reserved: u8;
}

export namespace BackendState {
  export const Active: u8 = 0;
  /** Takes no new flows; those that it has go on. */
  export const Terminating: u8 = 1;
}

@unmanaged @final
export class AffinityKey {
  /** Cookie of the client's network namespace: the pod. */
  client: u64;
  service: u32;
  reserved: u32;
}

@unmanaged @final
export class Affinity {
  /** Monotonic nanoseconds of the last connection. */
  used: u64;
  backend: u32;
  reserved: u32;
}

/** The largest Maglev table; a prime. */
export const MAGLEV_SLOTS: u32 = 16381;

export const services = new HashMap<ServiceKey, Service>(65536, MapFlag.NoPrealloc);
export const slots = new ArrayMap<Slot>(262144);
/** By table number; the inner arrays have the length that their service says. */
export const maglevs = new HashOfMaps<u32, ArrayMap<Cell<u32>>>(4096, new ArrayMap<Cell<u32>>(MAGLEV_SLOTS, MapFlag.AnyLength));
/** By number, from 1. */
export const backends = new ArrayMap<Backend>(131072);
/** Pods by services that have it: 110 pods, each a client of 290. */
export const affinities = new LruHashMap<AffinityKey, Affinity>(32768);

// The finaliser of SplitMix64: neighbouring pod addresses must not get neighbouring slots.
function mix(x: u64): u64 {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A number below `n`, without a division.
function scale(n: u32, word: u32): u32 {
  return <u32>((<u64>word * <u64>n) >> 32);
}

/** The service's backend of a number, or null: it is another's by now, or nobody's. */
export function backendOf(number: u32, service: u32): Backend | null {
  const backend = backends.get(number);
  return backend && backend.service == service ? backend : null;
}

// The number of a backend in the service's table; 0: the table is gone.
function fromTable(service: Service, client: u64): u32 {
  if (service.algorithm == Algorithm.Maglev) {
    const table = maglevs.get(service.table);
    if (!table) return 0;
    const entry = table.get(scale(service.slots, <u32>mix(client)));
    return entry ? entry.value : 0;
  }
  const slot = slots.get(service.table + scale(service.slots, random()));
  if (!slot) return 0;
  return random() < slot.threshold ? slot.backend : slot.other;
}

/**
 * The number of a backend for a new flow to a service; 0: there is none. `netns` identifies the client for affinity,
 * `client` for Maglev (the same client gets the same backend on every node, so it should be its address).
 */
export function pick(key: ServiceKey, service: Service, netns: u64, client: u64): u32 {
  let now: u64 = 0;
  const affinity = new AffinityKey();
  if (service.affinity != 0) {
    now = monotonicTime();
    affinity.client = netns;
    affinity.service = service.id;
    const last = affinities.get(affinity);
    if (last && now - last.used <= <u64>service.affinity * 1000000000) {
      const backend = backendOf(last.backend, service.id);
      if (backend && backend.state == BackendState.Active) {
        last.used = now;
        return last.backend;
      }
    }
  }
  if (service.slots == 0) return 0;
  let number = fromTable(service, client);
  if (!backendOf(number, service.id)) {
    // The table went between the two lookups: the service names its successor by now.
    const renewed = services.get(key);
    if (!renewed || renewed.slots == 0) return 0;
    number = fromTable(renewed, client);
  }
  if (service.affinity != 0) {
    const value = new Affinity();
    value.used = now;
    value.backend = number;
    affinities.set(affinity, value);
  }
  return number;
}
