/** `toPorts` and `icmps` of CiliumNetworkPolicy: ports, ranges, names, and which protocols they are of. */
import { readDnsRules, readHttpRules } from "./application.ts";
import { ICMP_TYPES } from "./icmp.ts";
import { isServiceName } from "./names.ts";
import type { L7Rules, PortRule, PortSpec, Protocol } from "./types.ts";
import type { FieldTable, Value } from "./value.ts";

export type Section = "ingress" | "egress" | "ingressDeny" | "egressDeny";

/** Ports of one entry, and fields of one `icmps` (cilium/cilium pkg/policy/api/rule_validation.go). */
const MAX_ENTRIES = 40;
const LAST_PORT = 65535;
const DNS_PORT = 53;

const TLS = "the waypoint does not end or start TLS";
const PORT_RULE: FieldTable = {
  read: ["ports", "rules"],
  refused: {
    terminatingTLS: TLS,
    originatingTLS: TLS,
    serverNames: "the waypoint does not read TLS server names",
    listener: "there are no custom listeners",
  },
  others: "refused",
};
const PORT: FieldTable = { read: ["port", "endPort", "protocol"], others: "refused" };
const ICMP_RULE: FieldTable = { read: ["fields"], others: "refused" };
const ICMP_FIELD: FieldTable = { read: ["family", "type"], others: "refused" };
const L7: FieldTable = {
  read: ["http", "dns"],
  refused: {
    kafka: "the waypoint does not know the protocol",
    l7proto: "there are no parsers but HTTP's",
    l7: "there are no parsers but HTTP's",
  },
  others: "refused",
};

/** By the name in a policy, in upper case. */
const PROTOCOLS: Readonly<Record<string, readonly Protocol[]>> = {
  TCP: ["TCP"],
  UDP: ["UDP"],
  SCTP: ["SCTP"],
  ANY: ["TCP", "UDP", "SCTP"],
};

/** Null: no restriction, for a list that is missing or empty. */
export function readToPorts(value: Value | undefined, section: Section): readonly PortRule[] | null {
  const rules = (value?.list() ?? []).map((item) => readPortRule(item, section));
  return rules.length === 0 ? null : rules;
}

/** Null: a list that is missing or empty. */
export function readIcmps(value: Value | undefined): readonly PortRule[] | null {
  const rules = (value?.list() ?? []).map(readIcmpRule);
  return rules.length === 0 ? null : rules;
}

function readPortRule(value: Value, section: Section): PortRule {
  const fields = value.fields(PORT_RULE);
  const list = value.required(fields, "ports");
  const items = list.list();
  if (items.length === 0) list.report("Y005", "no port is given", { expected: "ports, or a rule without toPorts" });
  checkCount(list, items.length, "ports");
  const ports = items.map(readPort);
  return { ports, l7: fields["rules"] === undefined ? null : readL7(fields["rules"], ports, section) };
}

function checkCount(list: Value, count: number, what: string): void {
  if (count <= MAX_ENTRIES) return;
  list.report("Y009", `too many ${what}`, { expected: `at most ${MAX_ENTRIES}`, found: String(count) });
}

function readPort(value: Value): PortSpec {
  const fields = value.fields(PORT);
  const at = value.required(fields, "port");
  const port = at.integerOrString();
  const protocols = fields["protocol"] === undefined ? PROTOCOLS["ANY"]! : readProtocols(fields["protocol"]);
  const end = fields["endPort"]?.integer(0, LAST_PORT) ?? 0;
  if (typeof port === "string" && isServiceName(port)) {
    if (end !== 0) fields["endPort"]!.report("Y021", "a named port has no range", { severity: "warning" });
    return { kind: "name", protocols, name: port.toLowerCase() };
  }
  const first = typeof port === "number" ? port : readDigits(at, port);
  if (first > LAST_PORT) reportPort(at, String(port));
  if (first === 0) {
    if (end !== 0) fields["endPort"]!.report("Y021", "port 0 is all ports already", { severity: "warning" });
    return { kind: "range", protocols, first: 0, last: LAST_PORT };
  }
  if (end !== 0 && end < first) {
    fields["endPort"]!.report("Y014", "the range ends before it starts", {
      expected: `${first} or more`,
      found: String(end),
    });
  }
  return { kind: "range", protocols, first, last: Math.max(end, first) };
}

function readDigits(at: Value, text: string): number {
  if (!/^(0|[1-9]\d{0,4})$/.test(text)) reportPort(at, text);
  return Number.parseInt(text, 10) || 0;
}

