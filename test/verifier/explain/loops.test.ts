/** Loops that do not end, or not soon enough: the line of the loop that the author has to look at. */
import { expect, test } from "vitest";
import { add32, call, exit, ja, jmp32, label, link, mov32, mov64, r0, r6, r7 } from "../../../lib/asm/index.ts";
import type { ObjectSpec } from "../../../lib/object/index.ts";
import { longestLoop } from "../../../lib/verifier/explain/loops.ts";
import { lineAt } from "../../../lib/verifier/explain/subject.ts";
import { requestOf, subjectOfProgram, verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { line, object, program, T } from "../../kernel/specs.ts";

type Body = Parameters<typeof program>[2];

const OUTER = "for (let x: u32 = 0; x < 6; x++) {";
const INNER = "for (let y: u32 = 0; y < 6; y++) {";

/** Two loops, one in the other, each with its test below its body. */
function nested({ outer = 6, inner = 6, step = 1 }): Body {
  return [
    line(1, OUTER),
    mov32(r6, 0),
    ja("outer"),
    line(2, INNER),
    label("round"),
    mov32(r7, 0),
    ja("inner"),
    line(3, "cells += random() & 1;"),
    label("body"),
    call("get_prandom_u32"),
    line(2, INNER),
    add32(r7, step),
    label("inner"),
    jmp32("lt", r7, inner, "body"),
    line(1, OUTER),
    add32(r6, 1),
    label("outer"),
    jmp32("lt", r6, outer, "round"),
    line(6, "return XdpAction.Pass;"),
    mov64(r0, 2),
    exit(),
  ];
}

/** The outer loop's condition is always true and gone: both loops start at the inner one's test. */
const ONE_HEADER: Body = [
  line(2, INNER),
  label("round"),
  mov32(r7, 0),
  label("inner"),
  jmp32("ge", r7, 6, "out"),
  line(3, "cells += random() & 1;"),
  call("get_prandom_u32"),
  line(2, INNER),
  add32(r7, 1),
  ja("inner"),
  line(1, "for (let x: u32 = 0; x < 6; ) {"),
  label("out"),
  mov32(r7, 0),
  ja("inner"),
];

/** Each round leaves a branch to be walked later. */
const WAITING: Body = [
  line(1, "while (dice() != 8) {"),
  label("round"),
  call("get_prandom_u32"),
  line(2, "if (dice() == 7) break;"),
  jmp32("eq", r0, 7, "out"),
  line(3, "n += 1;"),
  add32(r6, 1),
  line(1, "while (dice() != 8) {"),
  ja("round"),
  line(5, "return XdpAction.Pass;"),
  label("out"),
  mov64(r0, 2),
  exit(),
];

/** The head of the loop is gone, and its line with it. */
const NO_HEAD: Body = [
  line(4, "while (true) {"),
  mov32(r6, 0),
  line(5, "if (random() == 5) found = 1;"),
  label("round"),
  call("get_prandom_u32"),
  jmp32("eq", r0, 5, "round"),
  ja("round"),
];

const kernel = profileOf("6.18") as KernelProfile;
const specOf = (body: Body): ObjectSpec => object([program("p", "xdp", body, T.func)]);

// prettier-ignore
test.each<readonly [string, Body, string, number]>([
  ["an inner loop that does not count",     nested({ step: 0 }),           "R015", 2],
  ["an outer loop whose condition is gone", ONE_HEADER,                    "R015", 1],
  ["a loop without a line of its own",      NO_HEAD,                       "R015", 4],
  ["a loop with a way out of each round",   [mov32(r6, 0), ...WAITING],    "R017", 1],
])("endless: %s", (_, body, code, at) => {
  const { error } = verify(requestOf(specOf(body), "p"), { kernel });
  expect(error).toMatchObject({ code, at: { kind: "source", line: at } });
});

// prettier-ignore
test.each<readonly [string, Body, number]>([
  ["the outer one", nested({ outer: 50 }), 1],
  ["the inner one", nested({ inner: 50 }), 2],
])("most rounds: %s", (_, body, at) => {
  const { statistics, verdict } = verify(requestOf(specOf(body), "p"), { kernel });
  expect(verdict).toBe("accept");
  expect(lineOfLongest(body, statistics.visits)).toBe(at);
});

test("most rounds: the inner one, though most paths leave it and try the outer one's test", () => {
  // by slot: round 2, body 4, inner 6, outer 8
  const visits = Uint32Array.of(1, 1, 6, 6, 99_995, 99_995, 100_001, 100_000, 100_001, 5, 5);
  expect(lineOfLongest(nested({}), visits)).toBe(2);
});

function lineOfLongest(body: Body, visits: Uint32Array): number | undefined {
  const subject = subjectOfProgram(link(specOf(body), "p"));
  return lineAt(subject.lines, longestLoop(subject, visits) ?? -1)?.line;
}
