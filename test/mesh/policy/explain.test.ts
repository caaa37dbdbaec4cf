/** What an engine says beside verdicts: why, by which rule; names; numbers over a restart; init; prefixes to drop early. */
import { describe, expect, test } from "vitest";
import { createPolicyEngine } from "../../../mesh/policy/engine.ts";
import type { PolicyEngineOptions } from "../../../mesh/policy/engine.ts";
import { judgeFlow } from "../../../mesh/policy/explain.ts";
import type { EngineChange, FlowQuery, PolicyEngine } from "../../../mesh/policy/types.ts";
import { addressOf, CLUSTER, OUTSIDE, withYaml } from "./clusters.ts";

const cnp = (spec: string, name = "p"): string =>
  `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: ${name}, namespace: default}, spec: ${spec}}\n---\n`;
const BE = "endpointSelector: {matchLabels: {app: be}}";
const FE = "endpointSelector: {matchLabels: {app: fe}}";

function engineWith(
  yaml: string,
  more: Partial<PolicyEngineOptions> = {},
): { readonly engine: PolicyEngine; readonly change: EngineChange } {
  const engine = createPolicyEngine({ node: "n1", ...more });
  return { engine, change: engine.update(withYaml(CLUSTER, yaml)) };
}

const tcp = (from: string, to: string, port: number, more: Partial<FlowQuery> = {}): FlowQuery => ({
  source: addressOf(from),
  destination: addressOf(to),
  protocol: "TCP",
  port,
  ...more,
});

const get = (path: string) => ({ http: { method: "GET", path, host: "", headers: [] } });

describe("explain", () => {
  const yaml =
    cnp(
      `{${BE}, ingress: [{fromEntities: [remote-node]}, {fromEndpoints: [{}], toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: /a}, {path: /b}]}}]}]}`,
      "second",
    ) + cnp(`{${BE}, ingressDeny: [{fromCIDR: [203.0.113.10/32]}]}`, "first");
  const { engine } = engineWith(yaml);

  // prettier-ignore
  const CASES: readonly [flow: FlowQuery, verdict: string, reason: string, object: string | null, rule: string | null][] = [
    [tcp("default/fe", "default/be", 80, get("/b")), "allow",    "HTTP rule matches",    "second", "ingress 1"],
    [tcp("default/fe", "default/be", 80, get("/c")), "http403",  "no HTTP rule matches", "second", "ingress 1"],
    [tcp("default/fe", "default/be", 80),            "redirect", "allowed by rule",      "second", "ingress 1"],
    [tcp("n2", "default/be", 9),                     "allow",    "allowed by rule",      "second", "ingress 0"],
    [tcp("n1", "default/be", 9),                     "allow",    "local host",           null,     null],
    [tcp("a", "default/be", 9),                      "deny",     "denied by rule",       "first",  "ingressDeny 0"],
    [tcp("b", "default/be", 9),                      "deny",     "default deny",         "first",  null],
    [tcp("b", "default/bare", 9),                    "allow",    "no policy",            null,     null],
    [tcp("default/fe", "n1", 9),                     "allow",    "no policy",            null,     null],
  ];
  test.each(CASES)("%j: %s, %s", (flow, verdict, reason, object, rule) => {
    const [found] = engine
      .explain(flow)
      .toReversed()
      .filter(({ reason: why }) => why !== "not a managed endpoint");
    const named = found!.rule === null ? null : `${found!.rule.section} ${found!.rule.index}`;
    expect([found!.verdict, found!.reason, found!.object?.name ?? null, named]).toEqual([
      verdict,
      reason,
      object,
      rule,
    ]);
  });

  test("ends on other nodes are theirs to explain; a node is not managed; itself is nobody's business", () => {
    expect(engine.explain(tcp("default/fe", "shop/be", 81)).map(({ direction }) => direction)).toEqual(["egress"]);
    expect(engine.explain(tcp("n1", "b", 80)).map(({ reason }) => reason)).toEqual(["not a managed endpoint"]);
    expect(engine.explain(tcp("default/be", "default/be", 9))).toEqual([]);
  });

  test("the rule that is blamed is the first by name, whatever came first", () => {
    const two =
      cnp(`{${BE}, ingress: [{fromEndpoints: [{}]}]}`, "b") + cnp(`{${BE}, ingress: [{fromEndpoints: [{}]}]}`, "a");
    expect(engineWith(two).engine.explain(tcp("default/fe", "default/be", 80))[1]?.object?.name).toBe("a");
  });
});

