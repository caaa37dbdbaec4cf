/** Which rules hold when the kernel, the agent and the waypoint's process know different things; and what policy says of a connection. */
import { describe, expect, test } from "vitest";
import type { EndpointPolicy, Verdict } from "../../../mesh/policy/types.ts";
import { FlowRuleBook } from "../../../mesh/waypoint/flow-rules.ts";
import { redirects, rulesOf } from "../../../mesh/waypoint/flow-verdict.ts";
import type { FlowRules, FlowTuple } from "../../../mesh/waypoint/messages.ts";
import type { Origin } from "../../../mesh/waypoint/types.ts";
import { ANY } from "./rig.ts";

const TUPLE: FlowTuple = { endpoint: 7, direction: "ingress", remote: "10.0.0.1", port: 80 };
const origin = (l7: number): Origin => ({
  direction: "ingress",
  endpoint: 7,
  identity: 300,
  client: { address: "10.0.0.1", port: 40_000 },
  destination: { address: "10.0.0.2", port: 80 },
  l7,
  rule: 1,
});
const set = (number: number) => ({ number, dns: [], rules: [{ rule: number, http: ANY }] });

function makeBook() {
  const told: (readonly [string, FlowRules | null])[] = [];
  const book = new FlowRuleBook({
    opened: ({ remote }, rules) => told.push([remote, rules]),
    gone: ({ remote }) => told.push([remote, null]),
    broken: (number) => told.push(["broken", number]),
  });
  return { book, told };
}

describe("rules of connections", () => {
  test("what the kernel names holds, and connections of a kind share it", () => {
    const { book, told } = makeBook();
    book.setRules([set(1)], []);
    const first = book.open(origin(1));
    expect(first?.judge).not.toBe(null);
    expect(book.open(origin(1))).toBe(first);
    expect(told).toEqual([["10.0.0.1", 1]]);
  });

  test("rules that have not come are waited for", () => {
    const { book } = makeBook();
    expect(book.open(origin(1))).toBe(null);
    book.setRules([set(1)], []);
    expect(book.open(origin(1))?.judge).not.toBe(null);
  });

  test("a verdict applies to open connections; none ends them", () => {
    const { book } = makeBook();
    book.setRules([set(1), set(2)], []);
    const policy = book.open(origin(1));
    const before = policy?.judge;
    book.setVerdict(TUPLE, 2);
    expect(policy?.judge).not.toBe(before);
    book.setVerdict(TUPLE, "deny");
    expect(policy?.judge).toBe(null);
  });

  test("where the kernel names others, the agent is asked once, and its answer holds", () => {
    const { book, told } = makeBook();
    book.setRules([set(1), set(2)], []);
    const policy = book.open(origin(1));
    book.setVerdict(TUPLE, 2);
    const held = policy?.judge;
    expect([book.open(origin(1)), book.open(origin(1)), told.length]).toEqual([null, null, 2]);
    book.setVerdict(TUPLE, 2);
    expect(book.open(origin(1))?.judge).toBe(held);
    // The next doubt is another one.
    book.setVerdict(TUPLE, 2);
    expect(book.open(origin(1))).toBe(null);
  });

  test("rules that cannot be compiled deny", () => {
    const { book, told } = makeBook();
    book.setRules([{ number: 4, dns: [], rules: [{ rule: 1, http: { ...ANY, path: "(" } }] }], []);
    expect(book.open(origin(4))?.judge?.judge(null as never).allow).toBe(false);
    expect(told[0]).toEqual(["broken", 4]);
  });

  test("what has had no connection for a while is forgotten", () => {
    const { book, told } = makeBook();
    book.setRules([set(1)], []);
    book.open(origin(1));
    for (let i = 0; i < 4; i++) book.sweep();
    book.close(origin(1));
    for (let i = 0; i < 2; i++) book.sweep();
    expect(told).toEqual([
      ["10.0.0.1", 1],
      ["10.0.0.1", null],
    ]);
  });
});

const verdict = (action: Verdict["action"], l7 = 0): Verdict => ({ action, l7, rule: 1 });
const judgement = (
  plain: Verdict,
  ...ports: readonly (readonly [port: number, bits: number, protocol: number, Verdict])[]
) => ({
  verdict: plain,
  ports: { number: 1, entries: ports.map(([port, bits, protocol, verdict]) => ({ port, bits, protocol, verdict })) },
});
const POLICY: EndpointPolicy = {
  ingress: {
    otherwise: judgement(verdict("deny"), [80, 16, 17, verdict("redirect", 9)]),
    identities: new Map([
      [
        300,
        judgement(
          verdict("allow"),
          [80, 16, 6, verdict("redirect", 1)],
          [0, 0, 6, verdict("deny")],
          [8064, 9, 6, verdict("redirect", 2)],
        ),
      ],
    ]),
  },
  egress: { otherwise: judgement(verdict("allow")), identities: new Map() },
};

// prettier-ignore
const VERDICTS: readonly [string, "ingress" | "egress", number, number, FlowRules][] = [
  ["an exact port",                    "ingress", 300, 80,   1],
  ["a range",                          "ingress", 300, 8100, 2],
  ["beside the range: any port",       "ingress", 300, 8200, "deny"],
  ["an identity without an entry",     "ingress", 301, 80,   "deny"],
  ["the other direction",              "egress",  300, 80,   "allow"],
];

describe("what policy says of a connection", () => {
  test.each(VERDICTS)("%s", (_name, direction, identity, port, rules) => {
    expect(rulesOf(POLICY, direction, identity, port)).toBe(rules);
  });

  test("whether it needs the waypoint", () => {
    expect([redirects(POLICY.ingress), redirects(POLICY.egress)]).toEqual([true, false]);
  });
});
