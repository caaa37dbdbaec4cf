/**
 * Label selectors, and which namespace they reach.
 *
 * The three places where a namespace comes into a selector are apart here: the subject of a policy is always in the policy's
 * namespace; a peer is, unless it names a namespace itself; and NetworkPolicy's namespaceSelector asks for labels of the
 * namespace, which pods carry under a prefix. Sources of truth: cilium/cilium pkg/k8s/apis/cilium.io/utils/utils.go
 * (getEndpointSelector, ParseToCiliumRule) and pkg/k8s/network_policy.go (parseNetworkPolicyPeer).
 */
import { isLabelKey, readLabelValue } from "./names.ts";
import type { Requirement, Selector } from "./types.ts";
import type { FieldTable, Value } from "./value.ts";

/** The label of a pod that holds its namespace. */
export const NAMESPACE_KEY = "io.kubernetes.pod.namespace";
/** Before the keys of the namespace's own labels, as a pod carries them. */
export const NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels.";

/** Who asks: keys of CiliumNetworkPolicy may have a source (`k8s:app`), and match any when they have none. */
export type KeyForm = "cilium" | "kubernetes";

const SELECTOR: FieldTable = { read: ["matchLabels", "matchExpressions"], others: "refused" };
const EXPRESSION: FieldTable = { read: ["key", "operator", "values"], others: "refused" };
const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"] as const;

/** As it is written; `matchLabels` first. */
export function readSelector(value: Value, form: KeyForm): Selector {
  const fields = value.fields(SELECTOR);
  const equal = (fields["matchLabels"]?.map() ?? []).map(([key, text, at]): Requirement => {
    return { ...readKey(key, at, form), operator: "In", values: [readLabelValue(text)] };
  });
  const expressions = (fields["matchExpressions"]?.list() ?? []).map((item) => readExpression(item, form));
  return [...equal, ...expressions];
}

/** In the policy's namespace, whatever the selector says; clusterwide when that is null. */
export function scopeSubject(selector: Selector, namespace: string | null, value: Value): Selector {
  if (namespace === null) return selector;
  for (const requirement of selector.filter(isNamespaceMatch)) {
    if (requirement.operator !== "In" || requirement.values.includes(namespace)) continue;
    value.report("Y021", `the policy is about pods of its own namespace, ${namespace}, only`, {
      severity: "warning",
      expected: namespace,
      found: requirement.values.join(", "),
    });
  }
  // What matchLabels says with the source k8s is replaced; in another form both must hold.
  const rest = selector.filter((r) => !(isNamespaceMatch(r) && r.source === "k8s" && r.operator === "In"));
  return [...rest, inNamespace(namespace)];
}

/** A peer of a CiliumNetworkPolicy (`namespace`) or of a clusterwide one (null) with that subject. */
export function scopePeer(selector: Selector, namespace: string | null, subject: Selector): Selector {
  if (selector.some((r) => r.source === "reserved") || selector.some(isNamespaceMatch)) return selector;
  if (namespace === null) {
    // Pods without labels yet have no namespace either.
    const aboutInit = subject.some((r) => r.source === "reserved" && r.key === "init");
    return aboutInit ? selector : [...selector, ANY_NAMESPACE];
  }
  const byLabels = selector.some((r) => isKubernetes(r) && r.key.startsWith(NAMESPACE_LABELS));
  return byLabels ? selector : [...selector, inNamespace(namespace)];
}

/** Pods of the namespace. */
export function inNamespace(namespace: string): Requirement {
  return { source: "k8s", key: NAMESPACE_KEY, operator: "In", values: [namespace] };
}

/** Pods, of whatever namespace: nothing else has the label. */
export const ANY_NAMESPACE: Requirement = { source: "k8s", key: NAMESPACE_KEY, operator: "Exists", values: [] };

/** Requirements on a namespace as requirements on its pods. */
export function onNamespace(selector: Selector): Selector {
  return [...selector.map((r) => ({ ...r, key: NAMESPACE_LABELS + r.key })), ANY_NAMESPACE];
}

const isKubernetes = (r: Requirement): boolean => r.source === null || r.source === "k8s";
const isNamespaceMatch = (r: Requirement): boolean => isKubernetes(r) && r.key === NAMESPACE_KEY;

function readExpression(value: Value, form: KeyForm): Requirement {
  const fields = value.fields(EXPRESSION);
  const key = value.required(fields, "key");
  const operator = readOperator(value.required(fields, "operator"));
  const values = (fields["values"]?.list() ?? []).map(readLabelValue);
  const needsValues = operator === "In" || operator === "NotIn";
  if (needsValues && values.length === 0) {
    value.report("Y010", `${operator} needs values`, { expected: "at least one value" });
  }
  if (!needsValues && values.length > 0) {
    value.report("Y010", `${operator} takes no values`, { expected: "no values", found: values.join(", ") });
  }
  return { ...readKey(key.string(), key, form), operator, values };
}

function readOperator(value: Value): Requirement["operator"] {
  const text = value.string();
  const operator = OPERATORS.find((o) => o === text);
  if (operator === undefined) {
    value.report("Y010", `unknown operator ${JSON.stringify(text)}`, {
      expected: OPERATORS.join(", "),
      found: text,
      remedy: "take one of the expected operators",
    });
  }
  return operator ?? "In";
}

/** `k8s:app` is the source k8s; `any:app` and `app` are any. */
function readKey(text: string, at: Value, form: KeyForm): Pick<Requirement, "source" | "key"> {
  const [, prefix, key = text] = (form === "cilium" ? /^([a-z][a-z0-9-]*):(.*)$/s.exec(text) : null) ?? [];
  const bare = key.startsWith(NAMESPACE_LABELS) ? key.slice(NAMESPACE_LABELS.length) : key;
  if (!isLabelKey(bare)) at.report("Y011", `${JSON.stringify(text)} is no label key`, { found: text });
  if (form === "kubernetes") return { source: "k8s", key };
  return { source: prefix === undefined || prefix === "any" ? null : prefix, key };
}