function reportPort(at: Value, text: string): void {
  at.report("Y014", `${JSON.stringify(text)} is no port`, { expected: `0 to ${LAST_PORT}, or a name`, found: text });
}

function readProtocols(value: Value): readonly Protocol[] {
  const text = value.string();
  const protocols = PROTOCOLS[text.toUpperCase()];
  if (protocols === undefined) {
    value.report("Y006", `unknown protocol ${JSON.stringify(text)}`, {
      expected: Object.keys(PROTOCOLS).join(", "),
      found: text,
      remedy: /^icmp/i.test(text) ? "use `icmps` instead of `toPorts`" : "take one of the expected protocols",
    });
  }
  return protocols ?? [];
}

function readL7(value: Value, ports: readonly PortSpec[], section: Section): L7Rules | null {
  const fields = value.fields(L7);
  const { http, dns } = fields;
  if (section === "ingressDeny" || section === "egressDeny") {
    value.report("Y015", "a deny rule cannot look into the protocol", {
      expected: "no rules",
      remedy: "deny the port, or allow with rules what is wanted",
    });
  }
  if (http !== undefined && dns !== undefined) {
    dns.report("Y008", "one entry has rules of one protocol", { expected: "http or dns", found: "both" });
  }
  if (http !== undefined) {
    checkHttpPorts(http, ports);
    const rules = readHttpRules(http);
    return rules.length === 0 ? null : { kind: "http", rules };
  }
  if (dns !== undefined) {
    checkDnsPorts(dns, ports, section);
    const rules = readDnsRules(dns);
    return rules.length === 0 ? null : { kind: "dns", rules };
  }
  return null;
}

function checkHttpPorts(at: Value, ports: readonly PortSpec[]): void {
  for (const port of ports) {
    if (port.kind === "icmp") continue;
    if (port.protocols.length !== 1 || port.protocols[0] !== "TCP") {
      at.report("Y015", "HTTP is spoken over TCP", { expected: "protocol: TCP", found: port.protocols.join(", ") });
    }
    if (isAnyPort(port)) at.report("Y015", "HTTP rules need a port", { expected: "1 to 65535", found: "0" });
  }
}

function checkDnsPorts(at: Value, ports: readonly PortSpec[], section: Section): void {
  if (section === "ingress") at.report("Y015", "DNS rules are for egress", { expected: "egress", found: section });
  for (const port of ports) {
    if (port.kind === "range" && port.first === DNS_PORT && port.last === DNS_PORT) continue;
    const found = port.kind === "range" ? `${port.first} to ${port.last}` : port.kind;
    at.report("Y015", "DNS rules are for one port", { expected: `port: "${DNS_PORT}"`, found });
  }
}

const isAnyPort = (port: PortSpec): boolean => port.kind === "range" && port.first === 0;

function readIcmpRule(value: Value): PortRule {
  const fields = value.fields(ICMP_RULE);
  const list = value.required(fields, "fields");
  const items = list.list();
  if (items.length === 0) list.report("Y005", "no ICMP type is given", { expected: "at least one" });
  checkCount(list, items.length, "ICMP fields");
  return { ports: items.map(readIcmpField), l7: null };
}

function readIcmpField(value: Value): PortSpec {
  const fields = value.fields(ICMP_FIELD);
  const family = fields["family"]?.string() ?? "IPv4";
  if (family !== "IPv4" && family !== "IPv6") {
    fields["family"]!.report("Y006", `unknown family ${JSON.stringify(family)}`, {
      expected: "IPv4 or IPv6",
      found: family,
    });
  }
  const protocol = family === "IPv6" ? "ICMPv6" : "ICMP";
  return { kind: "icmp", protocol, type: readIcmpType(value.required(fields, "type"), protocol) };
}

function readIcmpType(value: Value, protocol: "ICMP" | "ICMPv6"): number {
  const given = value.integerOrString();
  const names = ICMP_TYPES[protocol];
  const named = typeof given === "string" && Object.hasOwn(names, given) ? names[given] : undefined;
  const type = named ?? (/^\d{1,3}$/.test(String(given)) ? Number(given) : 256);
  if (type > 255) {
    value.report("Y006", `${JSON.stringify(given)} is no type of ${protocol}`, {
      expected: `0 to 255, or one of ${Object.keys(names).join(", ")}`,
      found: String(given),
    });
  }
  return type;
}
