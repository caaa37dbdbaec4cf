/** What stays in force while files are wrong. Each case is a sequence of files written, with what is known after each. */
import { describe, expect, test } from "vitest";
import { Inputs } from "../../../mesh/control/inputs.ts";
import { parseObjects } from "../../../mesh/objects/parse.ts";

const node = (name: string, address = "10.0.0.1"): string =>
  `{apiVersion: v1, kind: Node, metadata: {name: ${name}}, status: {addresses: [{type: InternalIP, address: ${address}}]}}`;
const docs = (...texts: string[]): string => texts.join("\n---\n");
const GONE = null;

interface Step {
  readonly file: string;
  /** Null: the file is removed. */
  readonly text: string | null;
  /** Nodes with their addresses. */
  readonly nodes: Readonly<Record<string, string>>;
  /** `code file:line`. */
  readonly problems?: readonly string[];
}

// prettier-ignore
const CASES: readonly [name: string, steps: readonly Step[]][] = [
  ["objects come, change and go", [
    { file: "a", text: node("n1"),                                    nodes: { n1: "10.0.0.1" } },
    { file: "b", text: docs(node("n2"), node("n3")),                  nodes: { n1: "10.0.0.1", n2: "10.0.0.1", n3: "10.0.0.1" } },
    { file: "b", text: docs(node("n2", "10.0.0.9")),                  nodes: { n1: "10.0.0.1", n2: "10.0.0.9" } },
    { file: "a", text: GONE,                                          nodes: { n2: "10.0.0.9" } },
  ]],
  ["a refused object stays as it was", [
    { file: "a", text: docs(node("n1"), node("n2")),                  nodes: { n1: "10.0.0.1", n2: "10.0.0.1" } },
    { file: "a", text: docs(node("n1", "10.0.0.2"), node("n2", "x")), nodes: { n1: "10.0.0.2", n2: "10.0.0.1" }, problems: ["Y012 a:3"] },
    { file: "a", text: docs(node("n2", "10.0.0.3")),                  nodes: { n2: "10.0.0.3" } },
  ]],
  ["what has no name yet is not there", [
    { file: "a", text: node("n1", "x"),                               nodes: {}, problems: ["Y012 a:1"] },
    { file: "a", text: node("n1"),                                    nodes: { n1: "10.0.0.1" } },
  ]],
  ["broken syntax takes nothing away", [
    { file: "a", text: docs(node("n1"), node("n2")),                  nodes: { n1: "10.0.0.1", n2: "10.0.0.1" } },
    { file: "a", text: docs(node("n1", "10.0.0.2"), "{"),             nodes: { n1: "10.0.0.2", n2: "10.0.0.1" }, problems: ["Y001 a:3"] },
    { file: "a", text: docs(node("n1", "10.0.0.2"), "{kind: Node}"),  nodes: { n1: "10.0.0.2", n2: "10.0.0.1" }, problems: ["Y005 a:3"] },
    { file: "a", text: GONE,                                          nodes: {} },
  ]],
  ["the first of two files has it", [
    { file: "b", text: node("n1", "10.0.0.1"),                        nodes: { n1: "10.0.0.1" } },
    { file: "a", text: node("n1", "10.0.0.2"),                        nodes: { n1: "10.0.0.1" }, problems: ["Y020 a:1"] },
    { file: "b", text: node("n1", "10.0.0.3"),                        nodes: { n1: "10.0.0.3" }, problems: ["Y020 a:1"] },
    { file: "b", text: GONE,                                          nodes: { n1: "10.0.0.2" } },
  ]],
  ["the next in order takes over", [
    { file: "b", text: node("n1", "10.0.0.1"),                        nodes: { n1: "10.0.0.1" } },
    { file: "d", text: node("n1", "10.0.0.2"),                        nodes: { n1: "10.0.0.1" }, problems: ["Y020 d:1"] },
    { file: "c", text: node("n1", "10.0.0.3"),                        nodes: { n1: "10.0.0.1" }, problems: ["Y020 d:1", "Y020 c:1"] },
    { file: "b", text: "",                                            nodes: { n1: "10.0.0.3" }, problems: ["Y020 d:1"] },
  ]],
  ["twice in one file", [
    { file: "a", text: docs(node("n1"), node("n1", "10.0.0.2")),      nodes: { n1: "10.0.0.1" }, problems: ["Y020 a:3"] },
  ]],
];

describe("inputs", () => {
  test.each(CASES)("%s", (_name, steps) => {
    const inputs = new Inputs();
    for (const { file, text, nodes, problems = [] } of steps) {
      if (text === null) inputs.remove(file);
      else inputs.update(file, parseObjects(text, file));
      const known = [...inputs.cluster.nodes.values()].map((n) => [n.name, n.addresses[0]]);
      expect(Object.fromEntries(known)).toEqual(nodes);
      const found = inputs.diagnostics.map(({ code, place }) =>
        place.kind === "source" ? `${code} ${place.file}:${place.line}` : code,
      );
      expect(found).toEqual(problems);
    }
  });

  test("what did not change is the same value", () => {
    const inputs = new Inputs();
    inputs.update("a", parseObjects(docs(node("n1"), node("n2")), "a"));
    const before = inputs.cluster;
    inputs.update("a", parseObjects(docs("# moved", node("n1"), node("n2")), "a"));
    expect(inputs.cluster).toBe(before);
    inputs.update("a", parseObjects(docs(node("n1", "10.0.0.7"), node("n2")), "a"));
    expect(inputs.cluster.nodes.get("n2")).toBe(before.nodes.get("n2"));
    expect(inputs.cluster.pods).toBe(before.pods);
    expect(before.nodes.get("n1")?.addresses).toEqual(["10.0.0.1"]);
  });

  test("a duplicate names both places", () => {
    const inputs = new Inputs();
    inputs.update("a", parseObjects(node("n1"), "a"));
    inputs.update("b", parseObjects(`# two\n${node("n1")}`, "b"));
    expect(inputs.diagnostics).toMatchObject([{ message: "Node n1 is defined already, at a:1", found: "a:1 and b:2" }]);
  });
});
