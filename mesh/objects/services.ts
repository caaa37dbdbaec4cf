/** Service and EndpointSlice: addresses that stand for pods. */
import { readLabels, readPortName } from "./names.ts";
import type { EndpointSlice, ObjectRef, Service, ServicePort } from "./types.ts";
import { readAddress, readTransport, readWeight } from "./workloads.ts";
import type { Metadata } from "./workloads.ts";
import type { FieldTable, Fields, Value } from "./value.ts";

const ALGORITHM_ANNOTATION = "mesh.ebpf-ts.dev/algorithm";
/** Which service an EndpointSlice belongs to. */
const SERVICE_LABEL = "kubernetes.io/service-name";
const LAST_PORT = 65535;
/** Kubernetes' default and limit, in seconds. */
const AFFINITY = 10800;
const MAX_AFFINITY = 86400;

const skipping = (...read: string[]): FieldTable => ({ read, others: "skipped" });
const SERVICE_SPEC = skipping(
  ...["type", "clusterIP", "clusterIPs", "ports", "selector", "sessionAffinity", "sessionAffinityConfig"],
  "internalTrafficPolicy",
);
const SERVICE_PORT = skipping("name", "protocol", "port", "targetPort");
const AFFINITY_CONFIG = skipping("clientIP");
const CLIENT_IP = skipping("timeoutSeconds");
const SLICE_PORT = skipping("name", "protocol", "port");
const ENDPOINT = skipping("addresses", "conditions", "nodeName");
const CONDITIONS = skipping("ready", "serving", "terminating");

export function readService(root: Value, fields: Fields, object: ObjectRef, metadata: Metadata): Service {
  const spec = root.required(fields, "spec");
  const parts = spec.fields(SERVICE_SPEC);
  const external = parts["type"]?.string() === "ExternalName";
  if (parts["internalTrafficPolicy"]?.string() === "Local") {
    parts["internalTrafficPolicy"].report("Y021", "the mesh takes backends of all nodes", { severity: "warning" });
  }
  return {
    namespace: object.namespace ?? "default",
    name: object.name,
    labels: metadata.labels,
    addresses: external ? [] : readServiceAddresses(spec, parts),
    ports: readServicePorts(parts["ports"]),
    selector: parts["selector"] === undefined ? null : readLabels(parts["selector"]),
    affinity: readAffinity(parts),
    algorithm: readAlgorithm(metadata),
  };
}

export function readEndpointSlice(fields: Fields, object: ObjectRef, metadata: Metadata): EndpointSlice {
  const { addressType } = fields;
  if (addressType?.string() === "FQDN") {
    addressType.report("Y007", "this cannot be honoured: the mesh does not resolve names of backends", {
      expected: "IPv4 or IPv6",
      found: "FQDN",
    });
  }
  const weight = readWeight(metadata);
  return {
    namespace: object.namespace ?? "default",
    name: object.name,
    service: metadata.labels[SERVICE_LABEL] ?? "",
    ports: (fields["ports"]?.list() ?? []).map((item) => {
      const port = item.fields(SLICE_PORT);
      return {
        name: port["name"]?.string() ?? "",
        protocol: readTransport(port["protocol"]),
        port: item.required(port, "port").integer(1, LAST_PORT),
      };
    }),
    endpoints: (fields["endpoints"]?.list() ?? []).map((item) => {
      const endpoint = item.fields(ENDPOINT);
      const conditions = endpoint["conditions"]?.fields(CONDITIONS) ?? {};
      const ready = conditions["ready"]?.boolean() ?? true;
      return {
        addresses: item.required(endpoint, "addresses").list().map(readAddress),
        ready,
        serving: conditions["serving"]?.boolean() ?? ready,
        terminating: conditions["terminating"]?.boolean() ?? false,
        node: endpoint["nodeName"]?.string() ?? null,
        weight,
      };
    }),
  };
}

/** `None` is headless. There is no allocator here: the address has to be written. */
function readServiceAddresses(spec: Value, parts: Fields): readonly string[] {
  const all = parts["clusterIPs"]?.list() ?? [];
  const first = parts["clusterIP"];
  const given = first === undefined ? all : [first, ...all];
  if (given.length === 0) spec.required(parts, "clusterIP");
  const addresses = given.filter((value) => value.string() !== "None").map(readAddress);
  return [...new Set(addresses)];
}

function readServicePorts(list: Value | undefined): readonly ServicePort[] {
  const items = list?.list() ?? [];
  const ports = items.map((item) => {
    const fields = item.fields(SERVICE_PORT);
    const port = item.required(fields, "port").integer(1, LAST_PORT);
    return {
      name: fields["name"]?.string() ?? "",
      protocol: readTransport(fields["protocol"]),
      port,
      targetPort: fields["targetPort"] === undefined ? port : readTargetPort(fields["targetPort"], port),
    };
  });
  const names = new Set(ports.map((port) => port.name));
  if (names.size < ports.length) {
    list?.report("Y011", "ports of a service need names that differ", { expected: "a name for each port" });
  }
  return ports;
}

/** 0 is "the same" in Kubernetes. */
function readTargetPort(value: Value, port: number): number | string {
  const given = value.integerOrString();
  if (typeof given === "string") return readPortName(value);
  if (given > LAST_PORT) value.report("Y014", `${given} is no port`, { expected: `1 to ${LAST_PORT}` });
  return given === 0 ? port : given;
}

function readAffinity(parts: Fields): number {
  const mode = parts["sessionAffinity"]?.string() ?? "None";
  if (mode === "None") return 0;
  if (mode !== "ClientIP") {
    parts["sessionAffinity"]?.report("Y006", `unknown affinity ${JSON.stringify(mode)}`, {
      expected: "None or ClientIP",
      found: mode,
    });
  }
  const clientIP = parts["sessionAffinityConfig"]?.fields(AFFINITY_CONFIG)["clientIP"];
  return clientIP?.fields(CLIENT_IP)["timeoutSeconds"]?.integer(1, MAX_AFFINITY) ?? AFFINITY;
}

function readAlgorithm(metadata: Metadata): Service["algorithm"] {
  const value = metadata.annotations[ALGORITHM_ANNOTATION];
  const text = value?.string() ?? "random";
  if (text === "random" || text === "maglev") return text;
  value?.report("Y006", `unknown algorithm ${JSON.stringify(text)}`, { expected: "random or maglev", found: text });
  return "random";
}
