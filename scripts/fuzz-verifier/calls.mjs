// Blocks that call helpers and functions of the kernel: maps, ring buffers, locks, timers, sockets, dynptrs, packets.
import { boundScalar } from "./arithmetic.mjs";
import { MAPS, helperAt, mapIndex } from "./world.mjs";

const KEYED = ["array", "hash", "percpu", "lru", "trie", "locked", "timed", "percpuhash", "outer", "constants"];
const UPDATED = ["array", "hash", "lru", "trie", "percpuhash", "locked"];
/** No memory for a record: the smallest flags that mean something. */
const NO_FLAGS = 0;
const CURRENT_CPU = [-1, 0];

/** Calls the helper if the hook's programs may (seldom if not). Whether it was called. */
function call(w, name, result = { k: "scalar", max: null }) {
  const id = helperAt(w.hook, name);
  if (id === null && !w.random.chance(1)) return false;
  w.code.call(id ?? 1);
  w.afterCall(result);
  return true;
}

/** May the hook's programs call all of these? */
function offers(w, ...names) {
  return names.every((name) => helperAt(w.hook, name) !== null);
}

/** A constant length for r`register`, or a bounded one in it: [largest, emit]. */
function length(w, register, most) {
  const { random, code } = w;
  if (random.chance(70) || w.find("scalar") === null) {
    code.mov(register, random.between(1, most));
    return;
  }
  const bounded = boundScalar(w, most >= 8 ? 7 : 3);
  code.mov(register, { reg: bounded });
  if (random.chance(80)) code.alu("add", register, 1);
}

function pointTo(w, register, off) {
  w.code.mov(register, { reg: 10 });
  w.code.alu("add", register, off);
}

// ---- maps

function key(w, register, name) {
  const { random, code } = w;
  const { keySize, maxEntries } = MAPS[mapIndex(name)].spec;
  const off = w.buffer(Math.max(keySize, 1), random.chance(97));
  if (keySize === 4 && random.chance(60)) {
    const source = random.chance(50) ? w.find("scalar") : null;
    code.store(4, 10, off, source === null ? random.below(maxEntries + 1) : { reg: source });
  }
  pointTo(w, register, off);
}

function lookUp(w) {
  const { random, code } = w;
  const name = random.pick(KEYED);
  const { valueSize, type } = MAPS[mapIndex(name)].spec;
  key(w, 2, name);
  code.map(1, mapIndex(name));
  const id = w.nextId++;
  if (type === "array_of_maps") return lookUpInner(w, id);
  const plain = { k: "value?", id, map: name, size: valueSize, readOnly: name === "constants" && !random.chance(3) };
  // Locks and timers lie at the edges of their values.
  const result = name === "locked" ? { ...plain, from: 4 } : name === "timed" ? { ...plain, size: 8 } : plain;
  if (!call(w, "map_lookup_elem", result)) return false;
  keepResult(w, id);
  if (name === "locked" && w.held === 0) return withLock(w);
  return true;
}

/** r0 is compared with null, most often; then it may go to a register that calls leave alone. */
function keepResult(w, id) {
  const { random } = w;
  const early = random.chance(25) ? w.savedTarget() : null;
  if (early !== null && w.kind(early).k !== "ctx") w.copy(early, 0);
  if (random.chance(90)) checkNull(w, 0, id);
  if (random.chance(60)) {
    const saved = w.savedTarget();
    if (w.kind(saved).k !== "ctx") w.copy(saved, 0);
  }
}

/** Leaves where a pointer is null. */
function checkNull(w, register, id) {
  const { random, code } = w;
  if (w.held > 0) return skipNull(w, register, id);
  const good = code.label();
  if (random.chance(70)) {
    code.jumpIf("ne", register, 0, good);
    w.leave();
  } else {
    const bad = code.label();
    code.jumpIf("eq", register, 0, bad);
    code.jump(good);
    code.mark(bad);
    w.leave();
  }
  code.mark(good);
  w.resolve(id);
  return true;
}