describe("names", () => {
  // prettier-ignore
  const NAMES: readonly [rule: string, name: string, allowed: boolean][] = [
    ["{matchName: api.example.com}",    "API.example.com.",   true],
    ["{matchName: api.example.com}",    "x.api.example.com",  false],
    ["{matchPattern: '*.example.com'}", "api.example.com",    true],
    ["{matchPattern: '*.example.com'}", "a.b.example.com",    false],
    ["{matchPattern: '*.example.com'}", "example.com",        false],
    ["{matchPattern: 'a*.example.com'}", "a.example.com",     true],
    ["{matchPattern: '*'}",             "a.b.c.d",            true],
    ["{matchPattern: '**.example.com'}", "a.b.example.com",   true],
    ["{matchPattern: '**.example.com'}", "example.com",       false],
    ["{matchPattern: '*.*.svc.cluster.local'}", "be.default.svc.cluster.local.", true],
    ["{matchPattern: 'a.example.com'}", "axexample.com",      false],
  ];
  test.each(NAMES)("%s: %s: %s", (rule, name, allowed) => {
    const yaml = cnp(
      `{${FE}, egress: [{toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': sys}}], toPorts: [{ports: [{port: '53', protocol: ANY}], rules: {dns: [${rule}]}}]}]}`,
    );
    const { verdict, reason } = engineWith(yaml).engine.explainDns("default/fe", addressOf("sys/dns"), name);
    expect([verdict, reason]).toEqual(allowed ? ["allow", "DNS rule matches"] : ["deny", "no DNS rule matches"]);
  });

  test("without DNS rules the port decides", () => {
    const { engine } = engineWith(cnp(`{${FE}, egress: [{toEntities: [world]}]}`));
    expect(engine.explainDns("default/fe", addressOf("sys/dns"), "a.b").reason).toBe("default deny");
    expect(engine.explainDns("default/bare", addressOf("sys/dns"), "a.b").reason).toBe("no policy");
  });

  test("toFQDNs opens the addresses that answers gave, until they expire, and never a pod", () => {
    const { engine } = engineWith(cnp(`{${FE}, egress: [{toFQDNs: [{matchPattern: '*.example.com'}]}]}`));
    const verdicts = (): string[] =>
      ["a", "b", "default/be"].map((to) => engine.explain(tcp("default/fe", to, 443))[0]!.verdict);
    expect(verdicts()).toEqual(["deny", "deny", "deny"]);
    engine.observeDns("api.example.com", [OUTSIDE.a, addressOf("default/be")], 1000);
    engine.observeDns("other.org", [OUTSIDE.b], 1000);
    expect(verdicts()).toEqual(["allow", "deny", "deny"]);
    engine.observeDns("api.example.com", [OUTSIDE.a], 2000);
    engine.expireDns(1500);
    expect(verdicts()).toEqual(["allow", "deny", "deny"]);
    const again = createPolicyEngine({ node: "n1", saved: JSON.parse(JSON.stringify(engine.save())) });
    again.update(withYaml(CLUSTER, cnp(`{${FE}, egress: [{toFQDNs: [{matchPattern: '*.example.com'}]}]}`)));
    expect(again.explain(tcp("default/fe", "a", 443))[0]!.verdict).toBe("allow");
    engine.expireDns(2000);
    expect(verdicts()).toEqual(["deny", "deny", "deny"]);
  });
});

describe("restart", () => {
  const yaml = cnp(
    `{${BE}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}, {fromCIDR: [203.0.113.0/24], toPorts: [{ports: [{port: '1', endPort: 99}]}]}]}`,
  );
  const numbers = ({ newPortTables, newHttpRules, newRules, hosts, identities }: EngineChange) => ({
    tables: newPortTables.map(({ number }) => number).toSorted((a, b) => a - b),
    l7: newHttpRules.map(({ number }) => number).toSorted((a, b) => a - b),
    rules: newRules.map(({ number }) => number),
    hosts: hosts.set,
    identities,
  });

  test("numbers are the same with what was saved, without it, and on another node", () => {
    const { engine, change } = engineWith(yaml);
    const saved: unknown = JSON.parse(JSON.stringify(engine.save()));
    expect(numbers(engineWith(yaml, { saved }).change)).toEqual(numbers(change));
    expect(numbers(engineWith(yaml).change)).toEqual(numbers(change));
    const other = engineWith(yaml, { node: "n2" }).engine;
    expect(other.identityOf(addressOf("default/be"))).toBe(engine.identityOf(addressOf("default/be")));
  });

  test("what was saved by somebody else is not taken", () => {
    expect(() => engineWith(yaml, { saved: { version: 99 } })).not.toThrow();
    expect(() => engineWith(yaml, { saved: "text" })).not.toThrow();
  });
});

