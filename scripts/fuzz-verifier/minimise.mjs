// A failing program made as small as it stays failing: slots become `goto +0`, then those are taken out.
import { CLASS, JUMP, isWide } from "./code.mjs";
import { NOTHING } from "./mutate.mjs";

const MOST_TRIES = 4000;

/** `fails(program)`: does the program still show what is looked for? */
export function minimise(program, fails) {
  let best = program;
  let tries = 0;
  const attempt = (candidate) => {
    if (tries++ > MOST_TRIES || !fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.max(best.slots.length >> 1, 1); size >= 1; size >>= 1) {
    for (let at = 0; at < best.slots.length; at += size) attempt(blank(best, at, at + size));
  }
  for (let at = best.slots.length - 1; at >= 0; at--) if (isNothing(best.slots[at])) attempt(without(best, at));
  return best;
}

function isNothing({ code, off }) {
  return code === NOTHING.code && off === 0;
}

function blank(program, from, to) {
  const end = Math.min(to, program.slots.length);
  const start = from > 0 && isWide(program.slots[from - 1]) ? from - 1 : from;
  const last = isWide(program.slots[end - 1]) ? Math.min(end + 1, program.slots.length) : end;
  const slots = program.slots.map((slot, i) => (i >= start && i < last ? NOTHING : slot));
  const references = program.references.filter(({ slot }) => slot < start || slot >= last);
  return { ...program, slots, references };
}

/** Without one slot; jumps and calls over it become shorter. */
function without(program, at) {
  const moved = (slot) => (slot > at ? slot - 1 : slot);
  const slots = program.slots.flatMap((slot, i) => {
    if (i === at) return [];
    const field = distanceOf(slot);
    if (field === null) return [slot];
    const target = i + 1 + slot[field];
    return [{ ...slot, [field]: moved(target) - moved(i) - 1 }];
  });
  return {
    ...program,
    slots,
    references: program.references.map((reference) => ({ ...reference, slot: moved(reference.slot) })),
    functions: program.functions?.map((f) => ({ ...f, slot: moved(f.slot) })) ?? null,
  };
}

/** The field of a slot that counts slots, or null. */
function distanceOf({ code, src }) {
  const kind = code & 7;
  if (isWide({ code })) return src === 4 ? "imm" : null;
  if (kind !== CLASS.jmp && kind !== CLASS.jmp32) return null;
  if ((code & 0xf0) === JUMP.exit) return null;
  if ((code & 0xf0) !== JUMP.call) return kind === CLASS.jmp32 && (code & 0xf0) === JUMP.ja ? "imm" : "off";
  return src === 1 ? "imm" : null;
}
