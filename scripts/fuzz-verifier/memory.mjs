// Blocks that access memory: stack, context, packet, values of maps and records of ring buffers.
import { ATOMIC } from "./code.mjs";
import { boundScalar } from "./arithmetic.mjs";

const SIZES = [1, 2, 4, 8];
const ATOMICS = Object.values(ATOMIC).filter((op) => op !== ATOMIC.fetch);

// ---- the stack

/** Something to a slot: a number, a part of one, a register of any kind. */
function spill(w) {
  const { random, code } = w;
  const off = w.slot();
  const register = random.chance(60)
    ? w.find("packet", "value", "ctx", "end", "value?", "stack", "scalar")
    : w.find("scalar");
  if (register === null || random.chance(20)) {
    code.store(8, 10, off, w.constant());
    w.stack.set(off, { k: "scalar", max: null });
    return true;
  }
  const kind = w.kind(register);
  if (kind.k === "scalar" && random.chance(25)) {
    const size = random.pick([1, 2, 4]);
    const at = off + size * random.below(8 / size);
    code.store(size, 10, at, random.chance(70) ? { reg: register } : w.constant());
    // The rest of the slot keeps what it had.
    if (w.stack.get(off)?.k !== "scalar") w.stack.delete(off);
    return true;
  }
  code.store(8, 10, off, { reg: register });
  w.stack.set(off, kind);
  return true;
}

/** What was put there comes back. */
function fill(w) {
  const { random, code } = w;
  const slots = [...w.stack.keys()];
  if (slots.length === 0) return false;
  const off = random.pick(slots);
  const kind = w.stack.get(off);
  const dst = w.target();
  if (kind.k === "scalar" && random.chance(30)) {
    const size = random.pick([1, 2, 4]);
    code.load(size, dst, 10, off + size * random.below(8 / size), random.chance(25));
    w.set(dst, { k: "scalar", max: null });
  } else {
    code.load(8, dst, 10, off);
    w.set(dst, kind);
  }
  return true;
}

/** A byte of the stack at an offset that is not constant. */
function variableStack(w) {
  const { random, code } = w;
  if (!w.isFree()) return false;
  const written = [-8, -16, -24, -32].filter((off) => random.chance(95) || w.stack.has(off));
  for (const off of written) {
    code.store(8, 10, off, w.random.below(2));
    w.stack.set(off, { k: "scalar", max: null });
  }
  const index = boundScalar(w, random.pick([7, 15, 31]));
  const pointer = w.target();
  if (pointer === index) return false;
  w.pointToStack(pointer, -32);
  code.alu("add", pointer, { reg: index });
  if (random.chance(50)) code.store(1, pointer, 0, w.random.below(9));
  else code.load(1, index, pointer, 0);
  w.set(pointer, { k: "none" });
  if (w.kind(index).k === "scalar") w.set(index, { k: "scalar", max: null });
  return true;
}

/** Through a copy of the frame pointer. */
function stackPointer(w) {
  const pointer = w.target();
  w.pointToStack(pointer, w.slot());
  return true;
}

// ---- the context

function loadContext(w) {
  const { random, code, hook } = w;
  const context = w.find("ctx");
  if (context === null || hook.loads.length === 0) return false;
  const dst = w.target();
  if (dst === context) return false;
  const field = random.pick(hook.loads);
  const element = field.kind === "ipv6" ? 4 : field.size / (field.count ?? 1);
  const at = field.offset + element * random.below(field.size / element);
  const size = random.chance(93) ? element : random.pick(SIZES);
  code.load(SIZES.includes(size) ? size : 4, dst, context, at);
  w.set(dst, { k: "scalar", max: null });
  return true;
}

function storeContext(w) {
  const { random, code, hook } = w;
  const context = w.find("ctx");
  if (context === null || hook.stores.length === 0) return false;
  const field = random.pick(hook.stores);
  const element = field.kind === "ipv6" ? 4 : field.size / (field.count ?? 1);
  const at = field.offset + element * random.below(field.size / element);
  const source = w.find("scalar");
  code.store(element, context, at, source === null || random.chance(20) ? random.below(9) : { reg: source });
  return true;
}

// ---- packets

/** Pointers to the packet and its end out of the context. */
function loadPacket(w) {
  const { random, code, hook } = w;
  const context = w.find("ctx");
  if (context === null || hook.packet === null || (w.plain && !random.chance(3))) return false;
  const [start, end] = [w.savedTarget(), w.target()];
  if (start === end || start === context || end === context) return false;
  const { data, dataEnd, size } = hook.packet;
  const useMeta = hook.meta !== null && random.chance(12);
  code.load(useMeta ? hook.meta.size : size, start, context, useMeta ? hook.meta.data : data);
  code.load(size, end, context, useMeta ? data : dataEnd);
  w.set(start, useMeta ? { k: "meta" } : { k: "packet", range: 0, id: w.nextId++ });
  w.set(end, useMeta ? { k: "metaEnd" } : { k: "end" });
  if (!random.chance(85)) return true;
  return useMeta ? true : checkPacket(w, start, end);
}

