// What the agent says about names: who may ask, for how long addresses are open, how many there are, which names a pattern means.
import { describe, expect, test } from "vitest";
import { MAX_TTL, MIN_TTL, NameAuthority } from "../../../mesh/agent/names.ts";
import { answerDns } from "../../../mesh/dns/messages.ts";
import { compileDnsRule, DnsCache, KEPT, MAX_ADDRESSES } from "../../../mesh/policy/dns.ts";
import type { EngineChange, Explanation, PolicyEngine } from "../../../mesh/policy/types.ts";

// prettier-ignore
test.each([
  ["*",                "a.b.c",           true],
  ["*.example.com",    "api.example.com", true],
  ["*.example.com",    "API.Example.COM", true],
  ["*.example.com",    "api.example.com.", true],
  ["*.example.com",    "a.b.example.com", false],
  ["*.example.com",    "example.com",     false],
  ["*.example.com",    "api.example.com.evil.net", false],
  ["**.example.com",   "a.b.example.com", true],
  ["**.example.com",   "a.example.com",   true],
  ["**.example.com",   "example.com",     false],
  ["**.example.com",   "evilexample.com", false],
  ["a*.example.com",   "a.example.com",   true],
  ["a*c.example.com",  "abc.example.com", true],
  ["a*c.example.com",  "a.c.example.com", false],
  ["example.com",      "examplexcom",     false],
])("pattern %s, name %s: %s", (pattern, asked, matches) => {
  expect(compileDnsRule({ name: null, pattern })(asked)).toBe(matches);
});

const CHANGE = { endpoints: new Map() } as unknown as EngineChange;

function authority(says: Pick<Explanation, "verdict" | "reason">, works = true) {
  const seen: (readonly [name: string, addresses: readonly string[], seconds: number])[] = [];
  const engine: Pick<PolicyEngine, "explainDns" | "observeDns"> = {
    explainDns: (endpoint) => ({
      ...says,
      ...{ direction: "egress", endpoint, rule: null, object: null, identity: 2, labels: [] },
    }),
    observeDns: (name, addresses, expires) => {
      seen.push([name, addresses, Math.round((expires - Date.now()) / 1000)]);
      return CHANGE;
    },
  };
  return { seen, names: new NameAuthority(engine, () => works) };
}

describe("the agent's answers", () => {
  // prettier-ignore
  test.each([
    ["allow", "DNS rule matches",       true],
    ["allow", "no policy",              true],
    ["deny",  "no DNS rule matches",    false],
    ["deny",  "default deny",           false],
    ["allow", "not a managed endpoint", false],
  ] as const)("%s, %s: %s", (verdict, reason, allow) => {
    const { names } = authority({ verdict, reason });
    expect(names.mayAsk("default/a", "10.0.0.1", "x.y")).toEqual({ allow, rule: 0 });
  });

  test.each([
    [0, MIN_TTL],
    [59, MIN_TTL],
    [300, 300],
    [0x7fffffff, MAX_TTL],
  ])("a TTL of %i is %i seconds", (ttl, seconds) => {
    const { names, seen } = authority({ verdict: "allow", reason: "no policy" });
    expect(names.open("x.y", ["192.0.2.1"], ttl)).toBe(true);
    expect(seen).toEqual([["x.y", ["192.0.2.1"], seconds]]);
  });

  test("an endpoint that nobody knows may ask for nothing; what cannot be written is not open", () => {
    const { names } = authority({ verdict: "allow", reason: "no policy" }, false);
    const question = { kind: "question", ticket: 5, endpoint: 9, server: "10.0.0.1", name: "x.y" } as const;
    expect(answerDns(question, names, () => undefined)).toEqual({
      kind: "permission",
      ticket: 5,
      allow: false,
      rule: 0,
    });
    expect(answerDns(question, names, () => "default/a")).toMatchObject({ ticket: 5, allow: true });
    const resolved = { kind: "resolved", ticket: 6, name: "x.y", addresses: ["192.0.2.1"], ttl: 9 } as const;
    expect(answerDns(resolved, names, () => "default/a")).toEqual({ kind: "opened", ticket: 6, ok: false });
  });
});

test("of a name the last addresses are kept; the others' time is over", () => {
  const cache = new DnsCache();
  const address = (n: number): string => `192.0.2.${n}`;
  const many = Array.from({ length: MAX_ADDRESSES }, (_, n) => address(n));
  expect(cache.observe("x.y", many, 1000)).toEqual(many);
  cache.observe("x.y", [address(0)], 1000);
  expect(cache.observe("X.Y.", [address(200)], 1000)).toEqual([address(200), address(1)]);
  expect([...cache.addresses]).toHaveLength(MAX_ADDRESSES);
  expect([...cache.namesOf(address(0))]).toEqual(["x.y"]);
  expect([...cache.namesOf(address(1))]).toEqual([]);
  expect(cache.expire(999)).toEqual([]);
  expect(cache.expire(1000)).toHaveLength(MAX_ADDRESSES);
  expect([...cache.addresses]).toEqual([]);
});

test("an address in use is kept for a while longer", () => {
  const cache = new DnsCache();
  cache.observe("x.y", ["192.0.2.1", "192.0.2.2"], 1000);
  const asked: (readonly string[])[] = [];
  const inUse = (addresses: ReadonlySet<string>): ReadonlySet<string> => {
    asked.push([...addresses]);
    return new Set(["192.0.2.1"]);
  };
  expect(cache.expire(999, inUse)).toEqual([]);
  expect(cache.expire(1000, inUse)).toEqual(["192.0.2.2"]);
  expect(cache.expire(1000 + KEPT - 1, inUse)).toEqual([]);
  expect(cache.expire(1000 + KEPT)).toEqual(["192.0.2.1"]);
  expect(asked).toEqual([["192.0.2.1", "192.0.2.2"]]);
});