/** While something is held there is no leaving: nothing more is done with what may be null. */
function skipNull(w, register, id) {
  const after = w.code.label();
  w.code.jumpIf("eq", register, 0, after);
  w.code.load(1, 1, register, 0);
  w.code.mark(after);
  w.forget(id);
  w.set(1, { k: "none" });
  return true;
}

function lookUpInner(w, id) {
  if (!call(w, "map_lookup_elem", { k: "map?", id })) return false;
  if (w.held > 0) return true;
  checkNull(w, 0, id);
  const off = w.buffer(4);
  w.code.mov(1, { reg: 0 });
  pointTo(w, 2, off);
  const found = w.nextId++;
  call(w, "map_lookup_elem", { k: "value?", id: found, map: "inner", size: 16 });
  keepResult(w, found);
  return true;
}

function update(w) {
  const { random, code } = w;
  const name = random.pick(UPDATED);
  const { valueSize } = MAPS[mapIndex(name)].spec;
  const source = w.find("value");
  const isFitting = source !== null && w.kind(source).size >= valueSize && source > 5;
  key(w, 2, name);
  if (isFitting && random.chance(40)) code.mov(3, { reg: source });
  else pointTo(w, 3, w.buffer(valueSize, random.chance(97)));
  code.map(1, mapIndex(name));
  code.mov(4, NO_FLAGS);
  return call(w, "map_update_elem");
}

function remove(w) {
  const name = w.random.pick(UPDATED.slice(1));
  key(w, 2, name);
  w.code.map(1, mapIndex(name));
  return call(w, "map_delete_elem");
}

/** The address of global data, without a look-up. */
function globalData(w) {
  const { random, code } = w;
  const dst = w.target();
  const name = random.pick(["globals", "constants"]);
  const { valueSize } = MAPS[mapIndex(name)].spec;
  const offset = random.chance(70) ? 0 : random.below(valueSize);
  code.mapValue(dst, mapIndex(name), offset);
  w.set(dst, { k: "value", map: name, size: valueSize - offset, readOnly: name === "constants" && !random.chance(3) });
  return true;
}

function queue(w) {
  const { random, code } = w;
  const name = random.pick(["map_push_elem", "map_pop_elem", "map_peek_elem"]);
  pointTo(w, 2, w.buffer(8, name === "map_push_elem" || random.chance(50)));
  code.map(1, mapIndex("queue"));
  code.mov(3, NO_FLAGS);
  return call(w, name);
}

/** r0 has a value of `locked`: takes its lock, changes the value, gives it back. */
function withLock(w) {
  const { random, code } = w;
  const value = w.registersOf("value").find((r) => r > 5 && w.kind(r).map === "locked");
  if (value === undefined || !offers(w, "spin_lock", "spin_unlock")) return true;
  code.mov(1, { reg: value });
  call(w, "spin_lock");
  for (let i = random.between(1, 3); i > 0; i--) {
    code.load(8, 0, value, 8 + 8 * random.below(2));
    code.alu("add", 0, random.below(9));
    code.store(8, value, 8, { reg: 0 });
  }
  w.set(0, { k: "scalar", max: null });
  if (random.chance(98)) {
    code.mov(1, { reg: value });
    call(w, "spin_unlock");
  }
  return true;
}

// ---- ring buffers, events

function ring(w) {
  const { random, code } = w;
  if (!offers(w, "ringbuf_reserve") || w.held > 0 || w.nesting > 2) return false;
  const size = random.pick([8, 16, 24, 64]);
  code.map(1, mapIndex("ring"));
  code.mov(2, size);
  code.mov(3, NO_FLAGS);
  const id = w.nextId++;
  call(w, "ringbuf_reserve", { k: "ring?", id, size });
  const saved = w.savedTarget();
  if (w.kind(saved).k === "ctx") return false;
  checkNull(w, 0, id);
  w.copy(saved, 0);
  w.held++;
  for (let i = random.between(1, 4); i > 0; i--) w.block();
  w.held--;
  if (w.kind(saved).id !== id) return random.chance(50);
  code.mov(1, { reg: saved });
  code.mov(2, NO_FLAGS);
  if (random.chance(98)) call(w, random.pick(["ringbuf_submit", "ringbuf_discard"]), { k: "none" });
  w.forget(id);
  return true;
}

