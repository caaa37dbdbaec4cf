/**
 * What numbers and addresses in events mean, from what the agent knows. Asked for every flow, so answers are looked up, not
 * searched: the indexes are made again when the cluster or the endpoints became others (both are immutable values).
 */
import type { EndpointView } from "../control/view.ts";
import type { Cluster, ObjectRef } from "../objects/types.ts";
import type { PolicyEngine } from "../policy/types.ts";
import type { FlowContext } from "./flow.ts";

export interface ContextSources {
  readonly node: string;
  readonly engine: Pick<PolicyEngine, "closedBy" | "httpRules" | "identityOf" | "labelsOf" | "rule">;
  readonly cluster: () => Cluster;
  /** The same list as long as nothing changed. */
  readonly endpoints: () => readonly Pick<EndpointView, "id" | "namespace" | "name">[];
}

/** The context of a node's flow log. */
export function createFlowContext({ node, engine, cluster, endpoints }: ContextSources): FlowContext {
  const podByAddress = derived(cluster, indexPods);
  const serviceByAddress = derived(cluster, indexServices);
  const podById = derived(endpoints, (all) => new Map(all.map((e) => [e.id, `${e.namespace}/${e.name}`])));
  const closers = derived(cluster, () => new Map<string, readonly ObjectRef[]>());
  return {
    node,
    podAt: (address) => podByAddress().get(address),
    serviceAt: (address) => serviceByAddress().get(address),
    podOf: (endpoint) => podById().get(endpoint),
    identityOf: (address) => engine.identityOf(address),
    labelsOf: (identity) => engine.labelsOf(identity),
    rule: (number) => engine.rule(number),
    httpRules: (number) => [...new Set(engine.httpRules(number)?.rules.map((r) => r.rule))],
    closedBy: (pod, direction) => {
      const known = closers();
      const key = `${direction} ${pod}`;
      const found = known.get(key) ?? engine.closedBy(pod, direction);
      known.set(key, found);
      return found;
    },
  };
}

/** Pods of the host's network have the node's address: a flow of it is the node's. */
function indexPods({ pods }: Cluster): ReadonlyMap<string, string> {
  const index = new Map<string, string>();
  for (const [key, pod] of pods) {
    if (!pod.hostNetwork) for (const address of pod.addresses) index.set(address, key);
  }
  return index;
}

function indexServices({ services }: Cluster): ReadonlyMap<string, string> {
  return new Map(
    [...services].flatMap(([key, service]) => service.addresses.map((address) => [address, key] as const)),
  );
}

/** `make` of the source's value, made again when it is another value. */
function derived<T, D>(source: () => T, make: (value: T) => D): () => D {
  let last: { readonly from: T; readonly made: D } | null = null;
  return () => {
    const from = source();
    if (last === null || last.from !== from) last = { from, made: make(from) };
    return last.made;
  };
}
