// A right program made almost right: some of its slots changed in the ways that bugs are made of.
import { ALU, ATOMIC, CLASS, JUMP, SIZE, isWide } from "./code.mjs";

const ALU_BITS = Object.values(ALU).filter((bits) => bits !== ALU.end);
const JUMP_BITS = Object.values(JUMP).filter(
  (bits) => bits !== JUMP.call && bits !== JUMP.exit && bits !== JUMP.may_goto,
);
const SIZE_BITS = Object.values(SIZE);
const IMMEDIATES = [0, 1, -1, 7, 8, 15, 16, 31, 32, 63, 64, 255, 256, 4095, 0x7fffffff, -0x80000000];

const classOf = ({ code }) => code & 7;
const isMemory = (slot) => classOf(slot) === CLASS.ldx || classOf(slot) === CLASS.st || classOf(slot) === CLASS.stx;
const isJump = (slot) => classOf(slot) === CLASS.jmp || classOf(slot) === CLASS.jmp32;
const operation = ({ code }) => code & 0xf0;
const isConditional = (slot) => isJump(slot) && ![JUMP.ja, JUMP.call, JUMP.exit].includes(operation(slot));
const isArithmetic = (slot) => classOf(slot) === CLASS.alu32 || classOf(slot) === CLASS.alu64;
const isCall = (slot) => isJump(slot) && operation(slot) === JUMP.call;

/** Does nothing: `goto +0`. */
export const NOTHING = { code: CLASS.jmp | JUMP.ja, dst: 0, src: 0, off: 0, imm: 0 };

/** [weight, [applies to, the changed slot]] */
const CHANGES = [
  [6, [isConditional, () => NOTHING]],
  [4, [isConditional, (slot, random) => ({ ...slot, code: (slot.code & 0x0f) | random.pick(JUMP_BITS) })]],
  [3, [isConditional, (slot) => ({ ...slot, code: slot.code ^ 3 })]],
  [3, [isConditional, (slot, random) => ({ ...slot, off: slot.off + random.between(-4, 4) })]],
  [5, [isMemory, (slot, random) => ({ ...slot, off: slot.off + random.pick([-8, -4, -2, -1, 1, 2, 4, 8, 16, 64]) })]],
  [5, [isMemory, (slot, random) => ({ ...slot, code: (slot.code & ~SIZE[8]) | random.pick(SIZE_BITS) })]],
  [2, [isMemory, (slot, random) => ({ ...slot, code: slot.code ^ random.pick([0x01, 0x20, 0x40, 0xa0]) })]],
  [5, [isArithmetic, (slot, random) => ({ ...slot, code: (slot.code & 0x0f) | random.pick(ALU_BITS) })]],
  [4, [isArithmetic, (slot) => ({ ...slot, code: slot.code ^ 3 })]],
  [2, [isArithmetic, (slot, random) => ({ ...slot, off: random.pick([0, 1, 8, 16, 32]) })]],
  [6, [hasImmediate, (slot, random) => ({ ...slot, imm: changedNumber(slot.imm, random) })]],
  [5, [() => true, (slot, random) => ({ ...slot, dst: random.below(11) })]],
  [5, [() => true, (slot, random) => ({ ...slot, src: random.below(11) })]],
  [2, [() => true, (slot) => ({ ...slot, dst: slot.src, src: slot.dst })]],
  [2, [isCall, (slot, random) => ({ ...slot, imm: changedNumber(slot.imm, random) })]],
  [2, [isCall, () => NOTHING]],
  [4, [() => true, () => NOTHING]],
  [
    1,
    [
      isMemory,
      (slot, random) => ({ ...slot, code: 0xc3 | random.pick([0, SIZE[8]]), imm: random.pick(Object.values(ATOMIC)) }),
    ],
  ],
  [1, [() => true, (slot, random) => ({ ...slot, code: random.below(256) })]],
];

function hasImmediate(slot) {
  return isArithmetic(slot) || isConditional(slot) || classOf(slot) === CLASS.st || slot.code === 0;
}

function changedNumber(number, random) {
  return random.chance(60) ? (number + random.between(-8, 8)) | 0 : random.pick(IMMEDIATES);
}

const TRIES = 20;

/** The program with one to three changes. A load of an address stays what it is: its second slot changes, not its first. */
export function mutate(program, random) {
  const slots = [...program.slots];
  const isReference = new Set(program.references.map(({ slot }) => slot));
  for (
    let left = random.weighted([
        [6, 1],
        [3, 2],
        [1, 3],
      ]),
      tries = 0;
    left > 0 && tries < TRIES;
    tries++
  ) {
    const at = random.below(slots.length);
    if (random.chance(8)) {
      swap(slots, at, random);
      left--;
      continue;
    }
    const [applies, change] = random.weighted(CHANGES);
    if (!applies(slots[at]) || isWide(slots[at]) || isReference.has(at)) continue;
    slots[at] = change(slots[at], random);
    left--;
  }
  return { ...program, slots };
}

/** Two neighbours change places, or one is written twice. */
function swap(slots, at, random) {
  const next = at + 1;
  if (next + 1 >= slots.length || [at - 1, at, next, next + 1].some((i) => i >= 0 && isWide(slots[i]))) return;
  if (random.chance(50)) [slots[at], slots[next]] = [slots[next], slots[at]];
  else slots[next] = slots[at];
}
