// A program being written, with what its writer knows of registers and stack: enough to write programs that are right most
// of the time. What it does not know it leaves to chance: the kernel is the judge, not the writer.
//
// Kinds of values: { k: "none" | "scalar" | "ctx" | "packet" | "end" | "value" | "value?" | "stack" | "ring" | "socket" ... }
//   scalar   max: known upper bound (unsigned), or null       packet  range: bytes proven from here on
//   value    map (index), size: bytes from here on             stack   off: from r10
// A kind with `?` may be null; registers of one look-up share its `id`.
import { Code } from "./code.mjs";

export const NONE = { k: "none" };
/** Keys and buffers to hand over are below this offset; above are slots, counters and iterators. */
const BUFFERS = -152;
const SAVED = [6, 7, 8, 9];
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

export class Writer {
  code = new Code();
  kinds = ALL.map(() => NONE);
  /** Kinds of 8-byte stack slots by offset from r10 (-8, -16 ...). */
  stack = new Map();
  /** Labels of functions still to be written: [{ label, kind, slot }]. */
  functions = [];
  /** Things acquired and not given back: no exit meanwhile. */
  held = 0;
  nesting = 0;
  nextId = 1;

  constructor(random, hook, { typed, plain, guarded, kernel }) {
    this.random = random;
    this.hook = hook;
    /** Has function types: may have callbacks and global functions. */
    this.typed = typed;
    /** Has no functions, no loops and no calls of kernel functions. */
    this.plain = plain;
    /** Is guarded against speculation: most pointers may not be moved by a variable, and loops are seldom pruned. */
    this.guarded = guarded;
    /** Ids of kernel functions by name; empty where there are none. */
    this.kernel = kernel;
  }

  /** Seldom true where programs are guarded: for what the kernel then refuses, or takes long for. */
  isFree(percent = 8) {
    return !this.guarded || this.random.chance(percent);
  }

  // ---- registers

  kind(register) {
    return register === 10 ? { k: "stack", off: 0 } : this.kinds[register];
  }
  set(register, kind) {
    this.kinds[register] = kind;
  }
  registersOf(...kinds) {
    return ALL.filter((register) => kinds.includes(this.kinds[register].k));
  }
  /** A register of one of these kinds, or null. */
  find(...kinds) {
    const found = this.registersOf(...kinds);
    return found.length === 0 ? null : this.random.pick(found);
  }
  /** A register that may be overwritten: seldom the last pointer to something. */
  target() {
    const { random } = this;
    const free = ALL.filter((r) => this.kinds[r].k === "none" || this.kinds[r].k === "scalar");
    if (free.length > 0 && !random.chance(3)) return random.pick(free);
    return random.pick(ALL.filter((r) => this.kinds[r].k !== "ctx" || this.registersOf("ctx").length > 1));
  }
  /** A register that calls leave alone, where one is free. */
  savedTarget() {
    const free = SAVED.filter((r) => this.kinds[r].k === "none" || this.kinds[r].k === "scalar");
    return free.length === 0 ? this.target() : this.random.pick(free);
  }
  /** A register with a number; makes one where there is none. */
  scalar() {
    const known = this.find("scalar");
    if (known !== null && !this.random.chance(10)) return known;
    const register = this.target();
    this.code.mov(register, this.constant());
    this.set(register, { k: "scalar", max: null });
    return register;
  }
  /** Numbers at which things change, mostly. */
  constant() {
    const { random } = this;
    return random.weighted([
      [6, random.below(16)],
      [4, random.pick([31, 32, 63, 64, 127, 128, 255, 256, 0xffff, 0x10000, 0x7fffffff])],
      [2, -random.between(1, 9)],
      [1, random.pick([-128, -32768, -0x80000000])],
      [2, random.word() | 0],
    ]);
  }
  /** Calls take r1 to r5; r0 has the result. */
  afterCall(result) {
    for (let r = 1; r <= 5; r++) this.set(r, NONE);
    this.set(0, result);
  }
  /** A register's value is put into another, which then is of the same kind. */
  copy(to, from) {
    if (to === from) return;
    this.code.mov(to, { reg: from });
    this.set(to, this.kind(from));
  }
  /** Packets may have moved. */
  movePackets() {
    for (const r of this.registersOf("packet", "end", "meta")) this.set(r, NONE);
    for (const [off, { k }] of this.stack) if (["packet", "end", "meta"].includes(k)) this.stack.delete(off);
  }
  /** What `id` stood for is given back, or known to be null. */
  forget(id) {
    this.kinds = this.kinds.map((kind) => (kind.id === id ? NONE : kind));
    for (const [off, kind] of this.stack) if (kind.id === id) this.stack.delete(off);
  }
  /** Everything of this id is known not to be null. */
  resolve(id) {
    const resolved = (kind) => (kind.id === id && kind.k.endsWith("?") ? { ...kind, k: kind.k.slice(0, -1) } : kind);
    this.kinds = this.kinds.map(resolved);
    for (const [off, kind] of this.stack) this.stack.set(off, resolved(kind));
  }

  // ---- the stack

  /** An 8-byte slot's offset. */
  slot() {
    return -8 * this.random.between(1, 12);
  }
  /** `size` bytes of numbers at the returned offset: a key, a value, a buffer. */
  buffer(size, fill = true) {
    const slots = Math.ceil(size / 8);
    const off = BUFFERS - 8 * this.random.below(2) - slots * 8;
    for (let i = 0; fill && i < slots; i++) {
      const source = this.random.chance(40) ? this.find("scalar") : null;
      this.code.store(8, 10, off + i * 8, source === null ? this.random.below(4) : { reg: source });
    }
    return off;
  }
  /** A register points to the stack. */
  pointToStack(register, off) {
    this.code.mov(register, { reg: 10 });
    this.code.alu("add", register, off);
    this.set(register, { k: "stack", off });
  }

  // ---- paths

  snapshot() {
    return { kinds: [...this.kinds], stack: new Map(this.stack) };
  }
  restore({ kinds, stack }) {
    this.kinds = [...kinds];
    this.stack = new Map(stack);
  }
  /** What holds here and there. */
  merge(other) {
    this.kinds = this.kinds.map((kind, r) => meet(kind, other.kinds[r]));
    this.stack = new Map(
      [...this.stack].flatMap(([off, kind]) => {
        const both = meet(kind, other.stack.get(off) ?? NONE);
        return both.k === "none" ? [] : [[off, both]];
      }),
    );
  }
}

/** Of two numbers the larger bound, of two packets the smaller range; else only what is the same. */
function meet(a, b) {
  if (a === b) return a;
  if (a.k !== b.k) return NONE;
  if (a.k === "scalar") return { k: "scalar", max: a.max === null || b.max === null ? null : Math.max(a.max, b.max) };
  if (a.k === "packet") return { ...a, range: Math.min(a.range, b.range) };
  if (a.k === "end" || a.k === "ctx") return a;
  return JSON.stringify(a) === JSON.stringify(b) ? a : NONE;
}
