/** An agent in memory: two endpoints, one policy, whatever a test wants of the rest. */
import { DiagnosticError } from "ebpf-ts/diag";
import type { AgentView, EndpointRegistration, EndpointView } from "../../../mesh/control/view.ts";
import { FlowLog } from "../../../mesh/observe/log.ts";
import type { Cluster, Pod } from "../../../mesh/objects/types.ts";
import type { Explanation, FlowQuery, Judgement, Verdict } from "../../../mesh/policy/types.ts";
import { CONTEXT, RULE, SECURE_ACCESS } from "../observe/events.ts";

export const BACKEND: EndpointView = {
  namespace: "default",
  name: "backend",
  interface: "veth5",
  netns: "/run/netns/backend",
  cgroup: null,
  addresses: ["10.0.0.2"],
  id: 5,
  interfaceIndex: 17,
  identity: 1002,
  labels: CONTEXT.labelsOf(1002),
  state: "ready",
  problem: null,
  revision: 3,
  enforcing: { ingress: true, egress: false },
  waypoint: "up",
};
export const FRONTEND: EndpointView = {
  ...BACKEND,
  name: "frontend",
  interface: "veth4",
  netns: "/run/netns/frontend",
  addresses: ["10.0.0.1"],
  id: 4,
  interfaceIndex: 16,
  identity: 1001,
  labels: CONTEXT.labelsOf(1001),
  enforcing: { ingress: false, egress: false },
  waypoint: "none",
};

const podOf = ({ namespace, name, addresses }: EndpointView): Pod => ({
  namespace,
  name,
  labels: { app: name },
  node: "node-1",
  addresses,
  ports: [],
  hostNetwork: false,
  serviceAccount: "default",
  ready: true,
  terminating: false,
  weight: 1,
  shortcut: false,
});

const CLUSTER: Cluster = {
  namespaces: new Map([["default", { name: "default", labels: {} }]]),
  pods: new Map([FRONTEND, BACKEND].map((e) => [`${e.namespace}/${e.name}`, podOf(e)])),
  nodes: new Map([["node-1", { name: "node-1", labels: {}, addresses: ["10.0.0.254"], apiServer: false }]]),
  services: new Map([
    [
      "default/backend",
      {
        namespace: "default",
        name: "backend",
        labels: {},
        addresses: ["10.96.0.10"],
        selector: { app: "backend" },
        affinity: 0,
        ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 80 }],
        algorithm: "random",
      },
    ],
  ]),
  endpointSlices: new Map(),
  cidrGroups: new Map(),
  policies: new Map(),
};

const ALLOW: Verdict = { action: "allow", rule: 0, l7: 0 };
const DENY: Verdict = { action: "deny", rule: 0, l7: 0 };
const REDIRECT: Verdict = { action: "redirect", rule: RULE.number, l7: 1 };
const judge = (verdict: Verdict): Judgement => ({ verdict, ports: null });

/** To the backend: only the frontend, only GET. */
function explain({ source, destination, http }: FlowQuery): readonly Explanation[] {
  if (destination !== "10.0.0.2") return [];
  const end = {
    direction: "ingress",
    endpoint: "default/backend",
    identity: 1001,
    labels: CONTEXT.labelsOf(1001),
  } as const;
  if (source !== "10.0.0.1")
    return [{ ...end, verdict: "deny", rule: null, object: SECURE_ACCESS, reason: "default deny" }];
  if (http === undefined)
    return [{ ...end, verdict: "redirect", rule: RULE, object: SECURE_ACCESS, reason: "allowed by rule" }];
  const matches = http.method === "GET";
  return [
    {
      ...end,
      verdict: matches ? "allow" : "http403",
      rule: RULE,
      object: SECURE_ACCESS,
      reason: matches ? "HTTP rule matches" : "no HTTP rule matches",
    },
  ];
}

/** What was asked of it. */
export interface Asked {
  readonly registered: EndpointRegistration[];
  readonly unregistered: string[];
  uninstalled: number;
}

