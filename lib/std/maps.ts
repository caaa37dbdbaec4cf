// Maps. `const flows = new LruHashMap<FlowKey, FlowStats>(65536)` at the top level defines one; its name is the
// constant's. Keys and values are integers or @unmanaged classes of integers; a value that is looked up must be a class
// (`Cell<u64>` for one integer), because `get` gives a pointer into the map or null.
import {
  bpf_map_sum_elem_count, cgrp_storage_delete, cgrp_storage_get, define_inner, define_map, each_callback, for_each_map_elem, get_current_task_btf, get_local_storage, get_smp_processor_id,
  map_delete_elem, map_lookup_elem, map_lookup_percpu_elem, map_peek_elem, map_pop_elem, map_push_elem, map_update_elem,
  msg_redirect_hash, msg_redirect_map, perf_event_output, redirect_map, ringbuf_discard, ringbuf_output, ringbuf_query,
  ringbuf_reserve, ringbuf_submit, sk_redirect_hash, sk_redirect_map, sk_select_reuseport, sk_storage_delete, sk_storage_get,
  sock_hash_update, sock_map_update, stack_alloc, tail_call, task_storage_delete, task_storage_get,
} from "./bpf";
import { Cgroup } from "./cgroups";
import { CgroupSock, SkBuff, SkMsg, SkReuseport, SockOps } from "./contexts";
import { Loop } from "./loops";
import { XdpAction } from "./programs";
import { Socket } from "./sockets";

/** What `set` does about an entry that is there or not. */
export namespace Update {
  export const Any: u64 = 0;
  /** Fails with -EEXIST when the key is there. */
  export const NoExist: u64 = 1;
  /** Fails with -ENOENT when the key is not there. */
  export const Exist: u64 = 2;
}

/** Flags of a map's definition. */
export namespace MapFlag {
  /** Entries are allocated when they are made. */
  export const NoPrealloc: u32 = 1;
  /** A list of the least recently used entries for each CPU, instead of a common one. */
  export const NoCommonLru: u32 = 2;
  /** User space may only read. */
  export const ReadOnly: u32 = 8;
  /** Programs may only read. */
  export const ReadOnlyForPrograms: u32 = 128;
  /** Socket storage that an accepted socket inherits from its listener. */
  export const Clone: u32 = 512;
  /** User space may map the values into its memory. */
  export const Mappable: u32 = 1024;
  /** An array that may be replaced in a map of maps by one of another length. */
  export const AnyLength: u32 = 4096;
}

// BPF_F_CURRENT_CPU
const CURRENT_CPU: u64 = 0xffffffff;
// BPF_LOCAL_STORAGE_GET_F_CREATE
const CREATE: u64 = 1;
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
function each<K, V, C>(map: usize, context: C, body: (key: K, value: V, context: C) => Loop): i32 {
  const keySize = isReference<K>() ? 0 : sizeof<K>();
  return for_each_map_elem(map, each_callback(changetype<usize>(body), <u32>keySize), changetype<usize>(context), 0);
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
  /** Calls `body` with every entry until it breaks; how often, or a negative errno. The body captures nothing. */
  forEach<C>(context: C, body: (key: K, value: V, context: C) => Loop): i32 { return each<K, V, C>(changetype<usize>(this), context, body); }
  /** Entries that are there now. */
  get size(): i64 { return bpf_map_sum_elem_count(changetype<usize>(this)); }
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
  forEach<C>(context: C, body: (key: K, value: V, context: C) => Loop): i32 { return each<K, V, C>(changetype<usize>(this), context, body); }
  /** Entries that are there now. */
  get size(): i64 { return bpf_map_sum_elem_count(changetype<usize>(this)); }
}

