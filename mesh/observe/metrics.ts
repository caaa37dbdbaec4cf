/**
 * Prometheus metrics under the names and labels that Cilium's, Hubble's and Istio's dashboards ask for.
 *
 * Two tables. SCRAPED is read from the agent when somebody scrapes, the kernel's counters once for all rows. What only the
 * stream of flows tells is counted as flows come (`FlowCounters`). No label takes values from the network without a bound:
 * a metric that has MAX_SERIES series counts whatever is new as `other`.
 *
 * Names and labels: Documentation/observability/metrics.rst and pkg/{metrics,maps/metricsmap,hubble/metrics} of cilium/cilium;
 * istio's telemetry v2 as ztunnel exports it. `mesh_` is what nobody else has.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AgentView, Counters, EndpointView, MapUse, Traffic } from "../control/view.ts";
import { rcodeName } from "../dns/message.ts";
import { RESERVED_IDENTITIES } from "../identity/reserved.ts";
import { dropReason } from "./drop-reasons.ts";
import { familyOf, messageTypeOf } from "./hubble.ts";
import type { Flow, FlowEnd } from "./types.ts";

/** Series of one metric at most; beyond, label values are `other`. */
export const MAX_SERIES = 1000;
const OTHER = "other";

export interface Metrics {
  readonly contentType: string;
  /** The text that Prometheus scrapes. */
  render(): Promise<string>;
  /** Stops counting flows. */
  close(): void;
}

/** What one scrape sees. */
interface Snapshot {
  readonly agent: AgentView;
  readonly counters: Counters;
  readonly maps: readonly MapUse[];
  readonly endpoints: readonly EndpointView[];
}

/** Values of the labels, in the order of the row's `labels`, and the number. */
type Sample = readonly [values: readonly string[], value: number];

interface Scraped {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly labels: readonly string[];
  readonly help: string;
  readonly read: (snapshot: Snapshot) => readonly Sample[];
}

const one = (value: number): readonly Sample[] => [[[], value]];

