// Blocks that reach memory in the rarer ways: packets by offset (BPF_LD_ABS), metadata, atomics that order, parts of the stack at
// offsets that are not constant, pointers compared with each other, long jumps.
import { boundScalar } from "./arithmetic.mjs";
import { ATOMIC, CLASS, MODE, SIZE } from "./code.mjs";
import { helperAt } from "./world.mjs";

const LOAD_ACQUIRE = 0x100;
const STORE_RELEASE = 0x110;
/** Program types whose packets may be read by offset. */
const LEGACY = ["socket_filter", "cgroup_skb", "sched_cls"];
const ABSOLUTE = 0x20;
const INDIRECT = 0x40;
const SIZES = [1, 2, 4, 8];

/** r0 = bytes of the packet; leaves the program where they are not. The context has to be in r6. */
function packetByOffset(w) {
  const { random, code, hook } = w;
  if (!LEGACY.includes(hook.type) || w.kind(6).k !== "ctx" || (w.held > 0 && !random.chance(5))) return false;
  const size = SIZE[random.pick([1, 2, 4])];
  const index = random.chance(40) ? w.find("scalar") : null;
  if (index === null) code.emit(CLASS.ld | ABSOLUTE | size, 0, 0, 0, random.below(64));
  else code.emit(CLASS.ld | INDIRECT | size, 0, index, 0, random.below(64));
  w.afterCall({ k: "scalar", max: null });
  return true;
}

/** Bytes before the packet: compared with where it starts. */
function metadata(w) {
  const { random, code, hook } = w;
  const context = w.find("ctx");
  if (context === null || hook.meta === null || hook.packet === null || w.held > 0) return false;
  const [start, end, limit] = [w.savedTarget(), w.target(), w.target()];
  if (new Set([start, end, limit, context]).size < 4) return false;
  code.load(hook.meta.size, start, context, hook.meta.data);
  code.load(hook.packet.size, end, context, hook.packet.data);
  const bytes = random.pick([4, 8, 16]);
  code.mov(limit, { reg: start });
  code.alu("add", limit, bytes);
  const good = code.label();
  code.jumpIf(random.pick(["le", "le", "lt"]), limit, { reg: end }, good);
  w.set(start, { k: "meta" });
  w.set(end, { k: "packet", range: 0, id: w.nextId++ });
  w.set(limit, { k: "none" });
  w.leave();
  code.mark(good);
  const size = random.pick(SIZES.filter((s) => s <= bytes));
  const off = random.chance(95) ? random.below(bytes - size + 1) : bytes;
  if (hook.writesPacket && random.chance(50)) code.store(size, start, off, random.below(9));
  else {
    code.load(size, limit, start, off);
    w.set(limit, { k: "scalar", max: null });
  }
  return true;
}

/** Any number of bytes of the stack at an offset that is not constant; at times handed to a helper. */
function variablePart(w) {
  const { random, code } = w;
  if (!w.isFree()) return false;
  for (const off of [-8, -16, -24, -32]) {
    if (!random.chance(85)) continue;
    const source = random.chance(30) ? w.find("scalar", "packet", "value") : null;
    code.store(8, 10, off, source === null ? random.below(2) : { reg: source });
    w.stack.delete(off);
  }
  const size = random.pick(SIZES);
  const index = boundScalar(w, random.pick([7, 15]));
  const pointer = w.target();
  if (pointer === index) return false;
  if (random.chance(85)) code.alu("and", index, 0x1f & -size);
  w.pointToStack(pointer, random.pick([-32, -32, -24, -40]));
  code.alu("add", pointer, { reg: index });
  w.set(index, { k: "scalar", max: null });
  const printable = helperAt(w.hook, "csum_diff");
  if (printable !== null && pointer > 5 && random.chance(30)) {
    code.mov(1, { reg: pointer });
    code.mov(2, random.pick([4, 8]));
    code.mov(3, 0);
    code.mov(4, 0);
    code.mov(5, 0);
    code.call(printable);
    w.set(pointer, { k: "none" });
    w.afterCall({ k: "scalar", max: null });
    return true;
  }
  const value = random.chance(40) ? w.find("scalar") : null;
  if (random.chance(50)) code.store(size, pointer, 0, value === null ? random.below(9) : { reg: value });
  else {
    code.load(size, index, pointer, 0, size < 8 && random.chance(20));
    w.set(index, { k: "scalar", max: null });
  }
  w.set(pointer, { k: "none" });
  return true;
}

/** Atomic operations on a slot of the stack, which keep numbers there and destroy pointers. */
function atomicSlot(w) {
  const { random, code } = w;
  const off = w.slot();
  const size = random.pick([4, 8]);
  const source = w.scalar();
  if (!w.stack.has(off) || random.chance(20)) code.store(8, 10, off, random.below(9));
  const op = random.pick([ATOMIC.add, ATOMIC.or, ATOMIC.and, ATOMIC.xor, ATOMIC.xchg, ATOMIC.cmpxchg]);
  if (op === ATOMIC.cmpxchg && w.kind(0).k !== "scalar") return false;
  const withResult = op <= ATOMIC.xor && random.chance(50) ? op | ATOMIC.fetch : op;
  code.atomic(withResult, size, 10, off + (size === 4 ? 4 * random.below(2) : 0), source);
  w.stack.set(off, { k: "scalar", max: null });
  w.set(op === ATOMIC.cmpxchg ? 0 : source, { k: "scalar", max: null });
  return true;
}

/** Loads and stores that order others, of 1 to 8 bytes. */
function ordered(w) {
  const { random, code } = w;
  const pointer = w.find("value", "ring", "stack");
  if (pointer === null || w.kind(pointer).readOnly) return false;
  const size = random.pick(SIZES);
  const opcode = CLASS.stx | MODE.atomic | SIZE[size];
  const { size: bytes = 8, from = 0 } = w.kind(pointer);
  const off = from + size * random.below(Math.max(Math.floor((bytes - from) / size), 1));
  if (random.chance(50)) {
    const dst = w.target();
    code.emit(opcode, dst, pointer, off, LOAD_ACQUIRE);
    w.set(dst, { k: "scalar", max: null });
  } else code.emit(opcode, pointer, w.scalar(), off, STORE_RELEASE);
  return true;
}

/** Two pointers, or a pointer and 0, compared: nothing is learnt, or what both are. */
function comparePointers(w) {
  const { random, code } = w;
  const kinds = ["packet", "value", "value?", "ctx", "end", "stack", "socket?", "socket"];
  const [a, b] = [w.find(...kinds), w.find(...kinds)];
  if (a === null || b === null || !w.isFree()) return false;
  const after = code.label();
  const right = random.chance(70) ? { reg: b } : 0;
  code.jumpIf(random.pick(["eq", "ne"]), a, right, after);
  w.nesting++;
  if (w.nesting < 3) w.block();
  w.nesting--;
  code.mark(after);
  for (const r of [a, b]) if (w.kind(r).k.endsWith("?")) w.set(r, { k: "none" });
  return true;
}

/** `goto` by 32 bits. */
function longJump(w) {
  const { code } = w;
  const after = code.label();
  code.jumpLong(after);
  code.mark(after);
  return true;
}

export const ADDRESSES = [
  [3, packetByOffset],
  [3, metadata],
  [4, variablePart],
  [4, atomicSlot],
  [4, ordered],
  [3, comparePointers],
  [1, longJump],
];