/** Hash table with a value for each CPU: `get` gives this CPU's, no atomics needed. */
@final @unmanaged
export class PerCpuHashMap<K, V> {
  constructor(maxEntries: u32, flags: u32 = 0) {
    return changetype<PerCpuHashMap<K, V>>(define_map("percpu_hash", idof<(key: K, value: V) => void>(), maxEntries, flags));
  }
  get(key: K): V | null { return lookup<K, V>(changetype<usize>(this), key); }
  /** Another CPU's value. */
  getOf(key: K, cpu: u32): V | null { return changetype<V | null>(map_lookup_percpu_elem(changetype<usize>(this), pointerTo<K>(key), cpu)); }
  set(key: K, value: V, flags: u64 = Update.Any): i32 { return update<K, V>(changetype<usize>(this), key, value, flags); }
  delete(key: K): i32 { return map_delete_elem(changetype<usize>(this), pointerTo<K>(key)); }
  forEach<C>(context: C, body: (key: K, value: V, context: C) => Loop): i32 { return each<K, V, C>(changetype<usize>(this), context, body); }
  /** Entries that are there now. */
  get size(): i64 { return bpf_map_sum_elem_count(changetype<usize>(this)); }
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
  forEach<C>(context: C, body: (key: K, value: V, context: C) => Loop): i32 { return each<K, V, C>(changetype<usize>(this), context, body); }
  /** Entries that are there now. */
  get size(): i64 { return bpf_map_sum_elem_count(changetype<usize>(this)); }
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
  forEach<C>(context: C, body: (key: u32, value: V, context: C) => Loop): i32 { return each<u32, V, C>(changetype<usize>(this), context, body); }
}

/** ArrayMap with a value for each CPU. */
@final @unmanaged
export class PerCpuArrayMap<V> {
  constructor(length: u32, flags: u32 = 0) {
    return changetype<PerCpuArrayMap<V>>(define_map("percpu_array", idof<(key: u32, value: V) => void>(), length, flags));
  }
  get(index: u32): V | null { return lookup<u32, V>(changetype<usize>(this), index); }
  /** Another CPU's value. */
  getOf(index: u32, cpu: u32): V | null { return changetype<V | null>(map_lookup_percpu_elem(changetype<usize>(this), pointerTo<u32>(index), cpu)); }
  set(index: u32, value: V): i32 { return update<u32, V>(changetype<usize>(this), index, value, Update.Any); }
  forEach<C>(context: C, body: (key: u32, value: V, context: C) => Loop): i32 { return each<u32, V, C>(changetype<usize>(this), context, body); }
}

