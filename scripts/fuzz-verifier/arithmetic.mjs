// Blocks of arithmetic: all operations at both widths, bounds by masks and comparisons, constants and copies.

const OPERATIONS = ["add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "mod", "xor", "mov", "arsh"];
const SIGNED = 1;

/** One operation on numbers. */
function operate(w) {
  const { random, code } = w;
  const dst = w.scalar();
  const op = random.pick(OPERATIONS);
  const width = random.pick([32, 64]);
  const isShift = op === "lsh" || op === "rsh" || op === "arsh";
  const signed = (op === "div" || op === "mod") && random.chance(30) ? SIGNED : 0;
  if (random.chance(50)) {
    const immediate = isShift ? random.below(width) : w.constant();
    code.alu(op, dst, op === "div" || op === "mod" ? immediate || 1 : immediate, width, signed);
  } else {
    code.alu(op, dst, { reg: w.find("scalar") ?? dst }, width, signed);
  }
  w.set(dst, { k: "scalar", max: null });
  return true;
}

/** Operations with one operand: negation, byte order, sign extension. */
function convert(w) {
  const { random, code } = w;
  const dst = w.scalar();
  const width = random.pick([32, 64]);
  switch (random.below(4)) {
    case 0:
      code.alu("neg", dst, 0, width);
      break;
    case 1:
      // `to_be` and `to_le` are of the class of 32 bits, `bswap` of that of 64.
      code.emit(random.pick([0xd4, 0xdc, 0xd7]), dst, 0, 0, random.pick([16, 32, 64]));
      break;
    default: {
      const from = w.find("scalar") ?? dst;
      code.alu("mov", dst, { reg: from }, width, random.pick(width === 64 ? [8, 16, 32] : [8, 16]));
    }
  }
  w.set(dst, { k: "scalar", max: null });
  return true;
}

/** A constant; all 64 bits at times. */
function load(w) {
  const { random, code } = w;
  const dst = w.target();
  if (random.chance(25)) code.loadImm64(dst, w.constant(), w.constant());
  else code.mov(dst, w.constant(), random.pick([32, 64]));
  w.set(dst, { k: "scalar", max: null });
  return true;
}

/** The same number in two registers: what is learnt of one holds for the other. */
function link(w) {
  const { random, code } = w;
  const from = w.scalar();
  const to = w.target();
  if (to === from) return false;
  code.mov(to, { reg: from }, random.pick([32, 64, 64, 64]));
  w.set(to, w.kind(from));
  if (random.chance(40)) {
    code.alu("add", to, random.below(32), random.pick([32, 64, 64]));
    w.set(to, { k: "scalar", max: null });
  }
  return true;
}

/** An unknown number becomes one with an upper bound, in one of the ways that programs use. */
function bound(w) {
  boundScalar(w, w.random.pick([3, 7, 15, 31, 63]));
  return true;
}

/** A register with a number from 0 to `max` (one less than a power of two). */
export function boundScalar(w, max) {
  const { random, code } = w;
  const register = w.scalar();
  const ways = [
    () => code.alu("and", register, max, random.pick([32, 64])),
    () => {
      code.alu("lsh", register, 64 - bitsOf(max));
      code.alu("rsh", register, 64 - bitsOf(max));
    },
    () => {
      const inside = code.label();
      const width = random.pick([32, 64]);
      if (width === 32) code.mov(register, { reg: register }, 32);
      if (random.chance(50)) code.jumpIf("le", register, max, inside, width);
      else code.jumpIf("lt", register, max + 1, inside, width);
      code.mov(register, random.below(max + 1));
      code.mark(inside);
    },
    () => {
      const low = code.label();
      const high = code.label();
      code.jumpIf("sge", register, 0, low);
      code.mov(register, 0);
      code.mark(low);
      code.jumpIf("sle", register, max, high);
      code.mov(register, max);
      code.mark(high);
    },
  ];
  // The kernel does not bound what a remainder may be.
  if (random.chance(2)) code.alu("mod", register, max + 1, random.pick([32, 64]));
  else random.pick(ways)();
  w.set(register, { k: "scalar", max });
  return register;
}

function bitsOf(max) {
  return 32 - Math.clz32(max);
}

export const ARITHMETIC = [
  [8, operate],
  [3, convert],
  [3, load],
  [4, link],
  [4, bound],
];
