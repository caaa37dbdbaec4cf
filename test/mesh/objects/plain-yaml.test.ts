/**
 * The quick reader against the library: whatever it reads, the library reads the same, place by place; and it does read what
 * people write. The texts are documents of the mesh in several layouts, with damage.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { YamlNode } from "../../../mesh/objects/node.ts";
import { readPlainYaml } from "../../../mesh/objects/plain-yaml.ts";
import { readAnyYaml } from "../../../mesh/objects/yaml.ts";

/** More of them: YAML_RUNS=100000 npx vitest run ... */
const RUNS = Number(process.env["YAML_RUNS"] ?? 400);

/** Offsets, kinds and values; the source only of what could be a number. */
function show(node: YamlNode): unknown {
  if (node.kind === "scalar") return [node.offset, node.value, node.plain, node.plain ? node.source : null];
  if (node.kind === "list") return [node.offset, node.items.map(show)];
  return [node.offset, node.pairs.map(({ key, value }) => ({ key: show(key), value: show(value) }))];
}

/** False: the quick reader leaves the text to the library. */
function compareReaders(text: string): boolean {
  const quick = readPlainYaml(text);
  if (quick === null) return false;
  const [document, ...others] = readAnyYaml(text);
  expect({ text, others: others.length, problems: document?.problems }).toEqual({ text, others: 0, problems: [] });
  expect(document?.root === null || document === undefined ? null : show(document.root), text).toEqual(show(quick));
  return true;
}

// prettier-ignore
const READS: readonly [name: string, text: string][] = [
  ["block maps",                  "a: b\nc:\n  d: e\n  f: g\nh: i\n"],
  ["a list below its key",        "a:\n- b\n- c\nd: e\n"],
  ["a deeper list",               "a:\n  - b\n  -   c\nd: e\n"],
  ["maps in lists",               "- a: b\n  c: d\n-   e: f\n    g:\n    - h\n"],
  ["lists in lists",              "- - a\n  - b\n- - - c\n"],
  ["an item on the next line",    "-\n  a: b\n-\n  - c\n"],
  ["flow collections",            "a: {b: c, d: [e, f, {}], g: []}\nh: [ i , j ]\n"],
  ["flow over several lines",     "a: {\n  b: c,\n  d: [\n    e,\n    f\n    ],\n  g: h }\ni: j\n"],
  ["JSON",                        '{"a":{"b":1,"c":[true,null,"d\\n"]},"e":"f"}'],
  ["JSON on lines",               '{\n  "a": [\n    {\n      "b": "c"\n    }\n  ]\n}\n'],
  ["quotes",                      "a: 'it''s'\n\"b c\": \"d: e # f\"\n'g': \"\\u00e9\\\\\"\n"],
  ["comments",                    "# a\na: b # c\n  # d\nc: [d, # e\n  f] # g\n# h"],
  ["empty lines",                 "\n\na: b\n\n\nc:\n\n  d: e\n\n"],
  ["words of the core schema",    "a: true\nb: False\nc: null\nd: ~\ne: yes\nf: 12\ng: 0\n"],
  ["addresses and versions",      "a: 10.0.0.1\nb: 10.0.0.0/8\nc: v1\nd: fd00::1\n"],
  ["colons in words",             "k8s:app: a:b\nc: {any:d: e:f}\n"],
  ["spaces in words",             "a: b c  d   \ne: [f g, h i]\n"],
  ["a mark of the start",         "---\na: b\n"],
  ["a mark with a comment",       "--- # x\na: b\n"],
  ["no end of the last line",     "a: b"],
];

// prettier-ignore
const LEAVES: readonly [name: string, text: string][] = [
  ["nothing",                      ""],
  ["a scalar",                     "a\n"],
  ["anchors",                      "a: &b c\n"],
  ["aliases",                      "a: *b\n"],
  ["tags",                         "a: !!str 1\n"],
  ["merge keys",                   "<<: {a: b}\n"],
  ["block scalars",                "a: |\n  b\n"],
  ["folded scalars",               "a: >-\n  b\n"],
  ["words over several lines",     "a: b\n  c\n"],
  ["quotes over several lines",    "a: 'b\n  c'\n"],
  ["words over lines in flow",     "a: [b\n  c]\n"],
  ["values left out",              "a:\nb: c\n"],
  ["items left out",               "-\n- a\n"],
  ["values left out in flow",      "{a, b: c}\n"],
  ["a pair in a list",             "[a: b]\n"],
  ["a comma at the end",           "[a, ]\n"],
  ["two commas",                   "[a,, b]\n"],
  ["keys given twice",             "a: b\na: c\n"],
  ["keys that are numbers",        "1: a\n"],
  ["keys with a question",         "? a\n: b\n"],
  ["keys that are collections",    "[a]: b\n"],
  ["numbers in other notations",   "a: 0x1\n"],
  ["fractions",                    "a: 1.5\n"],
  ["leading zeros",                "a: 010\n"],
  ["very long numbers",            "a: 12345678901234567890\n"],
  ["negative numbers",             "a: -1\n"],
  ["infinity",                     "a: .inf\n"],
  ["tabs",                         "a:\tb\n"],
  ["line ends of Windows",         "a: b\r\n"],
  ["a second document",            "a: b\n---\nc: d\n"],
  ["an end of the document",       "a: b\n...\n"],
  ["a mark with content",          "--- a: b\n"],
  ["directives",                   "%YAML 1.2\n---\na: b\n"],
  ["a wrong column",               "a:\n    b: c\n  d: e\n"],
  ["a deeper key after a value",   "a: b\n  c: d\n"],
  ["a colon in a value",           "a: b: c\n"],
  ["a comment without a space",    "a: 'b'#c\n"],
  ["an unclosed list",             "a: [b\n"],
  ["a closing bracket too far left", "a:\n  b: [c\n]\n"],
  ["something after a quote",      "a: 'b' c\n"],
  ["something after a list",       "a: [b] c\n"],
  ["escapes that JSON has not",    'a: "\\x41"\n'],
  ["an unknown escape",            'a: "\\q"\n'],
  ["a mark of byte order",         "\ufeffa: b\n"],
  ["deep nesting",                 `a: ${"[".repeat(100)}${"]".repeat(100)}\n`],
];