/** `more` takes the place of what it names. */
export function makeAgent(more: Partial<AgentView> = {}): AgentView & { readonly asked: Asked } {
  const asked: Asked = { registered: [], unregistered: [], uninstalled: 0 };
  return {
    asked,
    node: "node-1",
    version: "1.2.3",
    started: 1000,
    bootstrapMilliseconds: 250,
    engine: {
      node: "node-1",
      explain,
      explainDns: () => ({
        direction: "egress",
        endpoint: "default/frontend",
        verdict: "allow",
        rule: null,
        object: null,
        reason: "no policy",
        identity: 2,
        labels: [],
      }),
      policyOf: (pod) =>
        pod === "default/backend"
          ? {
              ingress: {
                otherwise: judge(DENY),
                identities: new Map([
                  [
                    1001,
                    {
                      verdict: DENY,
                      ports: { number: 1, entries: [{ protocol: 6, port: 80, bits: 16, verdict: REDIRECT }] },
                    },
                  ],
                ]),
              },
              egress: { otherwise: judge(ALLOW), identities: new Map() },
            }
          : undefined,
      rule: (number) => CONTEXT.rule(number),
      httpRules: (number) =>
        number === 1
          ? {
              number,
              rules: [{ rule: RULE.number, http: { method: "GET", path: "/public/.*", host: null, headers: [] } }],
              dns: [],
            }
          : undefined,
      labelsOf: (identity) => CONTEXT.labelsOf(identity),
      identityOf: (address) => ({ "10.0.0.1": 1001, "10.0.0.2": 1002 })[address] ?? 2,
    },
    flows: new FlowLog(CONTEXT),
    cluster: () => CLUSTER,
    policy: () => ({ revision: 3, problems: [], changes: { ok: 3, failed: 1 }, objects: [SECURE_ACCESS] }),
    endpoints: () => [FRONTEND, BACKEND],
    services: () => [
      {
        namespace: "default",
        name: "backend",
        frontends: [
          {
            address: "10.96.0.10",
            port: 80,
            protocol: "TCP",
            affinity: 0,
            algorithm: "random",
            backends: [{ address: "10.0.0.2", port: 80, weight: 1, active: true, node: "node-1" }],
          },
        ],
      },
    ],
    checks: () => [{ name: "datapath", state: "ok", message: "all programs are attached" }],
    probes: () => [{ feature: "tcx", available: true, detail: "judges packets", fallback: null }],
    waypoint: () => ({ state: "running", pid: 42, endpoints: ["default/backend"], restarts: 0, message: null }),
    drift: () => [],
    counters: () => ({
      byReason: [
        { reason: 0, direction: 0, packets: 10, bytes: 1000 },
        { reason: 0, direction: 1, packets: 20, bytes: 2000 },
        { reason: 133, direction: 0, packets: 3, bytes: 180 },
      ],
      byRule: new Map([[RULE.number, { packets: 7, bytes: 700 }]]),
      byPair: [
        { endpoint: 5, identity: 1001, direction: 0, action: 2, packets: 7, bytes: 700 },
        { endpoint: 5, identity: 2, direction: 0, action: 0, packets: 1, bytes: 60 },
        { endpoint: 5, identity: (1 << 24) + 1, direction: 0, action: 0, packets: 2, bytes: 120 },
      ],
      lostEvents: 4,
    }),
    maps: async () => [
      { name: "settings", entries: 1, capacity: 1, fixed: true, memory: 300 },
      { name: "hosts", entries: 32, capacity: 65536, fixed: false, memory: 4096 },
      { name: "flows", entries: 65536, capacity: 65536, fixed: false, memory: 8192 },
    ],
    register: async (registration) => {
      asked.registered.push(registration);
      if (registration.interface === "missing") {
        const place = { kind: "none" } as const;
        throw new DiagnosticError([
          { code: "A001", severity: "error", message: "there is no interface missing", place, remedy: "make it first" },
        ]);
      }
      return { ...BACKEND, ...registration };
    },
    unregister: async (namespace, name) => {
      asked.unregistered.push(`${namespace}/${name}`);
      return name === "backend";
    },
    refresh: async () => 4,
    checkDrift: async () => [],
    uninstall: async () => void asked.uninstalled++,
    ...more,
  };
}
