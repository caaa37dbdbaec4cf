/**
 * Labels as identities have them: with a source. A pod has its own labels, those of its namespace, its namespace, service
 * account and cluster, all of source `k8s`; nodes and the outside have `reserved` ones, prefixes `cidr`, names `fqdn`.
 */
import type { Labels, Namespace, Pod, Requirement, Selector } from "../objects/types.ts";

export interface Label {
  readonly source: string;
  readonly key: string;
  readonly value: string;
}

const POD_NAMESPACE = "io.kubernetes.pod.namespace";
const SERVICE_ACCOUNT = "io.cilium.k8s.policy.serviceaccount";
const CLUSTER = "io.cilium.k8s.policy.cluster";
const NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels.";

/** Immutable; sorted by its text. */
export class LabelSet {
  readonly labels: readonly Label[];
  /** `source:key=value`, sorted; without `=` when there is no value. */
  readonly texts: readonly string[];

  constructor(labels: Iterable<Label>) {
    const named = new Map<string, Label>();
    for (const label of labels) named.set(formatLabel(label), label);
    this.texts = [...named.keys()].toSorted();
    this.labels = this.texts.map((text) => named.get(text)!);
  }

  has(source: string, key: string): boolean {
    return this.labels.some((label) => label.source === source && label.key === key);
  }

  /** Do all requirements hold? NotIn and DoesNotExist do where the key is missing. */
  matches(selector: Selector): boolean {
    return selector.every((requirement) => this.#meets(requirement));
  }

  #meets({ source, key, operator, values }: Requirement): boolean {
    const found = this.labels.filter((label) => label.key === key && (source === null || label.source === source));
    switch (operator) {
      case "In":
        return found.some(({ value }) => values.includes(value));
      case "NotIn":
        return !found.some(({ value }) => values.includes(value));
      case "Exists":
        return found.length > 0;
      case "DoesNotExist":
        return found.length === 0;
    }
  }
}

export function formatLabel({ source, key, value }: Label): string {
  return value === "" ? `${source}:${key}` : `${source}:${key}=${value}`;
}

export function reserved(...names: readonly string[]): Label[] {
  return names.map((key) => ({ source: "reserved", key, value: "" }));
}

/** Labels of an object under one source. */
export function withSource(source: string, labels: Labels): Label[] {
  return Object.entries(labels).map(([key, value]) => ({ source, key, value }));
}

/** All labels of a pod; `namespace` undefined: nothing is known of it yet. What the cluster says cannot be claimed by a label. */
export function podLabels(pod: Pod, namespace: Namespace | undefined, cluster: string): LabelSet {
  const own = Object.entries(pod.labels).filter(([key]) => !key.startsWith("io.cilium.k8s.") && key !== POD_NAMESPACE);
  const given = Object.entries(namespace?.labels ?? {}).map(([key, value]) => [NAMESPACE_LABEL + key, value] as const);
  const account = pod.serviceAccount === "" ? [] : [[SERVICE_ACCOUNT, pod.serviceAccount] as const];
  const all = [...own, ...given, ...account, [POD_NAMESPACE, pod.namespace] as const, [CLUSTER, cluster] as const];
  return new LabelSet(all.map(([key, value]) => ({ source: "k8s", key, value })));
}

/** Is it a pod's label set? */
export function isPod(labels: LabelSet): boolean {
  return labels.has("k8s", POD_NAMESPACE);
}
