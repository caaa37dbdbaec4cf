/** Which requests HTTP rules admit: patterns against re2js itself, rules as a table, and the time of hostile patterns. */
import { RE2JS } from "re2js";
import { describe, expect, test } from "vitest";
import type { HttpRule } from "../../../mesh/objects/types.ts";
import { compileHttpRules } from "../../../mesh/policy/http-match.ts";
import { checkPattern, Pattern, PATTERN_BUDGET } from "../../../mesh/policy/pattern.ts";
import { seededRandom } from "./random.ts";

const rule = (fields: Partial<HttpRule>): HttpRule => ({
  method: null,
  path: null,
  host: null,
  headers: [],
  ...fields,
});
const header = (name: string, value: string | null, mismatch: HttpRule["headers"][number]["mismatch"] = null) => ({
  name,
  value,
  mismatch,
});

function admits(
  rules: readonly HttpRule[],
  line: string,
  headers: readonly [string, string][] = [],
  host = "be",
): number | null {
  const [method, path] = line.split(" ") as [string, string];
  const set = compileHttpRules({ rules: rules.map((http, index) => ({ rule: index + 1, http })) });
  return set.match({ method, path, host, headers })?.rule ?? null;
}

// prettier-ignore
const REQUESTS: readonly [rules: readonly HttpRule[], line: string, rule: number | null][] = [
  [[rule({ method: "GET", path: "/public/.*" })],                    "GET /public/x",        1],
  [[rule({ method: "GET", path: "/public/.*" })],                    "POST /public/x",       null],
  [[rule({ method: "GET", path: "/public/.*" })],                    "GET /public/x?a=/b",   1],
  [[rule({ path: "/public" })],                                      "GET /public/",         null],
  [[rule({ path: "/public" })],                                      "GET /public?x=1",      null],
  [[rule({ path: "/public" })],                                      "GET /v1/public",       null],
  [[rule({ path: "/path$" })],                                       "GET /path",            1],
  [[rule({ path: "^/path" })],                                       "GET /path",            1],
  [[rule({ path: "/a|/b" })],                                        "GET /b",               1],
  [[rule({ path: "/a|/b" })],                                        "GET /ab",              null],
  [[rule({ method: "G.T" })],                                        "GET /",                1],
  [[rule({ method: "GET" })],                                        "get /",                null],
  [[rule({ method: "(?i)get" })],                                    "GET /",                1],
  [[rule({ method: "GET|PUT" }), rule({ path: "/x" })],              "POST /x",              2],
  [[rule({})],                                                       "DELETE /",             1],
  [[rule({ path: "/[0-9]{3}" })],                                    "GET /123",             1],
  [[rule({ path: "/[0-9]{3}" })],                                    "GET /1234",            null],
  [[rule({ path: "/\\bab\\b.*" })],                                  "GET /ab-c",            1],
  [[rule({ path: "/\\bab\\b.*" })],                                  "GET /abc",             null],
  [[],                                                               "GET /",                null],
];

// prettier-ignore
const HEADERS: readonly [asked: HttpRule["headers"], sent: readonly [string, string][], admitted: boolean][] = [
  [[header("x-t", "1")],                       [["X-T", "1"]],              true],
  [[header("x-t", "1")],                       [["X-T", "2"]],              false],
  [[header("x-t", "1")],                       [],                          false],
  [[header("x-t", "1")],                       [["x-t", "1"], ["X-T", "2"]], false],
  [[header("x-t", null)],                      [["x-t", ""]],               true],
  [[header("x-t", null)],                      [["x-u", ""]],               false],
  [[header("x-t", "1"), header("x-u", null)],  [["x-t", "1"]],              false],
  [[header("x-t", "1", "LOG")],                [],                          true],
  [[header("x-t", "1", "ADD")],                [],                          true],
  [[header("x-t", "1", "DELETE")],             [["x-t", "2"]],              true],
  [[header("x-t", "1", "REPLACE"), header("x-u", "1")], [["x-t", "2"]],     false],
];