function output(w) {
  const { random, code } = w;
  const context = w.find("ctx");
  const off = w.buffer(16);
  if (random.chance(50) || context === null) {
    if (!offers(w, "ringbuf_output")) return false;
    length(w, 3, 16);
    code.map(1, mapIndex("ring"));
    pointTo(w, 2, off);
    code.mov(4, NO_FLAGS);
    return call(w, "ringbuf_output");
  }
  if (!offers(w, "perf_event_output")) return false;
  length(w, 5, 16);
  if (context !== 1) code.mov(1, { reg: context });
  code.map(2, mapIndex("events"));
  code.loadImm64(3, ...CURRENT_CPU);
  pointTo(w, 4, off);
  return call(w, "perf_event_output");
}

// ---- numbers

function number(w) {
  const { random, code } = w;
  const context = w.find("ctx");
  const name = random.pick([
    "get_prandom_u32",
    "ktime_get_ns",
    "get_smp_processor_id",
    "get_socket_cookie",
    "get_hash_recalc",
  ]);
  if (!offers(w, name)) return false;
  if (name === "get_socket_cookie" || name === "get_hash_recalc") {
    if (context === null) return false;
    if (context !== 1) code.mov(1, { reg: context });
  }
  return call(w, name);
}

function checksum(w) {
  const { random, code } = w;
  if (!offers(w, "csum_diff")) return false;
  const packet = w.registersOf("packet").find((r) => r > 5 && w.kind(r).range >= 8);
  const usesPacket = packet !== undefined && random.chance(50);
  if (random.chance(50)) {
    code.mov(1, 0);
    code.mov(2, 0);
  } else {
    pointTo(w, 1, w.buffer(8));
    code.mov(2, random.pick([4, 8]));
  }
  if (usesPacket) code.mov(3, { reg: packet });
  else pointTo(w, 3, w.buffer(16));
  code.mov(4, random.pick([4, 8]));
  code.mov(5, 0);
  return call(w, "csum_diff");
}

function print(w) {
  const { code, random } = w;
  if (!offers(w, "trace_printk") || !w.isFree()) return false;
  pointTo(w, 1, w.buffer(8));
  code.mov(2, 8);
  for (let r = 3; r <= 5; r++) code.mov(r, random.below(4));
  return call(w, "trace_printk");
}

// ---- packets

function packetBytes(w) {
  const { random, code } = w;
  const context = w.find("ctx");
  const name = random.pick(["skb_load_bytes", "xdp_load_bytes", "skb_store_bytes", "xdp_store_bytes"]);
  if (context === null || !offers(w, name)) return false;
  const isLoad = name.endsWith("load_bytes");
  const off = w.buffer(16, !isLoad || random.chance(30));
  length(w, 4, random.chance(97) ? 16 : 40);
  if (context !== 1) code.mov(1, { reg: context });
  code.mov(2, random.below(64));
  pointTo(w, 3, off);
  code.mov(5, 0);
  if (!call(w, name)) return false;
  if (!isLoad) w.movePackets();
  return true;
}

const RESIZERS = [
  "xdp_adjust_head",
  "xdp_adjust_tail",
  "xdp_adjust_meta",
  "skb_pull_data",
  "skb_change_tail",
  "skb_vlan_pop",
];

function resize(w) {
  const { random, code } = w;
  const context = w.find("ctx");
  const names = RESIZERS.filter((name) => offers(w, name));
  if (context === null || names.length === 0) return false;
  if (context !== 1) code.mov(1, { reg: context });
  code.mov(2, random.between(-8, 8));
  code.mov(3, 0);
  call(w, random.pick(names));
  if (random.chance(95)) w.movePackets();
  return true;
}

function redirect(w) {
  const { random, code } = w;
  if (!offers(w, "redirect_map")) return false;
  code.map(1, mapIndex("devices"));
  code.mov(2, random.below(4));
  code.mov(3, random.below(3));
  return call(w, "redirect_map");
}

