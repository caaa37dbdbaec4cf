// Maps. `const flows = new LruHashMap<FlowKey, FlowStats>(65536)` at the top level defines one; its name is the
// constant's. Keys and values are integers or @unmanaged classes of integers; a value that is looked up must be a class
// (`Cell<u64>` for one integer), because `get` gives a pointer into the map or null.
import {
  define_map, get_smp_processor_id, map_delete_elem, map_lookup_elem, map_update_elem, msg_redirect_hash, msg_redirect_map,
  ringbuf_discard, ringbuf_output, ringbuf_reserve, ringbuf_submit, sk_redirect_hash, sk_redirect_map, sock_hash_update,
  sock_map_update, stack_alloc, tail_call,
} from "./bpf";
import { SkBuff, SkMsg, SockOps } from "./contexts";
import { Socket } from "./sockets";

/** What `set` does about an entry that is there or not. */
export namespace Update {
  export const Any: u64 = 0;
  /** Fails with -EEXIST when the key is there. */
  export const NoExist: u64 = 1;
  /** Fails with -ENOENT when the key is not there. */
  export const Exist: u64 = 2;
}

// BPF_F_NO_PREALLOC: an LPM trie cannot be preallocated.
const NO_PREALLOC: u32 = 1;
// BPF_F_INGRESS: redirect to the socket's receive queue.
const INGRESS: u64 = 1;

/** One integer in a map. */
@final @unmanaged
export class Cell<T> {
  value: T;
  /** Adds atomically (T is u32, i32, u64 or i64). */
  add(n: T): void {
    atomic.add<T>(changetype<usize>(this), n);
  }
}

// A pointer to the key or value: the object itself, or a stack copy of an integer.
function pointerTo<T>(x: T): usize {
  if (isReference<T>()) return changetype<usize>(x);
  const slot = stack_alloc(sizeof<T>());
  store<T>(slot, x);
  return slot;
}

function lookup<K, V>(map: usize, key: K): V | null {
  return changetype<V | null>(map_lookup_elem(map, pointerTo<K>(key)));
}
function update<K, V>(map: usize, key: K, value: V, flags: u64): i32 {
  return map_update_elem(map, pointerTo<K>(key), pointerTo<V>(value), flags);
}

/** Hash table; full means -E2BIG. */
@final @unmanaged
export class HashMap<K, V> {
  constructor(maxEntries: u32, flags: u32 = 0) {
    return changetype<HashMap<K, V>>(define_map("hash", idof<(key: K, value: V) => void>(), maxEntries, flags));
  }
  /** The value in place, or null. */
  get(key: K): V | null { return lookup<K, V>(changetype<usize>(this), key); }
  /** 0, or a negative errno. */
  set(key: K, value: V, flags: u64 = Update.Any): i32 { return update<K, V>(changetype<usize>(this), key, value, flags); }
  /** 0, or -ENOENT. */
  delete(key: K): i32 { return map_delete_elem(changetype<usize>(this), pointerTo<K>(key)); }
}

/** Hash table that forgets the least recently used entries when it is full. */
@final @unmanaged
export class LruHashMap<K, V> {
  constructor(maxEntries: u32, flags: u32 = 0) {
    return changetype<LruHashMap<K, V>>(define_map("lru_hash", idof<(key: K, value: V) => void>(), maxEntries, flags));
  }
  get(key: K): V | null { return lookup<K, V>(changetype<usize>(this), key); }
  set(key: K, value: V, flags: u64 = Update.Any): i32 { return update<K, V>(changetype<usize>(this), key, value, flags); }
  delete(key: K): i32 { return map_delete_elem(changetype<usize>(this), pointerTo<K>(key)); }
}

/** Hash table with a value for each CPU: `get` gives this CPU's, no atomics needed. */
@final @unmanaged
export class PerCpuHashMap<K, V> {
  constructor(maxEntries: u32, flags: u32 = 0) {
    return changetype<PerCpuHashMap<K, V>>(define_map("percpu_hash", idof<(key: K, value: V) => void>(), maxEntries, flags));
  }
  get(key: K): V | null { return lookup<K, V>(changetype<usize>(this), key); }
  set(key: K, value: V, flags: u64 = Update.Any): i32 { return update<K, V>(changetype<usize>(this), key, value, flags); }
  delete(key: K): i32 { return map_delete_elem(changetype<usize>(this), pointerTo<K>(key)); }
}

/** LruHashMap with a value for each CPU. */
@final @unmanaged
export class LruPerCpuHashMap<K, V> {
  constructor(maxEntries: u32, flags: u32 = 0) {
    return changetype<LruPerCpuHashMap<K, V>>(define_map("lru_percpu_hash", idof<(key: K, value: V) => void>(), maxEntries, flags));
  }
  get(key: K): V | null { return lookup<K, V>(changetype<usize>(this), key); }
  set(key: K, value: V, flags: u64 = Update.Any): i32 { return update<K, V>(changetype<usize>(this), key, value, flags); }
  delete(key: K): i32 { return map_delete_elem(changetype<usize>(this), pointerTo<K>(key)); }
}