describe("HTTP rules", () => {
  test.each(REQUESTS)("%j: %s by rule %s", (rules, line, expected) => {
    expect(admits(rules, line)).toBe(expected);
  });

  test.each(HEADERS)("headers %j: %j passes: %s", (headers, sent, admitted) => {
    expect(admits([rule({ headers })], "GET /", sent)).toBe(admitted ? 1 : null);
  });

  test("the host is matched with its port", () => {
    expect(admits([rule({ host: "be" })], "GET /", [], "be:8080")).toBe(null);
    expect(admits([rule({ host: "be(:[0-9]+)?" })], "GET /", [], "be:8080")).toBe(1);
  });

  test("mismatch actions tell what to change", () => {
    const headers = [
      header("x-a", "1", "ADD"),
      header("x-b", "2", "DELETE"),
      header("x-c", "3", "REPLACE"),
      header("x-d", null, "LOG"),
    ];
    const set = compileHttpRules({ rules: [{ rule: 7, http: rule({ headers }) }] });
    const sent = [
      ["x-b", "9"],
      ["x-c", "3"],
    ] as const;
    expect(set.match({ method: "GET", path: "/", host: "be", headers: sent })).toEqual({
      rule: 7,
      edits: [
        { action: "ADD", name: "x-a", value: "1" },
        { action: "DELETE", name: "x-b", value: null },
        { action: "LOG", name: "x-d", value: null },
      ],
    });
  });
});

describe("patterns", () => {
  // prettier-ignore
  const PIECES = ["a", "b", "/", ".", ".*", "a*", "b+", "a?", "[ab]", "[^a]", "(?:ab|a)", "(a|b|/)*", "\\d", "\\w+", "(?i:A)", "^", "$", "\\b", "\\B", "a{2}", "b{1,3}", "(?s:.)", "\\z", "|", "(?:a*)*", "K", "(?i:k)", "\\.", "[[:alpha:]]"];

  test("agree with re2js on random patterns and texts", () => {
    const random = seededRandom(20261126);
    let matched = 0;
    for (let round = 0; round < 4000; round++) {
      const pattern = Array.from({ length: 1 + random.below(6) }, () => random.pick(PIECES)).join("");
      const error = checkPattern(pattern);
      if (error !== null) continue;
      const ours = new Pattern(pattern);
      const theirs = RE2JS.compile(pattern);
      for (let text = 0; text < 6; text++) {
        const input = Array.from({ length: random.below(7) }, () =>
          random.pick(["a", "b", "/", "A", "1", "k", ".", "-", "\n"]),
        ).join("");
        const expected = theirs.matcher(input).matches();
        matched += Number(expected);
        expect(
          ours.matches(input, { left: PATTERN_BUDGET }),
          `${JSON.stringify(pattern)} on ${JSON.stringify(input)}`,
        ).toBe(expected);
      }
    }
    expect(matched).toBeGreaterThan(1000);
  });

  // prettier-ignore
  const REFUSED = [["(", "parsing"], ["a**", "repetition"], ["(?<=a)b", "capture"], ["(?=a)", "Perl"], ["\\1", "escape"], ["[b-a]", "range"], ["a{1001}", "repeat"], ["a{1000}".repeat(20), "large"], [".".repeat(20_000), "large"]] as const;
  test.each(REFUSED.map(([pattern, says]) => [pattern.slice(0, 20), says, pattern] as const))(
    "%s is refused: %s",
    (_, says, pattern) => {
      expect(checkPattern(pattern)).toContain(says);
    },
  );

  const hostile: readonly [name: string, pattern: string][] = [
    ["nested stars", "(?:a*)*".repeat(1000)],
    ["optional letters", `/(?:${"a?".repeat(4000)})b`],
    ["a state for every subset", "/(?:.*a.{900})?"],
    ["three of them", "(?:.*a.{500}|.*b.{480}|.*c.{333})"],
    ["classes", `/(?:${"[ab]?".repeat(3000)})c`],
    ["64 KB of plain text", `/${"a".repeat(65_535)}`],
    ["stars in a row", ".*".repeat(4000)],
  ];
  const path = `/${Array.from({ length: 65_535 }, (_, i) => "ab"[(Math.imul(i, 2_654_435_761) >>> 17) & 1]).join("")}`;

  test.each(hostile)("%s: 64 KB of path are bounded", (_, pattern) => {
    const matcher = compileHttpRules({ rules: [{ rule: 1, http: rule({ path: pattern }) }] });
    const spent = Array.from({ length: 7 }, () => {
      const start = process.cpuUsage();
      matcher.match({ method: "GET", path, host: "", headers: [] });
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    });
    // The middle one: the first compile, and the machine has other work.
    expect(spent.toSorted((a, b) => a - b)[3]).toBeLessThan(20);
  });
});
