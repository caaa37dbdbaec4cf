/** Pod, Namespace and Node: who has which labels and addresses. What policy has no use for is not read. */
import { formatAddress, parseAddress } from "./address.ts";
import { readPortName } from "./names.ts";
import type { Labels, NamedPort, Namespace, Node, ObjectRef, Pod } from "./types.ts";
import type { FieldTable, Fields, Value } from "./value.ts";

/** Kubernetes' default when a pod names none. */
const DEFAULT_ACCOUNT = "default";
/** Kubernetes itself puts it on every namespace. */
const NAME_LABEL = "kubernetes.io/metadata.name";
const CONTROL_PLANE = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
const LAST_PORT = 65535;
const MAX_WEIGHT = 100;

export const WEIGHT_ANNOTATION = "mesh.ebpf-ts.dev/weight";
const SHORTCUT_ANNOTATION = "mesh.ebpf-ts.dev/shortcut";

const skipping = (...read: string[]): FieldTable => ({ read, others: "skipped" });
const POD_SPEC = skipping("nodeName", "hostNetwork", "serviceAccountName", "containers", "initContainers");
const CONTAINER = skipping("ports", "restartPolicy");
const CONTAINER_PORT = skipping("name", "containerPort", "protocol");
const POD_STATUS = skipping("podIP", "podIPs", "phase", "conditions");
const POD_IP = skipping("ip");
const CONDITION = skipping("type", "status");
const NODE_STATUS = skipping("addresses");
const NODE_ADDRESS = skipping("type", "address");

/** What of an object's metadata the readers need. */
export interface Metadata {
  readonly labels: Labels;
  readonly annotations: Readonly<Record<string, Value | undefined>>;
  /** Is it being deleted? */
  readonly deleted: boolean;
}

export function readPod(root: Value, fields: Fields, object: ObjectRef, metadata: Metadata): Pod {
  const spec = fields["spec"]?.fields(POD_SPEC) ?? {};
  const status = fields["status"]?.fields(POD_STATUS) ?? {};
  const phase = status["phase"]?.string() ?? "";
  // A pod that has ended has given its address back.
  const ended = phase === "Succeeded" || phase === "Failed";
  return {
    namespace: object.namespace ?? "default",
    name: object.name,
    labels: metadata.labels,
    node: spec["nodeName"]?.string() ?? null,
    addresses: ended ? [] : readPodAddresses(status),
    ports: readContainerPorts(spec),
    hostNetwork: spec["hostNetwork"]?.boolean() ?? false,
    serviceAccount: spec["serviceAccountName"]?.string() ?? DEFAULT_ACCOUNT,
    ready: readReady(status),
    terminating: metadata.deleted,
    weight: readWeight(metadata),
    shortcut: readShortcut(metadata),
  };
}

export function readNamespace(object: ObjectRef, metadata: Metadata): Namespace {
  const labels = { [NAME_LABEL]: object.name, ...metadata.labels };
  return { name: object.name, labels: Object.setPrototypeOf(labels, null) as Labels };
}

export function readNode(fields: Fields, object: ObjectRef, metadata: Metadata): Node {
  const { addresses } = fields["status"]?.fields(NODE_STATUS) ?? {};
  const given = (addresses?.list() ?? []).flatMap((item) => {
    const address = item.fields(NODE_ADDRESS);
    const type = item.required(address, "type").string();
    // Others are names.
    return type.endsWith("IP") ? [readAddress(item.required(address, "address"))] : [];
  });
  return {
    name: object.name,
    labels: metadata.labels,
    addresses: [...new Set(given)],
    apiServer: CONTROL_PLANE.some((key) => metadata.labels[key] !== undefined),
  };
}

/** Canonical text. */
export function readAddress(value: Value): string {
  const text = value.string();
  const address = parseAddress(text);
  if (address !== null) return formatAddress(address);
  value.report("Y012", `${JSON.stringify(text)} is no address`, { expected: "an address", found: text });
  return text;
}

/** Of the annotation; 1 when there is none. */
export function readWeight(metadata: Metadata): number {
  const value = metadata.annotations[WEIGHT_ANNOTATION];
  if (value === undefined) return 1;
  const text = value.string();
  const weight = Number(text);
  if (/^\d+$/.test(text) && weight <= MAX_WEIGHT) return weight;
  value.report("Y006", `${JSON.stringify(text)} is no weight`, { expected: `"0" to "${MAX_WEIGHT}"`, found: text });
  return 1;
}

function readShortcut(metadata: Metadata): boolean {
  const value = metadata.annotations[SHORTCUT_ANNOTATION];
  if (value === undefined) return false;
  const text = value.string();
  if (text === "enabled" || text === "disabled") return text === "enabled";
  value.report("Y006", `${JSON.stringify(text)} is no answer`, { expected: '"enabled" or "disabled"', found: text });
  return false;
}

export function readTransport(value: Value | undefined): NamedPort["protocol"] {
  const text = value?.string() ?? "TCP";
  if (text === "TCP" || text === "UDP" || text === "SCTP") return text;
  value?.report("Y006", `unknown protocol ${JSON.stringify(text)}`, { expected: "TCP, UDP or SCTP", found: text });
  return "TCP";
}

function readPodAddresses(status: Fields): readonly string[] {
  const all = (status["podIPs"]?.list() ?? []).map((item) => readAddress(item.required(item.fields(POD_IP), "ip")));
  const first = status["podIP"];
  return [...new Set(first === undefined ? all : [readAddress(first), ...all])];
}

function readReady(status: Fields): boolean {
  for (const item of status["conditions"]?.list() ?? []) {
    const condition = item.fields(CONDITION);
    if (condition["type"]?.string() === "Ready") return condition["status"]?.string() === "True";
  }
  return true;
}

/** Init containers that go on running (sidecars) serve ports as well. */
function readContainerPorts(spec: Fields): readonly NamedPort[] {
  const sidecars = (spec["initContainers"]?.list() ?? []).filter((item) => {
    return item.fields(CONTAINER)["restartPolicy"]?.string() === "Always";
  });
  return [...(spec["containers"]?.list() ?? []), ...sidecars].flatMap((container) => {
    return (container.fields(CONTAINER)["ports"]?.list() ?? []).flatMap((item) => {
      const fields = item.fields(CONTAINER_PORT);
      const port = item.required(fields, "containerPort").integer(1, LAST_PORT);
      const protocol = readTransport(fields["protocol"]);
      return fields["name"] === undefined ? [] : [{ name: readPortName(fields["name"]), protocol, port }];
    });
  });
}
