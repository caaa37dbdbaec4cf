/** The other end of a rule: selectors, prefixes, entities, services, names. One kind in each rule. */
import { contains, formatPrefix, parseAddressOrPrefix, parsePrefix } from "./address.ts";
import type { Prefix } from "./address.ts";
import { readDnsRule } from "./application.ts";
import { readName, readNamespaceName } from "./names.ts";
import { readSelector, scopePeer } from "./selector.ts";
import type { Entity, Peer, Selector } from "./types.ts";
import type { FieldTable, Fields, Value } from "./value.ts";

/** Whose rule it is. `namespace` null: clusterwide. */
export interface PolicyScope {
  readonly namespace: string | null;
  readonly subject: Selector;
}

const ENTITIES: Readonly<Record<Entity, true>> = {
  all: true,
  world: true,
  "world-ipv4": true,
  "world-ipv6": true,
  cluster: true,
  host: true,
  "remote-node": true,
  "kube-apiserver": true,
  init: true,
  unmanaged: true,
  health: true,
  ingress: true,
  none: true,
};

type ReadPeer = (value: Value, scope: PolicyScope) => Peer;

const readEndpoints: ReadPeer = (value, { namespace, subject }) => {
  return { kind: "endpoints", selector: scopePeer(readSelector(value, "cilium"), namespace, subject) };
};
const readNodes: ReadPeer = (value) => ({ kind: "nodes", selector: readSelector(value, "cilium") });

/** Each field's entries, after `from` or `to`. */
const PEER_READERS: Readonly<Record<string, ReadPeer>> = {
  Endpoints: readEndpoints,
  CIDR: (value) => ({ kind: "cidr", cidr: readAddressOrPrefix(value), except: [] }),
  CIDRSet: readCidrRule,
  Entities: readEntity,
  Nodes: readNodes,
  Services: readService,
  FQDNs: (value) => ({ kind: "fqdn", ...readDnsRule(value) }),
};

const CIDR_RULE: FieldTable = { read: ["cidr", "cidrGroupRef", "cidrGroupSelector", "except"], others: "refused" };
const SERVICE: FieldTable = { read: ["k8sService", "k8sServiceSelector"], others: "refused" };
const SERVICE_NAME: FieldTable = { read: ["serviceName", "namespace"], others: "refused" };
const SERVICE_SELECTOR: FieldTable = { read: ["selector", "namespace"], others: "refused" };

/** Names of the fields, with `from` or `to` before them. */
export function peerFields(prefix: "from" | "to"): readonly string[] {
  const names = Object.keys(PEER_READERS);
  return (prefix === "to" ? names : names.filter((n) => n !== "Services" && n !== "FQDNs")).map((n) => prefix + n);
}

/** Null: the rule has no such field, which leaves the other end open. An empty list is nobody. */
export function readPeers(fields: Fields, prefix: "from" | "to", scope: PolicyScope): readonly Peer[] | null {
  const given = peerFields(prefix).flatMap((name) => {
    const value = fields[name];
    return value === undefined ? [] : [{ name, value }];
  });
  const [first, second] = given;
  if (first === undefined) return null;
  if (second !== undefined) {
    second.value.report("Y008", "a rule has one kind of peer", {
      expected: `${first.name} or ${second.name}`,
      found: given.map((g) => g.name).join(", "),
    });
  }
  const read = PEER_READERS[first.name.slice(prefix.length)]!;
  return first.value.list().map((item) => read(item, scope));
}

/** Canonical text of a prefix; an address is the prefix of itself. */
export function readAddressOrPrefix(value: Value): string {
  const text = value.string();
  const prefix = parseAddressOrPrefix(text);
  if (prefix === null) reportAddress(value, text, "an address or a prefix");
  return prefix === null ? text : formatPrefix(prefix);
}

/** A prefix, and those inside of it that are excepted. `smaller`: an exception may not be the whole prefix. */
export function readExcepted(cidr: Value, except: Value | undefined, smaller: boolean): Peer {
  const outer = readPrefix(cidr);
  const inner = (except?.list() ?? []).map((item) => {
    const prefix = readPrefix(item);
    if (outer === null || prefix === null) return "";
    if (!contains(outer, prefix) || (smaller && prefix.length === outer.length)) {
      item.report(
        "Y013",
        `${formatPrefix(prefix)} is not ${smaller ? "a part of" : "inside of"} ${formatPrefix(outer)}`,
        {
          expected: `a prefix in ${formatPrefix(outer)}`,
          found: formatPrefix(prefix),
        },
      );
    }
    return formatPrefix(prefix);
  });
  return { kind: "cidr", cidr: outer === null ? "" : formatPrefix(outer), except: inner };
}

function readPrefix(value: Value): Prefix | null {
  const text = value.string();
  const prefix = parsePrefix(text);
  if (prefix === null) reportAddress(value, text, "a prefix, with its length");
  return prefix;
}

function reportAddress(value: Value, text: string, expected: string): void {
  value.report("Y012", `${JSON.stringify(text)} is not ${expected}`, { expected, found: text });
}

function readCidrRule(value: Value): Peer {
  const fields = value.fields(CIDR_RULE);
  const { cidr, cidrGroupRef, cidrGroupSelector, except } = fields;
  const given = [cidr, cidrGroupRef, cidrGroupSelector].filter((field) => field !== undefined);
  if (given.length !== 1) {
    value.report(given.length === 0 ? "Y005" : "Y008", "an entry has just one source of prefixes", {
      expected: "one of cidr, cidrGroupRef, cidrGroupSelector",
      found: given.length === 0 ? "none" : `${given.length} of them`,
    });
  }
  if (cidr !== undefined) return readExcepted(cidr, except, false);
  const excepted = (except?.list() ?? []).map((item) => {
    const prefix = readPrefix(item);
    return prefix === null ? "" : formatPrefix(prefix);
  });
  if (cidrGroupRef !== undefined) return { kind: "cidrGroup", name: readName(cidrGroupRef), except: excepted };
  const selector = cidrGroupSelector === undefined ? [] : readSelector(cidrGroupSelector, "cilium");
  return { kind: "cidrGroups", selector, except: excepted };
}

function readEntity(value: Value): Peer {
  const text = value.string();
  if (isEntity(text)) return { kind: "entity", entity: text };
  value.report("Y006", `unknown entity ${JSON.stringify(text)}`, {
    expected: Object.keys(ENTITIES).join(", "),
    found: text,
  });
  return { kind: "entity", entity: "none" };
}

const isEntity = (text: string): text is Entity => Object.hasOwn(ENTITIES, text);

function readService(value: Value): Peer {
  const { k8sService, k8sServiceSelector } = value.fields(SERVICE);
  if ((k8sService === undefined) === (k8sServiceSelector === undefined)) {
    value.report(k8sService === undefined ? "Y005" : "Y008", "services are given by name or by selector", {
      expected: "k8sService or k8sServiceSelector",
      found: k8sService === undefined ? "neither" : "both",
    });
  }
  if (k8sServiceSelector !== undefined) {
    const fields = k8sServiceSelector.fields(SERVICE_SELECTOR);
    const selector = readSelector(k8sServiceSelector.required(fields, "selector"), "cilium");
    return { kind: "services", selector, namespace: readNamespace(fields["namespace"]) };
  }
  const fields = k8sService?.fields(SERVICE_NAME) ?? {};
  const name = k8sService === undefined ? "" : readName(k8sService.required(fields, "serviceName"));
  return { kind: "service", name, namespace: readNamespace(fields["namespace"]) };
}

function readNamespace(value: Value | undefined): string | null {
  return value === undefined ? null : readNamespaceName(value);
}