// prettier-ignore
export const SCRAPED: readonly Scraped[] = [
  { name: "cilium_drop_count_total",       type: "counter", labels: ["reason", "direction"], help: "Dropped packets",                        read: (s) => drops(s, "packets") },
  { name: "cilium_drop_bytes_total",       type: "counter", labels: ["reason", "direction"], help: "Dropped bytes",                          read: (s) => drops(s, "bytes") },
  { name: "cilium_forward_count_total",    type: "counter", labels: ["direction"],           help: "Forwarded packets",                      read: (s) => forwarded(s, "packets") },
  { name: "cilium_forward_bytes_total",    type: "counter", labels: ["direction"],           help: "Forwarded bytes",                        read: (s) => forwarded(s, "bytes") },
  { name: "cilium_policy",                 type: "gauge",   labels: [],                      help: "Policies in force",                      read: ({ agent }) => one(agent.policy().objects.length) },
  { name: "cilium_policy_max_revision",    type: "gauge",   labels: [],                      help: "Highest policy revision",                read: ({ agent }) => one(agent.policy().revision) },
  { name: "cilium_policy_change_total",    type: "counter", labels: ["outcome"],             help: "Changes of policies, by outcome",        read: ({ agent }) => outcomes(agent.policy().changes) },
  { name: "cilium_policy_import_errors_total", type: "counter", labels: [],                  help: "Changes of policies that were refused",  read: ({ agent }) => one(agent.policy().changes.failed) },
  { name: "cilium_policy_endpoint_enforcement_status", type: "gauge", labels: ["enforcement"], help: "Endpoints by the directions that policies closed", read: ({ endpoints }) => tally(ENFORCEMENTS, endpoints.map(enforcementOf)) },
  { name: "cilium_endpoint",               type: "gauge",   labels: [],                      help: "Endpoints of this agent",                read: ({ endpoints }) => one(endpoints.length) },
  { name: "cilium_endpoint_count",         type: "gauge",   labels: [],                      help: "Endpoints of this agent (Cilium's older name)", read: ({ endpoints }) => one(endpoints.length) },
  { name: "cilium_endpoint_state",         type: "gauge",   labels: ["endpoint_state"],      help: "Endpoints by state",                     read: ({ endpoints }) => tally(STATES, endpoints.map((e) => e.state)) },
  { name: "cilium_identity",               type: "gauge",   labels: ["type"],                help: "Identities in use on this node",         read: identities },
  { name: "cilium_bpf_map_pressure",       type: "gauge",   labels: ["map_name"],            help: "Entries of a map by its capacity",       read: ({ maps }) => maps.filter((m) => !m.fixed).map((m) => [[m.name], m.entries / m.capacity]) },
  { name: "cilium_bpf_maps_virtual_memory_max_bytes", type: "gauge", labels: [],             help: "Kernel memory of the mesh's maps",       read: ({ maps }) => one(sum(maps.map((m) => m.memory ?? 0))) },
  { name: "cilium_proxy_redirects",        type: "gauge",   labels: ["protocol"],            help: "Endpoints with flows for the waypoint",  read: ({ endpoints }) => [[["http"], endpoints.filter((e) => e.waypoint !== "none").length]] },
  { name: "cilium_agent_bootstrap_seconds", type: "gauge",  labels: ["scope", "outcome"],    help: "From the start until policy was in force", read: ({ agent: { bootstrapMilliseconds: ms } }) => (ms === null ? [] : [[["overall", "success"], ms / 1000]]) },
  { name: "cilium_version",                type: "gauge",   labels: ["version"],             help: "Version of the agent",                   read: ({ agent }) => [[[agent.version], 1]] },
  { name: "cilium_process_resident_memory_bytes", type: "gauge", labels: [],                 help: "Memory of the agent's process",          read: () => one(process.memoryUsage.rss()) },
  { name: "cilium_process_cpu_seconds_total", type: "counter", labels: [],                   help: "Processor time of the agent's process",  read: () => one(cpuSeconds()) },
  { name: "cilium_process_start_time_seconds", type: "gauge", labels: [],                    help: "Start of the agent, since the epoch",    read: ({ agent }) => one(agent.started / 1000) },
  { name: "hubble_lost_events_total",      type: "counter", labels: ["source"],              help: "Flows that nobody saw, by where they were lost", read: lost },
  { name: "mesh_rule_packets_total",       type: "counter", labels: ["namespace", "policy", "rule"], help: "Packets by the rule that decided", read: (s) => rules(s, "packets") },
  { name: "mesh_rule_bytes_total",         type: "counter", labels: ["namespace", "policy", "rule"], help: "Bytes by the rule that decided",   read: (s) => rules(s, "bytes") },
  { name: "mesh_endpoint_packets_total",   type: "counter", labels: ["namespace", "pod", "direction", "action"], help: "Packets of an endpoint", read: (s) => pairs(s, "packets") },
  { name: "mesh_endpoint_bytes_total",     type: "counter", labels: ["namespace", "pod", "direction", "action"], help: "Bytes of an endpoint",   read: (s) => pairs(s, "bytes") },
  { name: "mesh_check",                    type: "gauge",   labels: ["check"],               help: "0 ok, 1 degraded, 2 failed",             read: ({ agent }) => agent.checks().map((c) => [[c.name], CHECK_VALUES[c.state]]) },
  { name: "mesh_waypoint_restarts_total",  type: "counter", labels: [],                      help: "Restarts of the waypoint's process",     read: ({ agent }) => one(agent.waypoint().restarts) },
];

/** Registers all metrics for an agent; flows are counted from now on. */
export function createMetrics(agent: AgentView): Metrics {
  const registry = new Registry();
  let snapshot: Snapshot | null = null;
  for (const row of SCRAPED) registerScraped(registry, row, () => snapshot);
  const flows = new FlowCounters(registry);
  const stop = agent.flows.listen((flow) => flows.count(flow));
  return {
    contentType: registry.contentType,
    render: async () => {
      const maps = await agent.maps();
      snapshot = { agent, counters: agent.counters(), maps, endpoints: agent.endpoints() };
      return registry.metrics();
    },
    close: stop,
  };
}

function registerScraped(registry: Registry, row: Scraped, snapshot: () => Snapshot | null): void {
  const { name, help, labels, read } = row;
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  const samples = (): readonly (readonly [Record<string, string>, number])[] => {
    const now = snapshot();
    return now === null ? [] : bounded(read(now), row.type).map(([values, value]) => [labelled(labels, values), value]);
  };
  if (row.type === "gauge") {
    const gauge: Gauge = new Gauge({
      ...options,
      collect: () => {
        gauge.reset();
        for (const [with_, value] of samples()) gauge.set(with_, value);
      },
    });
    return;
  }
  const counter: Counter = new Counter({
    ...options,
    // The kernel counts; this only shows its numbers.
    collect: () => {
      counter.reset();
      for (const [with_, value] of samples()) counter.inc(with_, value);
    },
  });
}

