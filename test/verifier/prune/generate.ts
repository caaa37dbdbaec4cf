/**
 * Random programs that give pruning something to do: branches that meet again with other numbers and slots, bounded loops,
 * functions (some write to their caller's stack), numbers that become offsets or decide jumps later.
 *
 * Numbers live in r6 to r8 and in four stack slots; r9 holds the context.
 */
import type { Random } from "../scalar/random.ts";

const NUMBERS = ["r6", "r7", "r8"] as const;
const SLOTS = [8, 16, 24, 32] as const;
const CONDITIONS = ["==", "!=", ">", ">=", "<", "<=", "s>", "s<"] as const;

/** Assembly text for lib/asm's `parse`. */
export function generate(random: Random): string {
  const lines: string[] = ["r9 = r1", "r6 = 0", "r7 = 1", "r8 = 2"];
  for (const slot of SLOTS) lines.push(`*(u64 *)(r10 - ${slot}) = ${slot}`);
  let labels = 0;
  const label = (): string => `l${labels++}`;

  function block(depth: number): void {
    const count = 1 + random.below(4);
    for (let i = 0; i < count; i++) statement(depth);
  }

  function statement(depth: number): void {
    const kind = random.below(depth > 0 ? 16 : 11);
    const a = random.pick(NUMBERS);
    const b = random.pick(NUMBERS);
    const slot = random.pick(SLOTS);
    switch (kind) {
      case 0:
        return void lines.push(`${a} = ${random.below(4)}`);
      case 1:
        return void lines.push(`${a} = ${b}`);
      case 2:
        return void lines.push(`${a} += ${random.below(3) - 1}`);
      case 3:
        return void lines.push(random.chance(0.5) ? `${a} += ${b}` : `${a} &= ${random.pick([1, 3, 7, 255])}`);
      case 4:
        return void lines.push(`${a} = *(u32 *)(r9 + ${random.pick([0, 4, 8])})`);
      case 5:
        return void lines.push(`*(u64 *)(r10 - ${slot}) = ${a}`);
      case 6:
        return void lines.push(`${a} = *(u64 *)(r10 - ${slot})`);
      case 7:
        return void lines.push(
          random.chance(0.5) ? `*(u64 *)(r10 - ${slot}) = ${random.below(3)}` : `*(u32 *)(r10 - ${slot}) = ${a}`,
        );
      case 8:
        return void lines.push("call 7", ...(random.chance(0.3) ? [`${a} = r0`] : []));
      case 9:
        // A number becomes an offset into a slot.
        return void lines.push(
          `r1 = ${a}`,
          "r1 &= 7",
          "r2 = r10",
          `r2 += -${slot}`,
          "r2 += r1",
          `*(u8 *)(r2 + 0) = ${random.below(3)}`,
        );
      case 10:
        return void lines.push(`w${a.slice(1)} += ${random.below(3) - 1}`);
      case 11:
      case 12:
        return branch(a, b, depth);
      case 13:
        return loop(depth);
      case 14:
        return void lines.push(`r1 = ${a}`, `r2 = ${b}`, "call f", ...(random.chance(0.7) ? [`${a} = r0`] : []));
      default:
        return void lines.push("r1 = r10", `r1 += -${slot}`, `r2 = ${a}`, "call g");
    }
  }

  function branch(a: string, b: string, depth: number): void {
    const [other, end] = [label(), label()];
    const right = a === b || random.chance(0.75) ? String(random.below(4)) : b;
    const wide = random.chance(0.7);
    const name = (register: string): string => (wide ? register : register.replace(/^r/, "w"));
    lines.push(`if ${name(a)} ${random.pick(CONDITIONS)} ${name(right)} goto ${other}`);
    block(depth - 1);
    lines.push(`goto ${end}`, `${other}:`);
    if (random.chance(0.6)) block(depth - 1);
    lines.push(`${end}:`);
  }

  /** The counter is in a slot of its own. */
  function loop(depth: number): void {
    const start = label();
    const counter = 40 + 8 * depth;
    lines.push(`*(u64 *)(r10 - ${counter}) = 0`, `${start}:`);
    block(depth - 1);
    lines.push(`r1 = *(u64 *)(r10 - ${counter})`, "r1 += 1", `*(u64 *)(r10 - ${counter}) = r1`);
    lines.push(`if r1 < ${2 + random.below(6)} goto ${start}`);
  }

  const statements = 4 + random.below(8);
  for (let i = 0; i < statements; i++) statement(3);
  lines.push(
    "r0 = 0",
    `if ${random.pick(NUMBERS)} ${random.pick(CONDITIONS)} ${random.below(4)} goto done`,
    "r0 = 1",
    "done:",
    "exit",
  );
  const calls = (name: string): boolean => lines.includes(`call ${name}`);
  if (calls("f"))
    lines.push(
      "f:",
      "r0 = r1",
      `if r2 ${random.pick(CONDITIONS)} ${random.below(3)} goto f1`,
      "r0 = r2",
      "f1:",
      "exit",
    );
  if (calls("g"))
    lines.push("g:", "r0 = 0", `if r2 > ${random.below(3)} goto g1`, "*(u64 *)(r1 + 0) = r2", "g1:", "exit");
  return lines.join("\n");
}