describe("addresses", () => {
  test("IPv4 is the world's, so that ::/0 does not have it in the kernel", () => {
    const { engine, change } = engineWith("");
    const all = (prefix: string) => ({ prefix, identity: 2, pod: null, local: false });
    expect(change.hosts.set).toContainEqual(all("0.0.0.0/0"));
    const named = withYaml(CLUSTER, cnp(`{${BE}, ingress: [{fromCIDR: [0.0.0.0/0]}]}`));
    expect(engine.update(named).first?.hosts.set.map(({ prefix }) => prefix)).toEqual(["0.0.0.0/0"]);
    expect(engine.update(CLUSTER).hosts.set).toEqual([all("0.0.0.0/0")]);
  });
});

describe("endpoints", () => {
  test("of the same policy share it", () => {
    const { engine } = engineWith(cnp(`{endpointSelector: {}, ingress: [{}]}`));
    expect(engine.policyOf("default/fe")).toBe(engine.policyOf("default/be"));
    expect(engine.policyOf("shop/be")).toBeUndefined();
  });

  test("without labels yet have nothing but what init gets", () => {
    const yaml = `{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: i}, spec: {endpointSelector: {matchLabels: {'reserved:init': ''}}, egress: [{toEntities: [world], toPorts: [{ports: [{port: '53'}]}]}]}}`;
    const { engine } = engineWith(yaml);
    const { ingress, egress } = engine.initPolicy();
    const world = engine.identityOf(OUTSIDE.a);
    expect(judgeFlow(ingress, world, "TCP", 80).action).toBe("deny");
    expect([53, 54].map((port) => judgeFlow(egress, world, "UDP", port).action)).toEqual(["allow", "deny"]);
  });

  test("whose pod is gone are as if it were not known", () => {
    const { engine } = engineWith("");
    const pods = new Map(CLUSTER.pods);
    pods.delete("default/fe");
    const change = engine.update({ ...CLUSTER, pods });
    expect(change.endpoints.get("default/fe")).toBe(engine.initPolicy());
    expect(change.identities.get("default/fe")).toBe(5);
    expect(change.hosts.deleted).toEqual(["10.0.1.1/32", "fd00::1:1/128"]);
  });

  // prettier-ignore
  const MODES = [["default", "allow", "deny"], ["always", "deny", "deny"], ["never", "allow", "allow"]] as const;
  test.each(MODES)("enforcement %s: without policy %s, with default deny %s", (enforcement, open, closed) => {
    const { engine } = engineWith(cnp(`{${BE}, ingress: [{}]}`), { enforcement });
    expect(engine.explain(tcp("a", "default/bare", 80))[0]!.verdict).toBe(open);
    expect(engine.explain(tcp("a", "default/be", 80))[0]!.verdict).toBe(closed);
  });
});

describe("prefixes that may be dropped at the device", () => {
  const all = (more: string): string =>
    `{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: d}, spec: {endpointSelector: {}, enableDefaultDeny: {ingress: false, egress: false}, ${more}}}`;
  const deny = (cidr: string): string => `ingressDeny: [{fromCIDR: [${cidr}]}], egressDeny: [{toCIDR: [${cidr}]}]`;

  // prettier-ignore
  const CASES: readonly [name: string, yaml: string, prefixes: readonly string[]][] = [
    ["denied both ways by all",               all(deny("203.0.113.0/24")),                                   ["203.0.113.0/24"]],
    ["answers still come in",                 all("ingressDeny: [{fromCIDR: [203.0.113.0/24]}]"),            []],
    ["not by all endpoints",                  cnp(`{${BE}, ${deny("203.0.113.0/24")}}`),                     []],
    ["not all ports",                         all("ingressDeny: [{fromCIDR: [203.0.113.0/24], toPorts: [{ports: [{port: '80'}]}]}], egressDeny: [{toCIDR: [203.0.113.0/24]}]"), []],
    ["IPv4 is in it, as programs see it",     all(deny("'::/0'")),                                            []],
  ["IPv4 is in it, as programs see it",     all(deny("'::/0'")),                                            []],
  ["pods live in it",                       all(deny("10.0.0.0/8")),                                       []],
    ["default deny is no reason",             `{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: d}, spec: {endpointSelector: {}, ingress: [{fromCIDR: [198.51.100.0/24]}], egress: [{}]}}`, []],
    ["a narrower prefix that is not denied",  all(`ingressDeny: [{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}]}], egressDeny: [{toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}]}]`), []],
  ];
  test.each(CASES)("%s", (_, yaml, prefixes) => {
    expect((engineWith(yaml).change.prefilter ?? []).map(({ prefix }) => prefix)).toEqual(prefixes);
  });
});