/** Of a gauge the highest, of a counter the first MAX_SERIES as they are and the others as one. */
function bounded(samples: readonly Sample[], type: Scraped["type"]): readonly Sample[] {
  const [first] = samples;
  if (first === undefined || samples.length <= MAX_SERIES) return samples;
  if (type === "gauge") return samples.toSorted(([, a], [, b]) => b - a).slice(0, MAX_SERIES);
  const rest = sum(samples.slice(MAX_SERIES).map(([, value]) => value));
  return [...samples.slice(0, MAX_SERIES), [first[0].map(() => OTHER), rest]];
}

function labelled(labels: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, i) => [label, values[i] ?? ""]));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

/** Cilium writes directions in capitals. */
const DIRECTIONS = ["INGRESS", "EGRESS"];
const directionName = (direction: number): string => DIRECTIONS[direction] ?? "UNKNOWN";

function drops({ counters }: Snapshot, what: keyof Traffic): readonly Sample[] {
  return counters.byReason
    .filter((c) => c.reason !== 0)
    .map((c) => [[dropReason(c.reason).text, directionName(c.direction)], c[what]]);
}

function forwarded({ counters }: Snapshot, what: keyof Traffic): readonly Sample[] {
  return counters.byReason.filter((c) => c.reason === 0).map((c) => [[directionName(c.direction)], c[what]]);
}

function outcomes({ ok, failed }: { readonly ok: number; readonly failed: number }): readonly Sample[] {
  return [
    [["success"], ok],
    [["failure"], failed],
  ];
}

const STATES = ["waiting-for-identity", "regenerating", "ready", "not-ready", "disconnecting", "restoring"];
const ENFORCEMENTS = ["none", "ingress", "egress", "both"];
const CHECK_VALUES = { ok: 0, degraded: 1, failed: 2 } as const;

function enforcementOf({ enforcing: { ingress, egress } }: EndpointView): string {
  if (ingress && egress) return "both";
  if (ingress) return "ingress";
  return egress ? "egress" : "none";
}

/** Every name with how often it occurs: a series that goes to zero must say zero. */
function tally(names: readonly string[], found: readonly string[]): readonly Sample[] {
  return names.map((name) => [[name], found.filter((f) => f === name).length]);
}

/** Numbers with this bit belong to this node only. */
const NODE_LOCAL = 1 << 24;
const LAST_RESERVED = 255;

/** Of the cluster's pods, and of whom this node's pods talked to. */
function identities({ agent, counters }: Snapshot): readonly Sample[] {
  const pods = [...agent.cluster().pods.values()].flatMap((pod) => pod.addresses);
  const all = new Set([...pods.map((a) => agent.engine.identityOf(a)), ...counters.byPair.map((p) => p.identity)]);
  const local = [...all].filter((n) => n >= NODE_LOCAL).length;
  const cluster = [...all].filter((n) => n > LAST_RESERVED && n < NODE_LOCAL).length;
  return [
    [["reserved"], Object.keys(RESERVED_IDENTITIES).length],
    [["cluster_local"], cluster],
    [["node_local"], local],
  ];
}

function lost({ agent, counters }: Snapshot): readonly Sample[] {
  return [
    [["perf_event_ring_buffer"], counters.lostEvents],
    [["hubble_ring_buffer"], agent.flows.lost.followers],
  ];
}

/** By number, so that the series within the bound stay the same ones. */
function rules({ agent, counters }: Snapshot, what: keyof Traffic): readonly Sample[] {
  return [...counters.byRule]
    .toSorted(([a], [b]) => a - b)
    .flatMap(([number, traffic]): Sample[] => {
      const rule = agent.engine.rule(number);
      if (rule === undefined) return [];
      const at = `${rule.spec === 0 ? "" : `specs[${rule.spec}].`}${rule.section}[${rule.index}]`;
      return [[[rule.object.namespace ?? "", rule.object.name, at], traffic[what]]];
    });
}

/** Action of programs/mesh/tables.ts. */
const ACTIONS = ["deny", "allow", "redirect"];