/** Longest-prefix-match trie. K starts with `prefixLength: u32` (bits), the rest is matched from its first byte on. */
@final @unmanaged
export class LpmTrie<K, V> {
  constructor(maxEntries: u32) {
    return changetype<LpmTrie<K, V>>(define_map("lpm_trie", idof<(key: K, value: V) => void>(), maxEntries, MapFlag.NoPrealloc));
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
  /** Bytes that wait for user space. */
  get pending(): u64 { return ringbuf_query(changetype<usize>(this), 0); }
  submit(event: T): void { ringbuf_submit(changetype<usize>(event), 0); }
  discard(event: T): void { ringbuf_discard(changetype<usize>(event), 0); }
}

/** Events to user space through a buffer for each CPU, which copies and may lose them; a RingBuffer is the better choice. */
@final @unmanaged
export class PerfEventArray<T> {
  /** `cpus` 0: as many as the machine can have. */
  constructor(cpus: u32 = 0) {
    return changetype<PerfEventArray<T>>(define_map("perf_event_array", idof<(key: u32, value: u32) => void>(), cpus, 0));
  }
  /** Copies an event to this CPU's buffer; 0, or a negative errno. */
  output<C>(ctx: C, event: T): i32 {
    return perf_event_output(changetype<usize>(ctx), changetype<usize>(this), CURRENT_CPU, changetype<usize>(event), offsetof<T>());
  }
}

/** Values in the order of arrival. */
@final @unmanaged
export class Queue<V> {
  constructor(maxEntries: u32) {
    return changetype<Queue<V>>(define_map("queue", idof<(key: u32, value: V) => void>(), maxEntries, 0));
  }
  /** 0, or -E2BIG when it is full; Update.Exist: makes room by dropping the oldest. */
  push(value: V, flags: u64 = Update.Any): i32 { return map_push_elem(changetype<usize>(this), pointerTo<V>(value), flags); }
  /** Takes the oldest value; 0, or -ENOENT when there is none. */
  pop(into: V): i32 { return map_pop_elem(changetype<usize>(this), changetype<usize>(into)); }
  /** As `pop`, and leaves the value there. */
  peek(into: V): i32 { return map_peek_elem(changetype<usize>(this), changetype<usize>(into)); }
}

/** Values in reverse order of arrival. */
@final @unmanaged
export class Stack<V> {
  constructor(maxEntries: u32) {
    return changetype<Stack<V>>(define_map("stack", idof<(key: u32, value: V) => void>(), maxEntries, 0));
  }
  push(value: V, flags: u64 = Update.Any): i32 { return map_push_elem(changetype<usize>(this), pointerTo<V>(value), flags); }
  /** Takes the newest value; 0, or -ENOENT when there is none. */
  pop(into: V): i32 { return map_pop_elem(changetype<usize>(this), changetype<usize>(into)); }
  peek(into: V): i32 { return map_peek_elem(changetype<usize>(this), changetype<usize>(into)); }
}

/** A set that may hold values that nobody added, but never misses one that was. */
@final @unmanaged
export class BloomFilter<V> {
  constructor(maxEntries: u32) {
    return changetype<BloomFilter<V>>(define_map("bloom_filter", idof<(key: u32, value: V) => void>(), maxEntries, 0));
  }
  add(value: V): i32 { return map_push_elem(changetype<usize>(this), pointerTo<V>(value), 0); }
  /** False: certainly not there. */
  mayHave(value: V): bool { return map_peek_elem(changetype<usize>(this), pointerTo<V>(value)) == 0; }
}

/** Maps by index. They look like `pattern`, which need not be a map of the object: `new ArrayOfMaps(8, new HashMap<K, V>(64))`. */
@final @unmanaged
export class ArrayOfMaps<M> {
  constructor(length: u32, pattern: M) {
    const map = define_map("array_of_maps", idof<(key: u32, value: u32) => void>(), length, 0);
    define_inner(map, changetype<usize>(pattern));
    return changetype<ArrayOfMaps<M>>(map);
  }
  /** The map at the index, or null. */
  get(index: u32): M | null { return lookup<u32, M>(changetype<usize>(this), index); }
}

/** Maps by key. */
@final @unmanaged
export class HashOfMaps<K, M> {
  constructor(maxEntries: u32, pattern: M) {
    const map = define_map("hash_of_maps", idof<(key: K, value: u32) => void>(), maxEntries, 0);
    define_inner(map, changetype<usize>(pattern));
    return changetype<HashOfMaps<K, M>>(map);
  }
  /** The map of the key, or null. */
  get(key: K): M | null { return lookup<K, M>(changetype<usize>(this), key); }
}

/** struct bpf_devmap_val: an interface, and the descriptor of an xdpDevmap program that runs on what leaves by it (0: none). */
@final @unmanaged
export class Device {
  ifindex: u32;
  program: u32;
}

/** What XDP does with a frame whose DevMap, CpuMap or XskMap has no such entry: the action is the flags. */
export namespace Otherwise {
  export const Abort: u64 = 0;
  export const Drop: u64 = 1;
  export const Pass: u64 = 2;
  export const Tx: u64 = 3;
}

/** Flags of DevMap.redirect: a copy to every interface of the map; not to the one that the frame came from. */
export namespace Broadcast {
  export const All: u64 = 8;
  export const ExcludeIngress: u64 = 16;
}

/** Interfaces by index, for XDP to redirect to. */
@final @unmanaged
export class DevMap {
  constructor(length: u32) {
    return changetype<DevMap>(define_map("devmap", idof<(key: u32, value: Device) => void>(), length, 0));
  }
  /** The program's verdict: Redirect, or that of `Otherwise`. */
  redirect(index: u32, flags: u64 = Otherwise.Abort): XdpAction { return redirect_map(changetype<usize>(this), index, flags); }
  /** The entry, to read, or null. */
  get(index: u32): Device | null { return lookup<u32, Device>(changetype<usize>(this), index); }
}

/** Interfaces by a number of any size. */
@final @unmanaged
export class DevMapHash {
  constructor(maxEntries: u32) {
    return changetype<DevMapHash>(define_map("devmap_hash", idof<(key: u32, value: Device) => void>(), maxEntries, 0));
  }
  redirect(key: u32, flags: u64 = Otherwise.Abort): XdpAction { return redirect_map(changetype<usize>(this), key, flags); }
  get(key: u32): Device | null { return lookup<u32, Device>(changetype<usize>(this), key); }
}

/** struct bpf_cpumap_val: length of a CPU's queue, and the descriptor of an xdpCpumap program that runs there (0: none). */
@final @unmanaged
export class CpuQueue {
  length: u32;
  program: u32;
}

/** CPUs by number, for XDP to hand frames to. */
@final @unmanaged
export class CpuMap {
  constructor(cpus: u32) {
    return changetype<CpuMap>(define_map("cpumap", idof<(key: u32, value: CpuQueue) => void>(), cpus, 0));
  }
  redirect(cpu: u32, flags: u64 = Otherwise.Abort): XdpAction { return redirect_map(changetype<usize>(this), cpu, flags); }
}

/** AF_XDP sockets by index of the receive queue. */
@final @unmanaged
export class XskMap {
  constructor(queues: u32) {
    return changetype<XskMap>(define_map("xskmap", idof<(key: u32, value: u32) => void>(), queues, 0));
  }
  redirect(queue: u32, flags: u64 = Otherwise.Abort): XdpAction { return redirect_map(changetype<usize>(this), queue, flags); }
}

/** Sockets of a group that shares a port, by index. */
@final @unmanaged
export class ReuseportArray {
  constructor(length: u32) {
    return changetype<ReuseportArray>(define_map("reuseport_sockarray", idof<(key: u32, value: u64) => void>(), length, 0));
  }
  /** Gives the connection or datagram to that socket when the program then passes it; 0, or a negative errno. */
  select(ctx: SkReuseport, index: u32): i32 {
    return sk_select_reuseport(changetype<usize>(ctx), changetype<usize>(this), pointerTo<u32>(index), 0);
  }
}

/** A value for each socket; it goes with the socket. */
@final @unmanaged
export class SocketStorage<V> {
  constructor(flags: u32 = 0) {
    return changetype<SocketStorage<V>>(define_map("sk_storage", idof<(key: i32, value: V) => void>(), 0, MapFlag.NoPrealloc | flags));
  }
  /** The socket's value, or null. */
  get(socket: Socket): V | null { return changetype<V | null>(sk_storage_get(changetype<usize>(this), changetype<usize>(socket), 0, 0)); }
  /** The socket's value, zeroed when it is new; null when there is no memory. */
  getOrCreate(socket: Socket): V | null {
    return changetype<V | null>(sk_storage_get(changetype<usize>(this), changetype<usize>(socket), 0, CREATE));
  }
  delete(socket: Socket): i32 { return sk_storage_delete(changetype<usize>(this), changetype<usize>(socket)); }
  /** sockCreate: as `getOrCreate`, of the socket that is made. */
  ofContext(ctx: CgroupSock): V | null {
    return changetype<V | null>(sk_storage_get(changetype<usize>(this), changetype<usize>(ctx), 0, CREATE));
  }
}

/** A value for each task (thread). */
@final @unmanaged
export class TaskStorage<V> {
  constructor() {
    return changetype<TaskStorage<V>>(define_map("task_storage", idof<(key: i32, value: V) => void>(), 0, MapFlag.NoPrealloc));
  }
  /** The current task's value, or null. */
  get(): V | null { return changetype<V | null>(task_storage_get(changetype<usize>(this), get_current_task_btf(), 0, 0)); }
  /** The current task's value, zeroed when it is new; null when there is no memory. */
  getOrCreate(): V | null { return changetype<V | null>(task_storage_get(changetype<usize>(this), get_current_task_btf(), 0, CREATE)); }
  delete(): i32 { return task_storage_delete(changetype<usize>(this), get_current_task_btf()); }
}

/** A value for each cgroup; it goes with the cgroup. */
@final @unmanaged
export class CgroupStorage<V> {
  constructor() {
    return changetype<CgroupStorage<V>>(define_map("cgrp_storage", idof<(key: i32, value: V) => void>(), 0, MapFlag.NoPrealloc));
  }
  /** The cgroup's value, or null. */
  get(cgroup: Cgroup): V | null { return changetype<V | null>(cgrp_storage_get(changetype<usize>(this), changetype<usize>(cgroup), 0, 0)); }
  /** The cgroup's value, zeroed when it is new; null when there is no memory. */
  getOrCreate(cgroup: Cgroup): V | null {
    return changetype<V | null>(cgrp_storage_get(changetype<usize>(this), changetype<usize>(cgroup), 0, CREATE));
  }
  delete(cgroup: Cgroup): i32 { return cgrp_storage_delete(changetype<usize>(this), changetype<usize>(cgroup)); }
}

/** A value for each cgroup that programs which use it are attached to; its key is the cgroup's id. */
@final @unmanaged
export class AttachedStorage<V> {
  constructor() {
    return changetype<AttachedStorage<V>>(define_map("cgroup_storage", idof<(key: u64, value: V) => void>(), 0, 0));
  }
  /** The value of the cgroup that the running program is attached to. */
  get(): V { return changetype<V>(get_local_storage(changetype<usize>(this), 0)); }
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
