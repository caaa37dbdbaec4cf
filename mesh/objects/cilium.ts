/**
 * CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and CiliumCIDRGroup.
 *
 * The form is that of cilium/cilium pkg/policy/api (rule_validation.go); what of it the mesh does not enforce is refused by the
 * tables here, with the reason.
 */
import { readIcmps, readToPorts } from "./ports.ts";
import type { Section } from "./ports.ts";
import { peerFields, readAddressOrPrefix, readPeers } from "./peers.ts";
import type { PolicyScope } from "./peers.ts";
import { readSelector, scopeSubject } from "./selector.ts";
import type { CidrGroup, Labels, ObjectRef, Policy, PortSpec, Rule } from "./types.ts";
import type { FieldTable, Fields, Value } from "./value.ts";

const SECTIONS = ["ingress", "egress", "ingressDeny", "egressDeny"] as const satisfies readonly Section[];

const ORDER = "there are no tiers and priorities: deny goes before allow, and all policies are one set";
const SPEC: FieldTable = {
  read: ["endpointSelector", "nodeSelector", "enableDefaultDeny", ...SECTIONS],
  refused: { log: "flow events carry no value of the rule", tier: ORDER, priority: ORDER, order: ORDER },
  skipped: ["labels", "description"],
  others: "refused",
};
const DEFAULT_DENY: FieldTable = { read: ["ingress", "egress"], others: "refused" };
const AUTHENTICATION: FieldTable = { read: ["mode"], others: "refused" };
const CIDR_GROUP: FieldTable = { read: ["externalCIDRs"], others: "refused" };

const REQUIRES = "it was removed from Cilium; say in each rule what its peers must have";
const GROUPS = "the mesh asks no cloud provider";
const AUTHENTICATES = "deny rules authenticate nobody";
const NAMES = "names can only be allowed";

const RULE: Readonly<Record<Section, FieldTable>> = {
  ingress: ruleTable("from", ["authentication"], {}),
  egress: ruleTable("to", ["authentication"], {}),
  ingressDeny: ruleTable("from", [], { authentication: AUTHENTICATES }),
  egressDeny: ruleTable("to", [], { authentication: AUTHENTICATES, toFQDNs: NAMES }),
};

/** All specs of a policy; `spec` is the first when there are both. */
export function readCiliumPolicy(root: Value, fields: Fields, object: ObjectRef): readonly Policy[] {
  const specs = [...(fields["spec"] === undefined ? [] : [fields["spec"]]), ...(fields["specs"]?.list() ?? [])];
  if (specs.length === 0) root.report("Y005", "the policy says nothing", { expected: "spec, or specs with entries" });
  return specs.map((spec, index) => readSpec(spec, index, object));
}

export function readCidrGroup(root: Value, fields: Fields, object: ObjectRef, labels: Labels): CidrGroup {
  const spec = root.required(fields, "spec");
  const cidrs = spec.required(spec.fields(CIDR_GROUP), "externalCIDRs").list().map(readAddressOrPrefix);
  return { name: object.name, labels, cidrs };
}

function ruleTable(
  prefix: "from" | "to",
  read: readonly string[],
  refused: Readonly<Record<string, string>>,
): FieldTable {
  const peers = peerFields(prefix).filter((name) => !Object.hasOwn(refused, name));
  return {
    read: [...peers, "toPorts", "icmps", ...read],
    refused: { [`${prefix}Requires`]: REQUIRES, [`${prefix}Groups`]: GROUPS, ...refused },
    others: "refused",
  };
}

function readSpec(spec: Value, index: number, object: ObjectRef): Policy {
  const fields = spec.fields(SPEC);
  const subject = readSubject(spec, fields, object.namespace);
  const scope: PolicyScope = { namespace: object.namespace, subject };
  if (spec.isMapping && SECTIONS.every((section) => fields[section] === undefined)) {
    spec.report("Y019", "the policy has no rules", { expected: `one of ${SECTIONS.join(", ")}` });
  }
  const rules = (section: Section): readonly Rule[] => {
    return (fields[section]?.list() ?? []).map((item, at) => readRule(item, at, section, scope));
  };
  const policy = {
    object,
    spec: index,
    subject,
    ingress: rules("ingress"),
    egress: rules("egress"),
    ingressDeny: rules("ingressDeny"),
    egressDeny: rules("egressDeny"),
    place: spec.place,
  };
  checkEffect(spec, fields);
  checkSharedPort(fields["egress"], policy.egress);
  return { ...policy, defaultDeny: readDefaultDeny(fields["enableDefaultDeny"], policy) };
}