/** Array of fixed length; all entries exist and start as zero. */
@final @unmanaged
export class ArrayMap<V> {
  constructor(length: u32, flags: u32 = 0) {
    return changetype<ArrayMap<V>>(define_map("array", idof<(key: u32, value: V) => void>(), length, flags));
  }
  /** Null when the index is not below the length. */
  get(index: u32): V | null { return lookup<u32, V>(changetype<usize>(this), index); }
  set(index: u32, value: V): i32 { return update<u32, V>(changetype<usize>(this), index, value, Update.Any); }
}

/** ArrayMap with a value for each CPU. */
@final @unmanaged
export class PerCpuArrayMap<V> {
  constructor(length: u32, flags: u32 = 0) {
    return changetype<PerCpuArrayMap<V>>(define_map("percpu_array", idof<(key: u32, value: V) => void>(), length, flags));
  }
  get(index: u32): V | null { return lookup<u32, V>(changetype<usize>(this), index); }
  set(index: u32, value: V): i32 { return update<u32, V>(changetype<usize>(this), index, value, Update.Any); }
}

/** Longest-prefix-match trie. K starts with `prefixLength: u32` (bits), the rest is matched from its first byte on. */
@final @unmanaged
export class LpmTrie<K, V> {
  constructor(maxEntries: u32) {
    return changetype<LpmTrie<K, V>>(define_map("lpm_trie", idof<(key: K, value: V) => void>(), maxEntries, NO_PREALLOC));
  }
  /** The value of the longest prefix that covers the key. */
  get(key: K): V | null { return lookup<K, V>(changetype<usize>(this), key); }
  set(key: K, value: V, flags: u64 = Update.Any): i32 { return update<K, V>(changetype<usize>(this), key, value, flags); }
  delete(key: K): i32 { return map_delete_elem(changetype<usize>(this), pointerTo<K>(key)); }
}

/** Events to user space, in order, shared by all CPUs. `bytes`: a power of two, at least one page. */
@final @unmanaged
export class RingBuffer<T> {
  constructor(bytes: u32) {
    return changetype<RingBuffer<T>>(define_map("ringbuf", idof<(key: u32, value: T) => void>(), bytes, 0));
  }
  /** Copies an event; 0, or -EAGAIN when there is no room. */
  output(event: T): i32 { return ringbuf_output(changetype<usize>(this), changetype<usize>(event), offsetof<T>(), 0); }
  /** Room for an event, or null. Its bytes are not zeroed; every path must submit or discard it. */
  reserve(): T | null { return changetype<T | null>(ringbuf_reserve(changetype<usize>(this), offsetof<T>(), 0)); }
  submit(event: T): void { ringbuf_submit(changetype<usize>(event), 0); }
  discard(event: T): void { ringbuf_discard(changetype<usize>(event), 0); }
}

/** Programs to jump to. */
@final @unmanaged
export class ProgArray {
  constructor(length: u32) {
    return changetype<ProgArray>(define_map("prog_array", idof<(key: u32, value: u32) => void>(), length, 0));
  }
  /** Continues in the program at the index and does not return; returns when there is none. */
  tailCall<C>(ctx: C, index: u32): void { tail_call(changetype<usize>(ctx), changetype<usize>(this), index); }
}

/** Sockets by index. */
@final @unmanaged
export class SockMap {
  constructor(length: u32) {
    return changetype<SockMap>(define_map("sockmap", idof<(key: u32, value: u64) => void>(), length, 0));
  }
  /** Adds the socket of a sock_ops event; 0, or a negative errno. */
  add(ctx: SockOps, index: u32, flags: u64 = Update.Any): i32 {
    return sock_map_update(changetype<usize>(ctx), changetype<usize>(this), pointerTo<u32>(index), flags);
  }
  /** Sends the message to that socket's receive queue; the program's verdict. */
  redirect(ctx: SkMsg, index: u32): i32 {
    return msg_redirect_map(changetype<usize>(ctx), changetype<usize>(this), index, INGRESS);
  }
  /** sk_skb: gives the packet to that socket, out of it or (flags 1) into its receive queue; the program's verdict. */
  redirectPacket(skb: SkBuff, index: u32, flags: u64 = 0): i32 {
    return sk_redirect_map(changetype<usize>(skb), changetype<usize>(this), index, flags);
  }
  /** The socket (release it), or null. For sk_lookup programs. */
  get(index: u32): Socket | null { return lookup<u32, Socket>(changetype<usize>(this), index); }
}

/** Sockets by key. */
@final @unmanaged
export class SockHash<K> {
  constructor(maxEntries: u32) {
    return changetype<SockHash<K>>(define_map("sockhash", idof<(key: K, value: u64) => void>(), maxEntries, 0));
  }
  add(ctx: SockOps, key: K, flags: u64 = Update.Any): i32 {
    return sock_hash_update(changetype<usize>(ctx), changetype<usize>(this), pointerTo<K>(key), flags);
  }
  redirect(ctx: SkMsg, key: K): i32 {
    return msg_redirect_hash(changetype<usize>(ctx), changetype<usize>(this), pointerTo<K>(key), INGRESS);
  }
  redirectPacket(skb: SkBuff, key: K, flags: u64 = 0): i32 {
    return sk_redirect_hash(changetype<usize>(skb), changetype<usize>(this), pointerTo<K>(key), flags);
  }
  get(key: K): Socket | null { return lookup<K, Socket>(changetype<usize>(this), key); }
}

/** This CPU's number. */
export function cpu(): u32 {
  return get_smp_processor_id();
}
