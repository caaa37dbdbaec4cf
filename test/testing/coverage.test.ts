/**
 * Source coverage: what is found to be a condition or a function, what a program's runs cover, that copies of an inlined
 * function count as one, and that lcov and istanbul's reporters read what is written.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Coverage, loadProgram, packet, tcp, udp, ethernet, ipv4 } from "../../testing/index.ts";
import { mergeCoverage, summarise } from "../../testing/coverage/coverage.ts";
import type { FileCoverage } from "../../testing/coverage/coverage.ts";
import { toIstanbul } from "../../testing/coverage/istanbul.ts";
import { formatLcov } from "../../testing/coverage/lcov.ts";
import { maskText, readSyntax } from "../../testing/coverage/syntax.ts";

const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-coverage-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// ---- syntax

// The parts that are conditions stand between « and ».
const CONDITIONS: readonly string[] = [
  "if («a == b») c();",
  "while («f(x)») {}",
  "for (let i = 0;« i < n»; i++) {}",
  "do {} while («x»);",
  "const c =« a »? b : d;",
  "return «a »? b : d;",
  "f(«a »? b : c, 2);",
  "let ok =« a && b»;",
  "return «a || f(b, c)»;",
  "switch («x») { «case 1:» break; }",
  'call("if (a)", b); // if (c)',
  "/* a ? b : c */ x = y >= z;",
  "(ctx) => {« a && b»; }",
  "function f(a?: u32): u32 { return a; }",
  "if («(a && b) || c») d();",
];

test.each(CONDITIONS)("%s", (marked) => {
  const source = marked.replaceAll(/[«»]/g, "");
  const expected: boolean[] = [];
  let inside = false;
  for (const char of marked) {
    if (char === "«" || char === "»") inside = char === "«";
    else expected.push(inside);
  }
  const { conditions } = readSyntax(source);
  const found = [...source].map((_, i) => conditions.some(({ start, end }) => i >= start && i < end));
  const show = (flags: readonly boolean[]): string => [...source].map((char, i) => (flags[i] ? char : ".")).join("");
  expect(show(found)).toBe(show(expected));
});

test("functions by name and place", () => {
  const source = `
function one(a: u32): u32 {
  if (a) { return 1; }
  return 2;
}
export const two = xdp((ctx) => {
  return one(ctx.x);
});
class C {
  private v: u32;
  get three(): u32 { return this.v; }
}
`;
  const text = (start: number, end: number): string => source.slice(start, end).split("\n")[0] ?? "";
  expect(
    readSyntax(source).functions.map(({ name, declared, start, end }) => [
      name,
      text(declared, start),
      source.slice(end - 1, end),
    ]),
  ).toEqual([
    ["one", "function one(a: u32): u32 ", "}"],
    ["two", "const two = xdp((ctx) => ", "}"],
    ["three", "get three(): u32 ", "}"],
  ]);
});

test("masked text keeps its length and its lines", () => {
  const source = 'a // b\n"c\\"d" /* e\nf */ `g` h';
  expect(maskText(source)).toBe(`a     \n${" ".repeat(11)}\n${" ".repeat(9)}h`);
});

// ---- a program, run step by step

const PROGRAM = `import { Ipv4, IpProtocol, XdpAction, xdp } from "ebpf-ts/std";

function isWeb(port: u32): bool {
  return port == 80 || port == 443;
}
function weigh(n: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < n; i++) sum += i ^ 3;
  return sum;
}
export const p = xdp((ctx) => {
  const ip = ctx.at<Ipv4>(14);
  if (!ip) return XdpAction.Aborted;
  if (ip.protocol == IpProtocol.Tcp) {
    return isWeb(ip.id) ? XdpAction.Pass : XdpAction.Drop;
  }
  if (isWeb(ip.ttl)) return XdpAction.Tx;
  return weigh(<u32>ip.ttl & 7) > 9 ? XdpAction.Redirect : XdpAction.Drop;
});
`;
const file = join(folder, "p.ts");
writeFileSync(file, PROGRAM);

// prettier-ignore
const STEPS: readonly [what: string, bytes: Uint8Array, returns: number, missing: readonly string[]][] = [
  ["too short", packet(ethernet()), 0, ["3: isWeb never called", "6: weigh never called"]],
  ["TCP, port 80",   packet(ethernet(), ipv4({ id: 80 }), tcp()),  2, ["6: weigh never called"]],
  ["TCP, port 443",  packet(ethernet(), ipv4({ id: 443 }), tcp()), 2, ["6: weigh never called"]],
  ["TCP, port 1",    packet(ethernet(), ipv4({ id: 1 }), tcp()),   1, ["6: weigh never called"]],
  ["UDP, TTL 80",    packet(ethernet(), ipv4({ ttl: 80 }), udp()), 3, ["6: weigh never called"]],
  ["UDP, TTL 8",     packet(ethernet(), ipv4({ ttl: 8 }), udp()),  1, []],
  ["UDP, TTL 5",     packet(ethernet(), ipv4({ ttl: 5 }), udp()),  4, []],
];