function readSubject(spec: Value, fields: Fields, namespace: string | null): Policy["subject"] {
  const { endpointSelector, nodeSelector } = fields;
  nodeSelector?.report("Y007", "this cannot be honoured: policies of nodes (a host firewall) are not enforced", {
    expected: "endpointSelector",
    found: "nodeSelector",
  });
  if (endpointSelector === undefined) {
    if (nodeSelector === undefined) spec.required(fields, "endpointSelector");
    return [];
  }
  if (nodeSelector !== undefined) {
    nodeSelector.report("Y008", "a policy is about endpoints or about nodes", {
      expected: "one of endpointSelector, nodeSelector",
      found: "both",
    });
  }
  return scopeSubject(readSelector(endpointSelector, "cilium"), namespace, endpointSelector);
}

function readRule(value: Value, index: number, section: Section, scope: PolicyScope): Rule {
  const fields = value.fields(RULE[section]);
  const { toPorts, icmps, authentication } = fields;
  if (toPorts !== undefined && icmps !== undefined) {
    icmps.report("Y008", "a rule is about ports or about ICMP", { expected: "toPorts or icmps", found: "both" });
  }
  if (authentication !== undefined) checkAuthentication(authentication);
  const ports = readToPorts(toPorts, section) ?? readIcmps(icmps);
  const peers = readPeers(fields, section.startsWith("ingress") ? "from" : "to", scope);
  // A rule that asks for nothing is about nobody: it only closes the direction.
  return { index, peers: peers ?? (ports === null ? [] : null), ports, place: value.place };
}

function checkAuthentication(value: Value): void {
  const mode = value.required(value.fields(AUTHENTICATION), "mode");
  const text = mode.string();
  if (text === "disabled") return;
  mode.report("Y007", "this cannot be honoured: the mesh does not authenticate peers", {
    expected: "disabled",
    found: text,
  });
}

function readDefaultDeny(value: Value | undefined, rules: Omit<Policy, "defaultDeny">): Policy["defaultDeny"] {
  const { ingress, egress } = value?.fields(DEFAULT_DENY) ?? {};
  return {
    ingress: ingress?.boolean() ?? rules.ingress.length + rules.ingressDeny.length > 0,
    egress: egress?.boolean() ?? rules.egress.length + rules.egressDeny.length > 0,
  };
}

/** Empty lists are no default deny; who writes them often thinks so. */
function checkEffect(spec: Value, fields: Fields): void {
  const given = SECTIONS.flatMap((section) => fields[section] ?? []);
  if (given.length === 0 || given.some((list) => !list.isEmptyList)) return;
  spec.report("Y021", "all of its rule lists are empty, so the policy changes nothing", {
    severity: "warning",
    expected: "a list with rules",
    remedy: "to deny everything, write a rule that selects nobody: `ingress: [{}]`",
  });
}

/** A connection to TCP port 53 can be parsed as one protocol. */
function checkSharedPort(section: Value | undefined, rules: readonly Rule[]): void {
  const parsesAs = (kind: "http" | "dns") => (rule: Rule) => {
    return rule.ports?.some((entry) => entry.l7?.kind === kind && entry.ports.some(isTcp53)) === true;
  };
  const dns = rules.findIndex(parsesAs("dns"));
  if (dns === -1 || !rules.some(parsesAs("http"))) return;
  section?.list()[dns]?.report("Y008", "port 53 of TCP has HTTP rules and DNS rules", {
    expected: "one of them",
    found: "both",
  });
}

function isTcp53(port: PortSpec): boolean {
  return port.kind === "range" && port.protocols.includes("TCP") && port.first <= 53 && port.last >= 53;
}
