// lib/graph: graphs written as "a>b a>c", with order, dominators and loops beside them; random graphs against the
// definitions.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DominatorTree, findLoops, reversePostorder } from "../../lib/graph/index.ts";

function graph(text: string): { entry: string; successors: (n: string) => string[] } {
  const edges = text.split(" ").map((e) => e.split(">") as [string, string?]);
  return {
    entry: (edges[0] as [string])[0],
    successors: (n) => edges.flatMap(([from, to]) => (from === n && to !== undefined ? [to] : [])),
  };
}

// prettier-ignore
const GRAPHS: readonly [name: string, edges: string, order: string, idoms: string, loops: string][] = [
  ["one node",            "a",                               "a",       "",                        ""],
  ["diamond",             "a>b a>c b>d c>d",                 "a b c d", "b:a c:a d:a",             ""],
  ["unreachable node",    "a>b x>b",                         "a b",     "b:a",                     ""],
  ["self loop",           "a>b b>b b>c",                     "a b c",   "b:a c:b",                 "b{b}1"],
  ["loop with two ends",  "a>h h>b h>x b>h b>c c>h",         "a h b c x", "h:a b:h c:b x:h",       "h{b c h}1"],
  ["nested loops",        "a>o o>i i>i2 i2>i i>l l>o o>x",   "a o i i2 l x", "o:a i:o i2:i l:i x:o", "o{i i2 l o}1 i{i i2}2"],
  ["two loops in a row",  "a>b b>b b>c c>c c>d",             "a b c d", "b:a c:b d:c",             "b{b}1 c{c}1"],
  ["irreducible",         "a>b a>c b>c c>b c>d",             "a c b d", "c:a b:a d:c",             ""],
];

describe("graphs", () => {
  test.each(GRAPHS)("%s", (_, text, order, idoms, loops) => {
    const { entry, successors } = graph(text);
    const tree = new DominatorTree(entry, successors);
    expect(reversePostorder(entry, successors).join(" ")).toBe(order);
    expect(tree.order.join(" ")).toBe(order);
    expect(
      tree.order
        .slice(1)
        .map((n) => `${n}:${tree.immediate(n)}`)
        .join(" "),
    ).toBe(idoms);
    const found = findLoops(tree, successors);
    expect(found.map((l) => `${l.header}{${[...l.body].sort().join(" ")}}${l.depth}`).join(" ")).toBe(loops);
  });

  test("the tree of a diamond", () => {
    const { entry, successors } = graph("a>b a>c b>d c>d");
    expect([...new DominatorTree(entry, successors).children()]).toEqual([
      ["a", ["b", "c", "d"]],
      ["b", []],
      ["c", []],
      ["d", []],
    ]);
  });

  test("no entry, no nodes", () => {
    expect(new DominatorTree<string>(undefined, () => []).order).toEqual([]);
  });

  test("a graph deeper than the call stack", () => {
    const chain = (n: number): number[] => (n < 200_000 ? [n + 1] : []);
    expect(new DominatorTree(0, chain).order.length).toBe(200_001);
  });
});

const anyGraph = fc
  .integer({ min: 1, max: 9 })
  .chain((n) => fc.array(fc.array(fc.nat(n - 1), { maxLength: 3 }), { minLength: n, maxLength: n }));

/** Nodes that can be reached from `from` without entering `without`. */
function reach(edges: readonly number[][], from: number, without: number | null): Set<number> {
  const seen = new Set<number>();
  const work = from === without ? [] : [from];
  for (let n = work.pop(); n !== undefined; n = work.pop()) {
    if (seen.has(n)) continue;
    seen.add(n);
    work.push(...(edges[n] ?? []).filter((m) => m !== without));
  }
  return seen;
}

test("random graphs: a dominates b when b cannot be reached without a; the immediate one is the nearest", () => {
  fc.assert(
    fc.property(anyGraph, (edges) => {
      const tree = new DominatorTree(0, (n) => edges[n] ?? []);
      const reachable = reach(edges, 0, null);
      expect(new Set(tree.order)).toEqual(reachable);
      for (const b of reachable) {
        const strict = [...reachable].filter((a) => a !== b && !reach(edges, 0, a).has(b));
        for (const a of reachable) expect(tree.dominates(a, b)).toBe(a === b || strict.includes(a));
        const nearest = strict.find((a) => strict.every((other) => tree.dominates(other, a)));
        expect(tree.immediate(b)).toBe(nearest ?? null);
      }
    }),
    { numRuns: 300 },
  );
});

test("random graphs: a loop is entered through its header only, and every node of it reaches the header inside", () => {
  fc.assert(
    fc.property(anyGraph, (edges) => {
      const tree = new DominatorTree(0, (n) => edges[n] ?? []);
      const loops = findLoops(tree, (n) => edges[n] ?? []);
      for (const { header, body, latches, parent, depth } of loops) {
        for (const n of tree.order) {
          for (const m of edges[n] ?? []) if (body.has(m) && !body.has(n)) expect(m).toBe(header);
        }
        for (const n of body) {
          const inside = edges.map((out, i) => (body.has(i) ? out.filter((m) => body.has(m)) : []));
          expect(inside[n]?.some((m) => reach(inside, m, null).has(header))).toBe(true);
        }
        for (const latch of latches) expect(edges[latch]).toContain(header);
        expect(depth).toBe((parent?.depth ?? 0) + 1);
        if (parent !== null) for (const n of body) expect(parent.body.has(n)).toBe(true);
      }
      const backEdges = tree.order.filter((n) => tree.order.some((p) => edges[p]?.includes(n) && tree.dominates(n, p)));
      expect(loops.map((l) => l.header)).toEqual(backEdges);
    }),
    { numRuns: 300 },
  );
});