/** Summed over identities: those are as many as the cluster likes. */
function pairs({ counters, endpoints }: Snapshot, what: keyof Traffic): readonly Sample[] {
  const pods = new Map(endpoints.map((e) => [e.id, e]));
  const sums = new Map<string, { readonly values: readonly string[]; value: number }>();
  for (const pair of counters.byPair) {
    const pod = pods.get(pair.endpoint);
    if (pod === undefined) continue;
    const values = [pod.namespace, pod.name, directionName(pair.direction), ACTIONS[pair.action] ?? OTHER];
    const key = values.join("\0");
    const total = sums.get(key) ?? { values, value: 0 };
    total.value += pair[what];
    sums.set(key, total);
  }
  return [...sums.values()].map(({ values, value }) => [values, value]);
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/**
 * A counter whose labels may come from the network: what is new when it is full counts as `other`. It counts by itself and
 * tells prom-client at scrape time: a hundred thousand flows a second count, a scrape comes every few seconds.
 */
class BoundedCounter {
  private readonly series = new Map<string, { readonly values: readonly string[]; sum: number }>();

  constructor(registry: Registry, name: string, help: string, labels: readonly string[]) {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect: () => {
        counter.reset();
        for (const { values, sum: total } of this.series.values()) counter.inc(labelled(labels, values), total);
      },
    });
  }

  inc(values: readonly string[], by = 1): void {
    const known = this.series.get(values.join("\0"));
    if (known !== undefined) known.sum += by;
    else this.add(this.series.size < MAX_SERIES ? values : values.map(() => OTHER), by);
  }

  private add(values: readonly string[], by: number): void {
    const key = values.join("\0");
    this.series.set(key, { values, sum: (this.series.get(key)?.sum ?? 0) + by });
  }
}

const ISTIO_ENDS = [
  "reporter",
  "source_workload",
  "source_workload_namespace",
  "destination_workload",
  "destination_workload_namespace",
];
const ISTIO_TCP = [...ISTIO_ENDS, "request_protocol", "response_flags", "connection_security_policy"];
const ISTIO_HTTP = [...ISTIO_ENDS, "request_protocol", "response_code", "response_flags", "connection_security_policy"];

/** Methods of RFC 9110 and PATCH; others are `other`. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]);

// prettier-ignore
export const COUNTED = {
  processed:     { name: "hubble_flows_processed_total",          labels: ["protocol", "type", "subtype", "verdict"],    help: "Flows" },
  dropped:       { name: "hubble_drop_total",                     labels: ["reason", "protocol"],                        help: "Drops" },
  tcpFlags:      { name: "hubble_tcp_flags_total",                labels: ["flag", "family"],                            help: "SYN, SYN-ACK, FIN and RST of forwarded flows" },
  requests:      { name: "hubble_http_requests_total",            labels: ["method", "protocol", "status", "reporter"],  help: "HTTP requests" },
  queries:       { name: "hubble_dns_queries_total",              labels: ["qtypes", "rcode"],                           help: "DNS questions, by the code of their answer" },
  responses:     { name: "hubble_dns_responses_total",            labels: ["qtypes", "rcode"],                           help: "Answers to DNS questions" },
  l7:            { name: "cilium_policy_l7_total",                labels: ["rule", "proxy_type"],                        help: "HTTP requests and DNS questions by what became of them: received, forwarded, denied, parse_errors" },
  opened:        { name: "istio_tcp_connections_opened_total",    labels: ISTIO_TCP,                                     help: "Connections opened" },
  closed:        { name: "istio_tcp_connections_closed_total",    labels: ISTIO_TCP,                                     help: "Connections closed" },
  sent:          { name: "istio_tcp_sent_bytes_total",            labels: ISTIO_TCP,                                     help: "Bytes of responses, of closed connections" },
  received:      { name: "istio_tcp_received_bytes_total",        labels: ISTIO_TCP,                                     help: "Bytes of requests, of closed connections" },
  istioRequests: { name: "istio_requests_total",                  labels: ISTIO_HTTP,                                    help: "HTTP requests" },
} as const satisfies Record<string, { readonly name: string; readonly labels: readonly string[]; readonly help: string }>;

export const DURATION = {
  name: "hubble_http_request_duration_seconds",
  labels: ["method", "reporter"],
  help: "From a request's head to the last byte of its answer",
} as const;

/** What is counted from flows. */
class FlowCounters {
  private readonly counters: Record<keyof typeof COUNTED, BoundedCounter>;
  private readonly duration: Histogram;

  constructor(registry: Registry) {
    const made = Object.entries(COUNTED).map(([key, { name, help, labels }]) => [
      key,
      new BoundedCounter(registry, name, help, labels),
    ]);
    this.counters = Object.fromEntries(made) as Record<keyof typeof COUNTED, BoundedCounter>;
    const { name, help, labels } = DURATION;
    this.duration = new Histogram({ name, help, labelNames: [...labels], registers: [registry] });
  }

