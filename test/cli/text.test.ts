/** What the command prints: tables, JSON, the demo's story, names of verdicts. */
import { describe, expect, test } from "vitest";
import { createStory } from "../../cli/demo/story.ts";
import { environmentError } from "../../cli/diagnostics.ts";
import { EXIT } from "../../cli/exit.ts";
import { createOutput, reportError, toJson } from "../../cli/output.ts";
import type { Output } from "../../cli/output.ts";
import { formatTable } from "../../cli/table.ts";
import { verdictOf } from "../../lib/kernel/index.ts";
import { DiagnosticError } from "../../lib/diag/index.ts";

interface Captured {
  readonly out: Output;
  readonly stdout: string[];
  readonly stderr: string[];
}

function capture(json: boolean): Captured {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const out = createOutput({ stdout: (t) => void stdout.push(t), stderr: (t) => void stderr.push(t) }, json);
  return { out, stdout, stderr };
}

describe("tables", () => {
  test("columns are as wide as needed, numbers to the right, no trailing blanks", () => {
    expect(
      formatTable(
        ["name", "n", "what"],
        [
          ["a", 5, "é"],
          ["long", 1234n, ""],
        ],
      ),
    ).toBe(["name     n  what", "a        5  é", "long  1234"].join("\n"));
  });
  test("escape sequences have no width", () => {
    expect(formatTable(["a", "b"], [["\u001b[31mred\u001b[0m", "x"]]).split("\n")[0]).toBe("a    b");
  });
});

describe("output", () => {
  test("text goes to standard output, with --json to standard error", () => {
    const text = capture(false);
    text.out.say("hello");
    text.out.emit({ a: 1 });
    expect([text.stdout, text.stderr]).toEqual([["hello\n"], []]);
    const json = capture(true);
    json.out.say("hello");
    json.out.emit({ a: 1 });
    expect([json.stdout, json.stderr]).toEqual([['{"a":1}\n'], ["hello\n"]]);
  });

  // prettier-ignore
  const VALUES: readonly [value: unknown, json: string][] = [
    [5n,                                "5"],
    [0xffff_ffff_ffff_ffffn,            '"18446744073709551615"'],
    [{ b: Uint8Array.of(1, 0xab) },     '{"b":"01ab"}'],
    [new Map([["k", [1n]]]),            '{"k":[1]}'],
  ];
  test.each(VALUES)("%o as JSON", (value, json) => expect(toJson(value)).toBe(json));

  const diagnostic = { code: "C005", severity: "error", message: "no floats", place: { kind: "none" } } as const;
  // prettier-ignore
  const ERRORS: readonly [name: string, error: unknown, code: number, says: string][] = [
    ["the input",           new DiagnosticError([diagnostic]),                             EXIT.input,       "error C005: no floats"],
    ["the machine",         environmentError("M007", "no ip"),                            EXIT.environment, "error M007: no ip"],
    ["the kernel's no",     Object.assign(new DiagnosticError([{ ...diagnostic, code: "L002" }]), { errnoName: "EPERM" }), EXIT.environment, "L002"],
    ["a bad argument",      Object.assign(new DiagnosticError([{ ...diagnostic, code: "L002" }]), { errnoName: "EINVAL" }), EXIT.input, "L002"],
    ["a fault of ours",     new TypeError("x is undefined"),                               EXIT.input,       "internal error: x is undefined"],
  ];
  test.each(ERRORS)("%s: exit code and words, no stack trace", (_name, error, code, says) => {
    const { out, stdout, stderr } = capture(true);
    expect(reportError(out, error)).toBe(code);
    expect(stderr.join("")).toContain(says);
    expect(stderr.join("")).not.toMatch(/^\s+at /m);
    expect(JSON.parse(stdout.join(""))).toMatchObject({ ok: false, diagnostics: [{ severity: "error" }] });
  });
});

describe("the demo's story", () => {
  test("steps with times, then the table", async () => {
    const { out, stdout } = capture(false);
    let clock = 0;
    const story = createStory(out, () => (clock += 50));
    expect(
      await story.step(
        "compile",
        () => 42,
        (n) => `${n} instructions`,
      ),
    ).toBe(42);
    expect(story.check("frontend to backend:80", "allowed", "allowed")).toBe(true);
    story.show("counters", [{ verdict: "XDP_PASS", packets: 12n }]);
    expect(story.finish("kernel")).toBe(true);
    expect(stdout.join("")).toMatchInlineSnapshot(`
      "compile                                          50 ms  42 instructions

      traffic                 expected  observed
      frontend to backend:80  allowed   allowed   ok

      counters
      verdict   packets
      XDP_PASS       12

      all 1 as expected, on the kernel, in 150 ms
      "
    `);
  });

  test("a mismatch, or no check at all, is a failure", () => {
    const { out, stdout } = capture(true);
    const story = createStory(out);
    story.check("other to backend:80", "dropped", "allowed");
    expect(story.finish("simulator")).toBe(false);
    expect(JSON.parse(stdout.join(""))).toMatchObject({ ok: false, mode: "simulator", checks: [{ ok: false }] });
    expect(createStory(capture(false).out).finish("kernel")).toBe(false);
  });
});

describe("verdicts", () => {
  // prettier-ignore
  const VERDICTS = [
    ["xdp",              "xdp",                    1n,             "XDP_DROP"],
    ["xdp",              "xdp",                    9n,             null],
    ["sched_cls",        "tcx_ingress",            0xffff_ffffn,   "TCX_NEXT"],
    ["sched_cls",        null,                     0xffff_ffffn,   "TC_ACT_UNSPEC"],
    ["sched_cls",        "tcx_egress",             2n,             "TCX_DROP"],
    ["sched_cls",        null,                     2n,             "TC_ACT_SHOT"],
    ["cgroup_sock_addr", "cgroup_inet4_connect",   0n,             "deny"],
    ["sk_msg",           "sk_msg_verdict",         1n,             "SK_PASS"],
    ["tracing",          "trace_iter",             0n,             null],
  ] as const;
  test.each(VERDICTS)("%s at %s: %s is %s", (type, attach, value, name) =>
    expect(verdictOf(type, attach, value)?.name ?? null).toBe(name),
  );
});