function tailCall(w) {
  const { random, code } = w;
  const context = w.find("ctx");
  if (context === null || w.held > 0) return false;
  const index = w.find("scalar");
  if (index === null || random.chance(50)) code.mov(3, random.below(5));
  else code.mov(3, { reg: index });
  if (context !== 1) code.mov(1, { reg: context });
  code.map(2, mapIndex("programs"));
  return call(w, "tail_call", { k: "none" });
}

// ---- sockets

/** Offsets in struct bpf_sock; the first that sockets of every state have. */
const COMMON_LOADS = [4, 24, 28, 44, 48, 72, 76];
const SOCKET_LOADS = [0, 4, 8, 12, 16, 20, 24, 44, 48, 72];

/** The context's socket: null or not; some of its fields. */
function contextSocket(w) {
  const { random, code, hook } = w;
  const context = w.find("ctx");
  if (context === null || hook.socket === null || w.held > 0) return false;
  const dst = w.savedTarget();
  if (dst === context) return false;
  const id = w.nextId++;
  code.load(8, dst, context, hook.socket);
  w.set(dst, { k: "socket?", id, common: true });
  if (random.chance(90)) checkNull(w, dst, id);
  if (offers(w, "sk_fullsock") && random.chance(40)) {
    const full = w.nextId++;
    code.mov(1, { reg: dst });
    call(w, "sk_fullsock", { k: "socket?", id: full });
    checkNull(w, 0, full);
    w.copy(dst, 0);
  }
  return random.chance(60) ? loadSocket(w) : true;
}

function loadSocket(w) {
  const { random, code } = w;
  const socket = w.find("socket");
  if (socket === null) return false;
  const dst = w.target();
  if (dst === socket) return false;
  const offsets = w.kind(socket).common && random.chance(95) ? COMMON_LOADS : SOCKET_LOADS;
  code.load(random.chance(92) ? 4 : random.pick([1, 2, 8]), dst, socket, random.pick(offsets));
  w.set(dst, { k: "scalar", max: null });
  return true;
}

/** A socket is looked up, and given back. */
function lookUpSocket(w) {
  const { random, code } = w;
  const context = w.find("ctx");
  const name = random.pick(["sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp"]);
  if (context === null || w.held > 0 || !offers(w, name, "sk_release") || w.nesting > 2) return false;
  pointTo(w, 2, w.buffer(16));
  if (context !== 1) code.mov(1, { reg: context });
  code.mov(3, random.chance(80) ? 12 : 16);
  code.loadImm64(4, ...CURRENT_CPU);
  code.mov(5, 0);
  const id = w.nextId++;
  call(w, name, { k: "socket?", id, common: name === "skc_lookup_tcp" });
  const saved = w.savedTarget();
  if (w.kind(saved).k === "ctx") return false;
  w.copy(saved, 0);
  checkNull(w, saved, id);
  w.held++;
  if (random.chance(60)) loadSocket(w);
  for (let i = random.below(3); i > 0; i--) w.block();
  w.held--;
  if (w.kind(saved).id !== id) return true;
  code.mov(1, { reg: saved });
  if (random.chance(98)) call(w, "sk_release");
  w.forget(id);
  return true;
}

function storage(w) {
  const { random, code } = w;
  const socket = w.registersOf("socket").find((r) => r > 5 && (!w.kind(r).common || random.chance(10)));
  if (socket === undefined || !offers(w, "sk_storage_get")) return false;
  code.map(1, mapIndex("storage"));
  code.mov(2, { reg: socket });
  code.mov(3, 0);
  code.mov(4, random.below(2));
  const id = w.nextId++;
  call(w, "sk_storage_get", { k: "value?", id, map: "storage", size: 16 });
  keepResult(w, id);
  return true;
}

export const CALLS = [
  [10, lookUp],
  [4, update],
  [2, remove],
  [4, globalData],
  [2, queue],
  [4, ring],
  [3, output],
  [5, number],
  [2, checksum],
  [1, print],
  [4, packetBytes],
  [3, resize],
  [1, redirect],
  [1, tailCall],
  [4, contextSocket],
  [3, loadSocket],
  [3, lookUpSocket],
  [2, storage],
];
