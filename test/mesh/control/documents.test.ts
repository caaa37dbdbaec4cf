/** The rules in force: ports as ranges that say what each port gets, against the longest-prefix rule itself. */
import { expect, test } from "vitest";
import { effectiveRules } from "../../../mesh/control/documents.ts";
import type { Judgement, PortEntry, Verdict } from "../../../mesh/policy/types.ts";
import { seededRandom } from "../policy/random.ts";

const verdict = (rule: number): Verdict => ({ action: "allow", rule, l7: 0 });
const DENY: Verdict = { action: "deny", rule: 0, l7: 0 };
const OPEN = {
  otherwise: { verdict: { ...DENY, action: "allow" }, ports: null },
  identities: new Map<number, Judgement>(),
} as const;

/** Texts of ports by rule number. */
function portsOf(entries: readonly PortEntry[], otherwise: Verdict = DENY): Map<number, readonly string[]> {
  const ingress = {
    otherwise: { verdict: DENY, ports: null },
    identities: new Map([[7, { verdict: otherwise, ports: { number: 1, entries } }]]),
  };
  const engine = {
    rule: (number: number) => ({
      number,
      object: { kind: "K", namespace: null, name: "n" },
      spec: 0,
      section: "ingress" as const,
      index: number,
      place: { file: "f", line: 1, column: 1, path: "" },
    }),
    httpRules: () => undefined,
    labelsOf: () => [],
  };
  const { rules } = effectiveRules({ ingress, egress: OPEN }, engine, null).ingress;
  return new Map(rules.map((r) => [Number(/\d+/.exec(r.rule?.at ?? "")?.[0]), r.ports]));
}

const entry = (protocol: number, port: number, bits: number, rule: number): PortEntry => ({
  protocol,
  port,
  bits,
  verdict: verdict(rule),
});

// prettier-ignore
const CASES: readonly [name: string, entries: PortEntry[], ports: Record<number, string[]>][] = [
  ["one",               [entry(6, 80, 16, 1)],                                                  { 1: ["80/TCP"] }],
  ["neighbours",        [entry(6, 80, 16, 1), entry(6, 82, 15, 1), entry(6, 81, 16, 1)],        { 1: ["80-83/TCP"] }],
  ["a hole",            [entry(6, 80, 15, 1), entry(6, 81, 16, 2)],                             { 1: ["80/TCP"], 2: ["81/TCP"] }],
  ["a hole in the middle", [entry(17, 0, 0, 1), entry(17, 53, 16, 2)],                          { 1: ["0-52/UDP", "54-65535/UDP"], 2: ["53/UDP"] }],
  ["three deep",        [entry(6, 64, 10, 1), entry(6, 80, 12, 2), entry(6, 95, 16, 3)],        { 1: ["64-79/TCP", "96-127/TCP"], 2: ["80-94/TCP"], 3: ["95/TCP"] }],
  ["any",               [entry(132, 0, 0, 1)],                                                  { 1: ["any/SCTP"] }],
  ["two protocols",     [entry(6, 53, 16, 1), entry(17, 53, 16, 1)],                            { 1: ["53/TCP", "53/UDP"] }],
  ["ICMP",              [entry(1, 0x8008, 16, 1), entry(58, 0x8080, 16, 1)],                    { 1: ["type 8/ICMP", "type 128/ICMPv6"] }],
];

test.each(CASES)("%s", (_name, entries, ports) => {
  expect(Object.fromEntries(portsOf(entries))).toEqual(ports);
});

test("random tables: each port has the verdict of its longest prefix", () => {
  const seed = Date.now() % 1_000_000;
  const random = seededRandom(seed);
  const wrong: string[] = [];
  for (let round = 0; round < 30; round++) {
    const entries = new Map<string, PortEntry>();
    for (let i = 0; i < 12; i++) {
      const bits = random.below(17);
      const port = random.below(65536) & ~(2 ** (16 - bits) - 1);
      entries.set(`${port}/${bits}`, entry(6, port, bits, 1 + random.below(3)));
    }
    const told = new Uint8Array(65536);
    for (const [rule, texts] of portsOf([...entries.values()])) {
      for (const text of texts) {
        const [first = "0", last = first] = (text === "any/TCP" ? "0-65535" : text.replace("/TCP", "")).split("-");
        told.fill(rule, Number(first), Number(last) + 1);
      }
    }
    for (let port = 0; port < 65536; port += 13) {
      const [longest] = [...entries.values()]
        .filter((e) => port >= e.port && port < e.port + 2 ** (16 - e.bits))
        .toSorted((x, y) => y.bits - x.bits);
      if (told[port] !== (longest?.verdict.rule ?? 0)) wrong.push(`round ${round}, port ${port}`);
    }
  }
  expect(wrong, `seed ${seed}`).toEqual([]);
});
