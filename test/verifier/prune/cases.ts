/**
 * Programs whose verification takes what pruning makes of it: loops, diamonds, calls, spills. Beside each the figures of Linux
 * 6.18.44: instructions processed, states stored, most at a time, longest list. `test/verifier/kernel/pruning.test.ts` asks again.
 */
export interface Case {
  readonly name: string;
  readonly text: string;
  /** "accept|reject processed total peak longest". */
  readonly kernel: string;
}

const DIAMOND = (register: number, n: number): string => `
    r1 = *(u32 *)(r6 + 0)
    if r1 > ${n} goto else${n}
    r${register} = 1
    goto end${n}
  else${n}:
    r${register} = 2
  end${n}:`;

// prettier-ignore
export const CASES: readonly Case[] = [
  { name: "a straight line", kernel: "accept 2 0 0 0", text: "r0 = 0\nexit" },
  { name: "a loop with a constant bound", kernel: "accept 202 6 6 4", text: "r0 = 0\na: r0 += 1\nif r0 < 100 goto a\nexit" },
  { name: "a long loop", kernel: "accept 15003 251 251 4", text: "r0 = 0\nr1 = 0\na: r0 += 1\nr1 += 3\nif r0 < 5000 goto a\nexit" },
  { name: "a loop that never ends", kernel: "reject 10 1 1 0", text: "r0 = 0\na: if r0 == 1 goto b\ngoto a\nb: exit" },
  { name: "a loop without a bound", kernel: "reject 12 1 1 0", text: "r6 = r1\nr0 = 0\na: r1 = *(u32 *)(r6 + 0)\nif r1 != 5 goto a\nexit" },
  { name: "nested loops", kernel: "accept 232 8 8 4", text: "r0 = 0\na: r1 = 0\nb: r1 += 1\nif r1 < 10 goto b\nr0 += 1\nif r0 < 10 goto a\nexit" },
  { name: "diamonds that leave nothing behind", kernel: "accept 77 8 8 0",
    text: `r6 = r1\nr0 = 0${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => DIAMOND(7, n)).join("")}\nr0 = 0\nexit` },
  { name: "diamonds that leave a number that does not matter", kernel: "accept 77 8 8 0",
    text: `r6 = r1\nr0 = 0${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => DIAMOND(7, n)).join("")}\nr0 = r7\nexit` },
  { name: "diamonds that leave a number that matters", kernel: "accept 80 8 8 0",
    text: `r6 = r1\nr0 = 0${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => DIAMOND(7, n)).join("")}\nr0 = 0\nif r7 == 3 goto x\nexit\nx: exit` },
  { name: "two numbers of diamonds that matter", kernel: "accept 125 12 12 1",
    text: `r6 = r1\nr0 = 0${[1, 2, 3, 4].map((n) => DIAMOND(7, n)).join("")}${[5, 6, 7, 8].map((n) => DIAMOND(8, n)).join("")}
      r0 = r10\nr0 += -16\nr7 *= 4\nr0 += r7\n*(u8 *)(r0 + 0) = 1\nr0 = 0\nif r8 == 3 goto x\nexit\nx: exit` },
  { name: "a number through the stack that matters", kernel: "accept 101 11 11 1",
    text: `r6 = r1${[1, 2, 3, 4, 5, 6].map((n) => `${DIAMOND(7, n)}\n*(u64 *)(r10 - ${8 * n}) = r7`).join("")}
      r1 = *(u64 *)(r10 - 16)\nr0 = 0\nif r1 == 3 goto x\nexit\nx: exit` },
  { name: "a slot that is written again and never read", kernel: "accept 63 6 6 0",
    text: `r6 = r1${[1, 2, 3, 4, 5, 6].map((n) => `${DIAMOND(7, n)}\n*(u64 *)(r10 - 8) = r7`).join("")}\nr0 = 0\nexit` },
  { name: "a function called in both arms", kernel: "accept 103 11 11 2",
    text: `r6 = r1${[1, 2, 3, 4].map((n) => `${DIAMOND(7, n)}\nr1 = r7\ncall f\nr8 = r0`).join("")}
      r0 = 0\nif r8 == 9 goto x\nexit\nx: exit\nf: r0 = r1\nif r0 == 1 goto g\nr0 = 3\ng: exit` },
  { name: "a function that writes to its caller's stack", kernel: "accept 58 6 6 1",
    text: `r6 = r1\n*(u64 *)(r10 - 8) = 0${[1, 2, 3].map((n) => `${DIAMOND(7, n)}\nr1 = r10\nr1 += -8\nr2 = r7\ncall f`).join("")}
      r1 = *(u64 *)(r10 - 8)\nr0 = 0\nif r1 == 3 goto x\nexit\nx: exit\nf: *(u64 *)(r1 + 0) = r2\nr0 = 0\nexit` },
  { name: "a loop over the stack by a variable offset", kernel: "accept 387 5 5 4",
    text: `r6 = 0\na: r1 = r10\nr1 += -64\nr1 += r6\n*(u8 *)(r1 + 0) = 1\nr6 += 1\nif r6 < 64 goto a\nr0 = 0\nexit` },
  { name: "a loop counting down, with a copy", kernel: "accept 259 7 7 4",
    text: `r6 = r1\nr7 = *(u32 *)(r6 + 0)\nif r7 > 50 goto x\na: r8 = r7\nw7 += -1\nif w8 == 0 goto x\ngoto a\nx: r0 = 0\nexit` },
  { name: "may_goto", kernel: "accept 17 3 4 2", text: "r0 = 0\na: may_goto b\nr0 += 1\ngoto a\nb: r0 = 0\nexit" },
  { name: "may_goto with a number that matters", kernel: "accept 162 16 17 15",
    text: "r6 = 0\na: may_goto b\nr1 = r10\nr1 += -8\nr6 &= 7\nr1 += r6\n*(u8 *)(r1 + 0) = 1\nr6 += 1\ngoto a\nb: r0 = 0\nexit" },
  { name: "signs that are masked", kernel: "accept 22 1 1 0",
    text: "call 7\nr6 = r0\nr6 s>>= 63\nr6 &= 7\nr7 = r6\nw7 |= 4\ncall 7\nw0 s>>= 31\nr1 = 5\nr0 &= r1\nr0 |= 1\nr0 = 0\nexit" },
  { name: "a switch in a loop", kernel: "accept 1095 53 34 13",
    text: `r6 = r1\nr7 = 0\nr8 = 0\na: r1 = *(u32 *)(r6 + 0)\nif r1 == 1 goto b\nif r1 == 2 goto c\nr8 = 3\ngoto d
      b: r8 = 1\ngoto d\nc: r8 = 2\nd: r7 += 1\nif r7 < 20 goto a\nr0 = 0\nif r8 == 7 goto x\nexit\nx: exit` },
];
