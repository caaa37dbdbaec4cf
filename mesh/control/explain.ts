/**
 * "May A talk to B?", asked with the names that people use: pods, services, nodes, addresses. A service is asked for by its
 * address and judged by its backends, as in the kernel. With the agent's engine only its own node's end can be judged; offline
 * there is an engine for each node that matters.
 */
import { isIP } from "node:net";
import type { Cluster, Protocol } from "../objects/types.ts";
import type { Explanation, HttpRequestHead, PolicyEngine } from "../policy/types.ts";
import { apiError } from "./api-diagnostics.ts";
import type { ServiceView } from "./view.ts";

export interface Question {
  /** `namespace/pod`, `pod` (of the namespace `default`), a node's name, `namespace/service`, or an address. */
  readonly source: string;
  readonly destination: string;
  /** Number, name of one of the destination's ports, or ICMP type. */
  readonly port: string;
  readonly protocol: Protocol;
  /** Null: only whether there may be a connection. */
  readonly http: HttpRequestHead | null;
}

/** What the answer is found in. */
export interface ExplainWorld {
  readonly cluster: Cluster;
  readonly services: readonly ServiceView[];
  /** The engines that can judge ends on these nodes. */
  readonly engines: (
    nodes: readonly string[],
  ) => readonly Pick<PolicyEngine, "node" | "explain" | "identityOf" | "labelsOf">[];
}

/** One end, as it was found. */
export interface ExplainedEnd {
  readonly address: string;
  /** `namespace/name`; null: no pod. */
  readonly pod: string | null;
  /** Of the pod or of the address; null: outside of the cluster. */
  readonly node: string | null;
  /** `namespace/name` of the service that was asked for; null: none. */
  readonly service: string | null;
  readonly identity: number;
  readonly labels: readonly string[];
}

export interface Explained {
  readonly source: ExplainedEnd;
  readonly destination: ExplainedEnd;
  readonly protocol: Protocol;
  /** After translation. */
  readonly port: number;
  readonly http: HttpRequestHead | null;
  /** Of all ends that were judged: the worst. `redirect`: allowed, and HTTP rules will be asked. */
  readonly verdict: Explanation["verdict"];
  readonly ends: readonly Explanation[];
  /** Nodes on which an end is judged that no engine here knows. */
  readonly elsewhere: readonly string[];
}

/** From the best to the worst. */
const VERDICTS = ["allow", "redirect", "http403", "deny"] as const;

/** Throws a `DiagnosticError` (Q004, Q005) for names that are not there and questions that make no sense. */
export function explainFlow(world: ExplainWorld, question: Question): Explained {
  const from = findSource(world, question.source);
  const to = findDestination(world, question, from.addresses);
  const [source, destination] = pairOf(from, to, question);
  const nodes = [...new Set([from.node, to.node].filter((node) => node !== null))];
  const engines = world.engines(nodes);
  const ask = {
    source,
    destination,
    protocol: question.protocol,
    port: to.port,
    ...(question.http === null ? {} : { http: question.http }),
  };
  const ends = engines.flatMap((engine) => engine.explain(ask));
  const worst = Math.max(0, ...ends.map((end) => VERDICTS.indexOf(end.verdict)));
  const known = (address: string, end: Found): ExplainedEnd => ({
    address,
    pod: end.pod,
    node: end.node,
    service: end.service,
    identity: engines[0]?.identityOf(address) ?? 0,
    labels: engines[0] === undefined ? [] : engines[0].labelsOf(engines[0].identityOf(address)),
  });
  return {
    source: known(source, from),
    destination: known(destination, to),
    protocol: question.protocol,
    port: to.port,
    http: question.http,
    verdict: VERDICTS[worst] ?? "allow",
    ends,
    elsewhere: [
      ...new Set([from, to].flatMap(({ pod, node }) => (pod !== null && node !== null ? [node] : []))),
    ].filter((node) => !engines.some((engine) => engine.node === node)),
  };
}

interface Found {
  readonly addresses: readonly string[];
  readonly pod: string | null;
  readonly node: string | null;
  readonly service: string | null;
}
type FoundPort = Found & { readonly port: number };

function findSource({ cluster }: ExplainWorld, name: string): Found {
  const found = findHost(cluster, name);
  if (found === null) throw apiError("Q005", `there is no pod, node or address ${name}`);
  return found;
}