/** Proves that bytes are there, in one of the ways that programs compare. Leaves the program where they are not. */
function checkPacket(w, pointer = w.find("packet"), end = w.find("end")) {
  const { random, code } = w;
  if (pointer === null || end === null || w.held > 0) return false;
  const bytes = random.pick([1, 2, 4, 8, 14, 20, 34, 40, 64]);
  const limit = w.target();
  if (limit === pointer || limit === end) return false;
  code.mov(limit, { reg: pointer });
  code.alu("add", limit, bytes);
  const [good, bad] = [code.label(), code.label()];
  switch (random.below(5)) {
    case 0:
      code.jumpIf("le", limit, { reg: end }, good);
      break;
    case 1:
      code.jumpIf("ge", end, { reg: limit }, good);
      break;
    case 2:
      code.jumpIf("gt", limit, { reg: end }, bad);
      code.jump(good);
      break;
    case 3:
      code.jumpIf("lt", end, { reg: limit }, bad);
      code.jump(good);
      break;
    default:
      code.jumpIf("lt", limit, { reg: end }, good);
  }
  code.mark(bad);
  w.leave();
  code.mark(good);
  const { id } = w.kind(pointer);
  w.set(limit, { k: "none" });
  w.kinds = w.kinds.map((kind) => (kind.k === "packet" && kind.id === id ? { ...kind, range: bytes } : kind));
  return true;
}

function accessPacket(w) {
  const { random } = w;
  const pointer = w.find("packet");
  if (pointer === null) return false;
  const { range } = w.kind(pointer);
  const size = random.pick(SIZES);
  if (range < size && !random.chance(5)) return checkPacket(w, pointer);
  const off = random.chance(96) ? random.below(Math.max(range - size + 1, 1)) : range;
  return accessAt(w, pointer, off, size, w.hook.writesPacket || random.chance(3));
}

/** A pointer that moves on by an unknown number of bytes: needs a check of its own. */
function advancePacket(w) {
  const { random, code } = w;
  const pointer = w.find("packet");
  if (pointer === null || !w.isFree()) return false;
  const by = boundScalar(w, random.pick([7, 15, 63, 255]));
  const moved = w.savedTarget();
  if (by === pointer || moved === by || moved === pointer) return false;
  if (random.chance(30)) code.alu("lsh", by, random.pick([1, 2]));
  code.mov(moved, { reg: pointer });
  code.alu("add", moved, { reg: by });
  w.set(by, { k: "scalar", max: null });
  w.set(moved, { k: "packet", range: 0, id: w.nextId++ });
  return random.chance(80) ? checkPacket(w, moved) || true : true;
}

/** A constant is added: the pointer shares what is proven. */
function stepPacket(w) {
  const { random, code } = w;
  const pointer = w.find("packet");
  if (pointer === null) return false;
  const moved = w.target();
  const by = random.pick([2, 4, 8, 14]);
  const kind = w.kind(pointer);
  w.copy(moved, pointer);
  code.alu("add", moved, by);
  w.set(moved, { ...kind, range: Math.max(kind.range - by, 0), id: w.nextId++ });
  return true;
}

// ---- values

/** Loads, stores and atomic operations inside of a map's value or a record. */
function accessValue(w) {
  const { random, code } = w;
  const pointer = w.find("value", "ring");
  if (pointer === null) return false;
  const { size: bytes, from = 0, readOnly = false } = w.kind(pointer);
  const size = random.pick(SIZES);
  if (bytes - from < size) return false;
  if (random.chance(30) && bytes - from >= 16) {
    const most = bytes - from >= 64 ? 31 : 7;
    const index = boundScalar(w, most);
    const at = w.target();
    if (index === pointer || at === index || at === pointer) return false;
    code.mov(at, { reg: pointer });
    code.alu("add", at, { reg: index });
    const room = bytes - from - most;
    const off = random.chance(95) ? from + random.below(Math.max(room - size + 1, 1)) : bytes - size;
    accessAt(w, at, off, size, !readOnly, true);
    if (w.kind(at).k !== "scalar") w.set(at, { k: "none" });
    return true;
  }
  const off = random.chance(97) ? from + random.below(bytes - from - size + 1) : bytes - random.below(size);
  return accessAt(w, pointer, off, size, !readOnly, true);
}

/** One access; `atomics`: also atomic ones, where alignment allows. */
function accessAt(w, pointer, off, size, mayWrite, atomics = false) {
  const { random, code } = w;
  if (atomics && mayWrite && size >= 4 && random.chance(25)) {
    const op = random.pick(ATOMICS);
    const withResult = op > 1 && random.chance(50) ? op | ATOMIC.fetch : op;
    const source = w.scalar();
    if (source === pointer) return false;
    if (op === ATOMIC.cmpxchg && w.kind(0).k !== "scalar") return false;
    code.atomic(withResult, size, pointer, off - (off % size), source);
    w.set(source, { k: "scalar", max: null });
    if (op === ATOMIC.cmpxchg) w.set(0, { k: "scalar", max: null });
    return true;
  }
  if (mayWrite && random.chance(45)) {
    const source = w.find("scalar");
    code.store(size, pointer, off, source === null || random.chance(30) ? w.constant() : { reg: source });
    return true;
  }
  const dst = w.target();
  code.load(size, dst, pointer, off, size < 8 && random.chance(15));
  w.set(dst, { k: "scalar", max: size < 4 ? 2 ** (8 * size) - 1 : null });
  return true;
}

export const MEMORY = [
  [6, spill],
  [6, fill],
  [2, variableStack],
  [1, stackPointer],
  [5, loadContext],
  [2, storeContext],
  [8, loadPacket],
  [3, checkPacket],
  [8, accessPacket],
  [4, advancePacket],
  [2, stepPacket],
  [9, accessValue],
];
