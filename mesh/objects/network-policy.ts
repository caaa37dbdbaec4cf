/** networking.k8s.io/v1 NetworkPolicy, in the terms of CiliumNetworkPolicy (cilium/cilium pkg/k8s/network_policy.go). */
import { readPortName } from "./names.ts";
import { readExcepted } from "./peers.ts";
import { inNamespace, onNamespace, readSelector } from "./selector.ts";
import type { ObjectRef, Peer, Policy, PortRule, PortSpec, Protocol, Rule } from "./types.ts";
import type { FieldTable, Fields, Value } from "./value.ts";

const LAST_PORT = 65535;

const SPEC: FieldTable = { read: ["podSelector", "policyTypes", "ingress", "egress"], others: "refused" };
const INGRESS: FieldTable = { read: ["from", "ports"], others: "refused" };
const EGRESS: FieldTable = { read: ["to", "ports"], others: "refused" };
const PEER: FieldTable = { read: ["podSelector", "namespaceSelector", "ipBlock"], others: "refused" };
const IP_BLOCK: FieldTable = { read: ["cidr", "except"], others: "refused" };
const PORT: FieldTable = { read: ["protocol", "port", "endPort"], others: "refused" };
const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const satisfies readonly Protocol[];

export function readNetworkPolicy(root: Value, fields: Fields, object: ObjectRef): readonly Policy[] {
  const spec = root.required(fields, "spec");
  const parts = spec.fields(SPEC);
  const namespace = object.namespace ?? "default";
  const closes = readPolicyTypes(parts);
  const ingress = (parts["ingress"]?.list() ?? []).map((item, index) => readRule(item, index, "from", namespace));
  const egress = (parts["egress"]?.list() ?? []).map((item, index) => readRule(item, index, "to", namespace));
  warnUnused(parts["ingress"], closes.ingress, "Ingress");
  warnUnused(parts["egress"], closes.egress, "Egress");
  const policy: Policy = {
    object,
    spec: 0,
    subject: [...readSelector(spec.required(parts, "podSelector"), "kubernetes"), inNamespace(namespace)],
    ingress: closes.ingress ? ingress : [],
    egress: closes.egress ? egress : [],
    ingressDeny: [],
    egressDeny: [],
    defaultDeny: closes,
    place: spec.place,
  };
  return [policy];
}

/** Without policyTypes: ingress always, egress when there is such a section. */
function readPolicyTypes(parts: Fields): Policy["defaultDeny"] {
  const given = parts["policyTypes"]?.list() ?? [];
  if (given.length === 0) return { ingress: true, egress: parts["egress"] !== undefined };
  const types = given.map((value) => {
    const text = value.string();
    if (text !== "Ingress" && text !== "Egress") {
      value.report("Y006", `unknown policy type ${JSON.stringify(text)}`, {
        expected: "Ingress or Egress",
        found: text,
      });
    }
    return text;
  });
  return { ingress: types.includes("Ingress"), egress: types.includes("Egress") };
}

function warnUnused(section: Value | undefined, used: boolean, type: string): void {
  if (section === undefined || used) return;
  section.report("Y021", `policyTypes does not name ${type}, so the section has no effect`, {
    severity: "warning",
    expected: `policyTypes with ${type}`,
  });
}

function readRule(value: Value, index: number, side: "from" | "to", namespace: string): Rule {
  const fields = value.fields(side === "from" ? INGRESS : EGRESS);
  const peers = (fields[side]?.list() ?? []).map((item) => readPeer(item, namespace));
  const ports = (fields["ports"]?.list() ?? []).map(readPort);
  return {
    index,
    // Unlike in CiliumNetworkPolicy, an empty list is anybody.
    peers: peers.length === 0 ? null : peers,
    ports: ports.length === 0 ? null : [{ ports, l7: null } satisfies PortRule],
    place: value.place,
  };
}

function readPeer(value: Value, namespace: string): Peer {
  const { podSelector, namespaceSelector, ipBlock } = value.fields(PEER);
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (ipBlock !== undefined) {
    if (selects) {
      ipBlock.report("Y008", "a peer is a block of addresses or selected by labels", {
        expected: "ipBlock or selectors",
        found: "both",
      });
    }
    const block = ipBlock.fields(IP_BLOCK);
    return readExcepted(ipBlock.required(block, "cidr"), block["except"], true);
  }
  if (!selects) {
    value.report("Y005", "the peer is empty", { expected: "podSelector, namespaceSelector or ipBlock" });
  }
  const pods = podSelector === undefined ? [] : readSelector(podSelector, "kubernetes");
  const where =
    namespaceSelector === undefined
      ? [inNamespace(namespace)]
      : onNamespace(readSelector(namespaceSelector, "kubernetes"));
  return { kind: "endpoints", selector: [...pods, ...where] };
}

function readPort(value: Value): PortSpec {
  const fields = value.fields(PORT);
  const protocols = [readProtocol(fields["protocol"])];
  const { port, endPort } = fields;
  if (port === undefined) {
    endPort?.report("Y005", "a range needs its first port", { expected: "port" });
    return { kind: "range", protocols, first: 0, last: LAST_PORT };
  }
  const given = port.integerOrString();
  if (typeof given === "string") {
    endPort?.report("Y014", "a named port has no range", { expected: "port as a number", found: given });
    return { kind: "name", protocols, name: readPortName(port) };
  }
  if (given < 1 || given > LAST_PORT) {
    port.report("Y014", `${given} is no port`, { expected: `1 to ${LAST_PORT}`, found: String(given) });
  }
  const last = endPort?.integer(1, LAST_PORT) ?? given;
  if (last < given) {
    endPort?.report("Y014", "the range ends before it starts", { expected: `${given} or more`, found: String(last) });
  }
  return { kind: "range", protocols, first: given, last: Math.max(given, last) };
}

function readProtocol(value: Value | undefined): Protocol {
  if (value === undefined) return "TCP";
  const text = value.string();
  const protocol = PROTOCOLS.find((p) => p === text);
  if (protocol === undefined) {
    value.report("Y006", `unknown protocol ${JSON.stringify(text)}`, { expected: PROTOCOLS.join(", "), found: text });
  }
  return protocol ?? "TCP";
}