function findDestination(world: ExplainWorld, question: Question, from: readonly string[]): FoundPort {
  const { destination } = question;
  const backend = findBackend(world, question, from);
  if (backend !== null) return backend;
  const found = findHost(world.cluster, destination);
  if (found === null) throw apiError("Q005", `there is no pod, service, node or address ${destination}`);
  return { ...found, port: portOf(world.cluster, found, question) };
}

/** A pod before a node: `namespace/name` is never a node, and a bare name is a pod of `default` first. */
function findHost(cluster: Cluster, name: string): Found | null {
  if (isIP(name) !== 0) return ownerOf(cluster, name);
  const key = qualified(name);
  const pod = cluster.pods.get(key);
  if (pod !== undefined) return { addresses: pod.addresses, pod: key, node: pod.node, service: null };
  const node = cluster.nodes.get(name);
  return node === undefined ? null : { addresses: node.addresses, pod: null, node: node.name, service: null };
}

const qualified = (name: string): string => (name.includes("/") ? name : `default/${name}`);

function ownerOf(cluster: Cluster, address: string): Found {
  const here = (o: { readonly addresses: readonly string[] }): boolean => o.addresses.includes(address);
  const pod = [...cluster.pods].find(([, p]) => !p.hostNetwork && here(p));
  const node = [...cluster.nodes.values()].find(here);
  return { addresses: [address], pod: pod?.[0] ?? null, node: pod?.[1].node ?? node?.name ?? null, service: null };
}

/** The first active backend of a service that was named by its name or its address; null: no service is meant. */
function findBackend(world: ExplainWorld, question: Question, from: readonly string[]): FoundPort | null {
  const { cluster, services } = world;
  const { destination, port, protocol } = question;
  const named = cluster.pods.has(qualified(destination)) ? undefined : cluster.services.get(qualified(destination));
  const service = named === undefined ? null : `${named.namespace}/${named.name}`;
  const frontends = services.flatMap((s) => {
    const key = `${s.namespace}/${s.name}`;
    return s.frontends.filter((f) => key === service || f.address === destination).map((f) => ({ ...f, key }));
  });
  if (frontends.length === 0 && service === null) return null;
  const number = named?.ports.find((p) => p.name === port)?.port ?? Number(port);
  const fitting = frontends.filter((f) => f.port === number && f.protocol === protocol);
  const [frontend] = fitting.toSorted(
    (a, b) => Number(sameFamily(b.address, from)) - Number(sameFamily(a.address, from)),
  );
  if (frontend === undefined) {
    const ports = frontends.map((f) => `${f.port}/${f.protocol}`);
    throw apiError("Q005", `the service ${service ?? destination} has no port ${port}/${protocol}`, {
      expected: ports.length === 0 ? "a service with an address" : [...new Set(ports)].join(", "),
    });
  }
  const backend = frontend.backends.find((b) => b.active);
  if (backend === undefined)
    throw apiError("Q005", `the service ${frontend.key} has no ready backend for port ${port}`);
  return { ...ownerOf(cluster, backend.address), service: frontend.key, port: backend.port };
}

const sameFamily = (address: string, others: readonly string[]): boolean =>
  others.some((o) => isIP(o) === isIP(address));

function portOf(cluster: Cluster, { pod }: Found, { port, protocol }: Question): number {
  const most = protocol === "ICMP" || protocol === "ICMPv6" ? 255 : 65535;
  if (/^\d+$/.test(port) && Number(port) <= most) return Number(port);
  const ports = pod === null ? [] : (cluster.pods.get(pod)?.ports ?? []);
  const named = ports.find((p) => p.name === port && p.protocol === protocol);
  if (named !== undefined) return named.port;
  throw apiError("Q004", `${port} is no port of ${pod ?? "that address"}`, {
    expected: [`0 to ${most}`, ...ports.map((p) => p.name)].join(", "),
    found: port,
  });
}

/** An address of each, of one family. */
function pairOf(from: Found, to: Found, question: Question): readonly [string, string] {
  for (const source of from.addresses) {
    const destination = to.addresses.find((a) => isIP(a) === isIP(source));
    if (destination !== undefined) return [source, destination];
  }
  throw apiError("Q004", `${question.source} and ${question.destination} have no addresses of one family`, {
    found: `${from.addresses.join(", ") || "none"} and ${to.addresses.join(", ") || "none"}`,
  });
}