  count(flow: Flow): void {
    this.counters.processed.inc([protocolName(flow), ...flowType(flow), flow.verdict]);
    if (flow.verdict === "DROPPED") {
      this.counters.dropped.inc([flow.reason?.hubble ?? "DROP_REASON_UNKNOWN", protocolName(flow)]);
    }
    if (flow.http !== null) this.countRequest(flow, flow.http);
    else if (flow.dns !== null) this.countQuestion(flow, flow.dns);
    else if (flow.protocol === "TCP" && (flow.verdict === "FORWARDED" || flow.verdict === "REDIRECTED"))
      this.countTcp(flow);
  }

  private countRequest(flow: Flow, http: NonNullable<Flow["http"]>): void {
    const method = METHODS.has(http.method) ? http.method : OTHER;
    const reporter = flow.direction === "ingress" ? "server" : "client";
    this.counters.requests.inc([method, http.version, String(http.status), reporter]);
    this.duration.observe({ method, reporter }, http.milliseconds / 1000);
    this.counters.l7.inc(["received", "http"]);
    const denied = http.failure === null ? "denied" : "parse_errors";
    this.counters.l7.inc([flow.verdict === "DROPPED" ? denied : "forwarded", "http"]);
    this.counters.istioRequests.inc([...istioEnds(flow), "http", String(http.status), "-", "none"]);
  }

  private countQuestion(flow: Flow, { type, rcode, failure }: NonNullable<Flow["dns"]>): void {
    const labels = [type.startsWith("TYPE") ? OTHER : type, rcode === null ? "" : rcodeName(rcode)];
    this.counters.queries.inc(labels);
    if (rcode !== null) this.counters.responses.inc(labels);
    this.counters.l7.inc(["received", "dns"]);
    const denied = failure === null ? "denied" : "parse_errors";
    this.counters.l7.inc([flow.verdict === "DROPPED" ? denied : "forwarded", "dns"]);
  }

  private countTcp(flow: Flow): void {
    const labels = [...istioEnds(flow), "tcp", "-", "none"];
    if (flow.closed) {
      this.counters.closed.inc(labels);
      this.counters.received.inc(labels, flow.bytes);
      this.counters.sent.inc(labels, flow.replyBytes);
      return;
    }
    if (flow.verdict === "FORWARDED")
      for (const flag of flagNames(flow.tcpFlags)) this.counters.tcpFlags.inc([flag, familyOf(flow)]);
    if (!flow.isReply) this.counters.opened.inc(labels);
  }
}

/** As Hubble's label values: what of a handshake and an end was seen. */
function flagNames(flags: readonly string[]): readonly string[] {
  const syn = flags.includes("SYN") ? [flags.includes("ACK") ? "SYN-ACK" : "SYN"] : [];
  return [...syn, ...["FIN", "RST"].filter((flag) => flags.includes(flag))];
}

function protocolName(flow: Flow): string {
  if (flow.http !== null) return "HTTP";
  if (flow.dns !== null) return "DNS";
  if (flow.protocol === "ICMP") return "ICMPv4";
  return flow.protocol ?? "Unknown flow";
}

// prettier-ignore
const FLOW_TYPES = {
  accessLog: ["L7", "HTTP"], drop: ["Drop", ""], policyVerdict: ["PolicyVerdict", ""], trace: ["Trace", ""],
  // Hubble gives socket messages no name of their own, but their number.
  socket: ["Unknown", "7"],
} as const;
const flowType = (flow: Flow): readonly [string, string] =>
  flow.dns === null ? FLOW_TYPES[messageTypeOf(flow)] : ["L7", "DNS"];

function istioEnds({ direction, source, destination }: Flow): readonly string[] {
  return [
    direction === "ingress" ? "destination" : "source",
    workloadOf(source),
    source.namespace ?? "unknown",
    workloadOf(destination),
    destination.namespace ?? "unknown",
  ];
}

/** Labels that name a workload, best first; the canonical service name of Istio. */
const WORKLOAD_LABELS = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "k8s-app", "app"].map(
  (l) => `k8s:${l}=`,
);

/** By an identity's labels, which are one list for all flows of it. */
const workloads = new WeakMap<readonly string[], string | null>();

function workloadOf({ pod, labels }: FlowEnd): string {
  let name = workloads.get(labels);
  if (name === undefined) {
    const found = WORKLOAD_LABELS.flatMap(
      (prefix) => labels.find((l) => l.startsWith(prefix))?.slice(prefix.length) ?? [],
    );
    name = found[0] ?? null;
    workloads.set(labels, name);
  }
  return name ?? pod ?? "unknown";
}