describe("the quick reader", () => {
  test.each(READS)("reads %s", (_name, text) => {
    expect(compareReaders(text)).toBe(true);
  });

  test.each(LEAVES)("leaves %s", (_name, text) => {
    expect(readPlainYaml(text)).toBe(null);
  });
});

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const word = fc.constantFrom(
  "a",
  "b1",
  "app.io/x",
  "k8s:app",
  "10.0.0.1",
  "10.0.0.0/8",
  "x y",
  "true",
  "it's",
  'q"q',
  "- d",
  "#h",
  "e: f",
  "",
  "1",
  "null",
  "~",
  "é",
);
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(word, fc.nat(99_999), fc.boolean(), fc.constant(null)),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(word, tie("value"), { maxKeys: 4 }),
  ),
})).value;

/** Choices of layout, one after the other. */
class Layout {
  private next = 0;
  private readonly choices: readonly number[];
  constructor(choices: readonly number[]) {
    this.choices = choices;
  }
  pick(most: number): number {
    return (this.choices[this.next++ % this.choices.length] ?? 0) % most;
  }
}

const isSafe = (text: string): boolean => /^[a-z][\w./:]*$/.test(text) && !/^(true|null)$/.test(text);

function write(value: Json, indent: number, layout: Layout, flow: boolean): string {
  const pad = " ".repeat(indent);
  const quote = (text: string): string => {
    if (isSafe(text) && layout.pick(4) > 0) return text;
    return layout.pick(2) === 0 ? JSON.stringify(text) : `'${text.replaceAll("'", "''")}'`;
  };
  const gap = (): string => (layout.pick(6) === 0 ? `\n${pad}  ` : " ".repeat(layout.pick(3)));
  const end = (): string => ["", "", "  ", " # note", "\n", `\n${pad}# note`][layout.pick(6)]!;
  if (typeof value === "string") return quote(value);
  if (value === null || typeof value !== "object") return String(value);
  const entries = Array.isArray(value)
    ? (value as readonly Json[]).map((v) => [null, v] as const)
    : Object.entries(value as Record<string, Json>);
  if (flow || entries.length === 0 || layout.pick(4) === 0) {
    const inner = entries.map(
      ([k, v]) => `${gap()}${k === null ? "" : `${quote(k)}: `}${write(v, indent + 2, layout, true)}${gap()}`,
    );
    return Array.isArray(value) ? `[${inner.join(",")}]` : `{${inner.join(",")}}`;
  }
  const step = 1 + layout.pick(3);
  const lines = entries.map(([k, v]) => {
    const block = typeof v === "object" && v !== null;
    if (k === null) {
      const below = write(v, indent + 1 + step, layout, false);
      return `${pad}-${" ".repeat(step)}${below.trimStart()}${end()}`;
    }
    const below = write(v, indent + (Array.isArray(v) ? layout.pick(2) * step : step), layout, false);
    return `${pad}${quote(k)}:${block && /^ *[^ [{]/.test(below) && below.includes("\n") ? `${end()}\n${below}` : ` ${below.trimStart()}${end()}`}`;
  });
  return lines.join("\n");
}

const layouts = fc.array(fc.nat(60), { minLength: 1, maxLength: 40 }).map((choices) => () => new Layout(choices));
const damage = fc.record({
  at: fc.nat(500),
  remove: fc.nat(3),
  insert: fc.constantFrom("", "", ..." \n-:#,[]{}'\"&*|?x1\\", "\n  ", ": ", " #", "- ", "---\n", "...\n"),
});

describe("against the library", () => {
  test("random documents in random layouts", () => {
    let read = 0;
    fc.assert(
      fc.property(json, layouts, (value, layout) => {
        if (compareReaders(`${write(value, 0, layout(), false)}\n`)) read++;
      }),
      { seed: 81 + RUNS, numRuns: RUNS },
    );
    expect(read).toBeGreaterThan(RUNS / 4);
  });

  test("with damage", () => {
    let read = 0;
    fc.assert(
      fc.property(json, layouts, fc.array(damage, { minLength: 1, maxLength: 3 }), (value, layout, damages) => {
        const good = write({ spec: value, x: [value] }, 0, layout(), false);
        const text = damages.reduce((t, { at, remove, insert }) => {
          const where = at % (t.length + 1);
          return t.slice(0, where) + insert + t.slice(where + remove);
        }, good);
        if (compareReaders(text)) read++;
      }),
      { seed: 82 + RUNS, numRuns: RUNS },
    );
    expect(read).toBeGreaterThan(RUNS / 20);
  });

  test("random characters of YAML", () => {
    const text = fc.string({ unit: fc.constantFrom(..."ab1 \n\n  -:,[]{}#'\""), maxLength: 24 });
    fc.assert(
      fc.property(text, (t) => void compareReaders(t)),
      { seed: 83 + RUNS, numRuns: 4 * RUNS },
    );
  });
});