test("runs cover what they execute, and nothing else", async () => {
  const coverage = new Coverage();
  const program = await loadProgram(file, { coverage });
  const text = (missing: readonly string[]): string[] => missing.map((line) => line.slice(file.length + 1));
  expect(coverage.summary().branches.hit).toBe(0);
  let before = 0;
  for (const [what, bytes, returns, missing] of STEPS) {
    expect(program.run(bytes).returnValue, what).toBe(returns);
    const summary = coverage.summary();
    expect(
      text(summary.missing).filter((line) => line.endsWith("called")),
      what,
    ).toEqual(missing);
    expect(summary.branches.hit, what).toBeGreaterThan(before);
    before = summary.branches.hit;
  }
  expect(coverage.summary()).toMatchObject({ missing: [], functions: { hit: 3, found: 3 } });
  // isWeb is in the object twice, its first condition is here once. The second is decided at build time where the port is
  // a byte, and stands at the place of the other call where it is not.
  const [report] = coverage.report();
  expect(report?.branches.map(({ line, column }) => `${line}:${column}`)).toEqual([
    ...["4:10", "8:24", "13:7", "14:7", "15:12", "18:10"],
  ]);
});

test("loading a program again counts on", async () => {
  const coverage = new Coverage();
  for (let i = 0; i < 3; i++) (await loadProgram(file, { coverage })).run(packet.tcp());
  expect(coverage.report().map(({ functions }) => functions.map(({ count }) => count))).toEqual([[3, 0, 3]]);
  coverage.reset();
  expect(coverage.report()).toEqual([]);
});

test("what another target does is not counted", async () => {
  const coverage = new Coverage();
  const program = await loadProgram(file, { coverage, engine: "jit" });
  program.run(packet.tcp());
  expect(coverage.report()).toEqual([]);
});

// ---- formats

const SAMPLE: FileCoverage = {
  path: "/a.ts",
  lines: new Map([
    [1, 3],
    [2, 0],
  ]),
  branches: [
    { line: 1, column: 5, relation: "equal", counts: [3, 0] },
    { line: 2, column: 1, relation: "above", counts: [0, 0] },
  ],
  functions: [{ name: "f", line: 1, endLine: 2, count: 3 }],
};

test("lcov", () => {
  expect(formatLcov([SAMPLE]).split("\n")).toEqual([
    ...["TN:", "SF:/a.ts", "FN:1,f", "FNDA:3,f", "FNF:1", "FNH:1"],
    ...["BRDA:1,0,0,3", "BRDA:1,0,1,0", "BRDA:2,1,0,-", "BRDA:2,1,1,-", "BRF:4", "BRH:1"],
    ...["DA:1,3", "DA:2,0", "LF:2", "LH:1", "end_of_record", ""],
  ]);
});

test("istanbul's summary of it is ours", async () => {
  // Of vitest's provider; it has no types of its own.
  const name = "istanbul-lib-coverage";
  const istanbul = (await import(name)) as {
    default: { createFileCoverage(file: unknown): { toSummary(): { toJSON(): unknown } } };
  };
  const { lines, branches, functions } = summarise([SAMPLE]);
  expect(istanbul.default.createFileCoverage(toIstanbul(SAMPLE)).toSummary().toJSON()).toMatchObject({
    lines: { total: lines.found, covered: lines.hit },
    branches: { total: branches.found, covered: branches.hit },
    functions: { total: functions.found, covered: functions.hit },
  });
});

test("coverage adds up", () => {
  const twice = mergeCoverage([SAMPLE], [SAMPLE, { ...SAMPLE, path: "/b.ts" }]);
  expect(twice).toEqual([
    {
      ...SAMPLE,
      lines: new Map([
        [1, 6],
        [2, 0],
      ]),
      branches: [
        { line: 1, column: 5, relation: "equal", counts: [6, 0] },
        { line: 2, column: 1, relation: "above", counts: [0, 0] },
      ],
      functions: [{ name: "f", line: 1, endLine: 2, count: 6 }],
    },
    { ...SAMPLE, path: "/b.ts" },
  ]);
});

describe("programs/examples", () => {
  test("each has a test", () => {
    const root = new URL("../../programs", import.meta.url).pathname;
    const programs = readdirSync(root, { recursive: true, encoding: "utf8" })
      // The mesh's programs need maps that an agent fills: test/mesh has them.
      .filter((name) => name.startsWith("examples/") && name.endsWith(".ts"))
      .map((name) => name.slice(0, -3));
    expect(programs.length).toBeGreaterThan(0);
    const tests = readdirSync(new URL("../programs", import.meta.url)).filter((name) => name.endsWith(".test.ts"));
    const described = tests
      .map((name) => readFileSync(new URL(`../programs/${name}`, import.meta.url), "utf8"))
      .join("\n");
    for (const name of programs) expect(described).toMatch(new RegExp(`describeProgram\\(\\s*"${name}"`));
  });
});
