/**
 * Which flows somebody wants to see. A filter is a plain value, so that it travels as a query string; fields are ANDed, the
 * values of one field ORed. FILTER_FIELDS is the one table: options, query parameters and the predicate derive from it.
 */
import { BlockList, isIP } from "node:net";
import type { Flow, FlowEnd } from "./types.ts";

type Predicate<T> = (value: T) => boolean;

interface FilterField {
  readonly key: string;
  /** What its values look like. */
  readonly value: string;
  readonly help: string;
  /** The predicate for one value, made once per filter. */
  readonly of: (value: string) => Predicate<Flow>;
}

// prettier-ignore
export const FILTER_FIELDS = [
  { key: "pod",        value: "[namespace/]name",  help: "either end is this pod (* is any part of a name)",          of: (v) => eitherEnd(podIs(v)) },
  { key: "namespace",  value: "name",              help: "either end is in this namespace",                           of: (v) => eitherEnd((e) => e.namespace === v) },
  { key: "from",       value: "pod|address|label", help: "the source: a pod, address, prefix, or label key=value",    of: (v) => ofSource(endIs(v)) },
  { key: "to",         value: "pod|address|label", help: "the destination, as --from",                                of: (v) => ofDestination(endIs(v)) },
  { key: "verdict",    value: "verdict",           help: "FORWARDED, DROPPED, REDIRECTED, AUDIT, TRANSLATED or ERROR",       of: (v) => (f) => f.verdict === v.toUpperCase() },
  { key: "protocol",   value: "name",              help: "TCP, UDP, SCTP, ICMP, ICMPv6, http, or dns",                     of: protocolIs },
  { key: "port",       value: "number",            help: "either end's port",                                         of: (v) => eitherEnd((e) => String(e.port) === v) },
  { key: "reason",     value: "number|name",       help: "the drop reason: 133, POLICY_DENIED or 'Policy denied'",    of: reasonIs },
  { key: "policy",     value: "[namespace/]name",  help: "the policy whose rule decided, or that closed the direction", of: policyIs },
  { key: "rule",       value: "section[index]",    help: "the rule that decided, as ingress[0]",                      of: (v) => (f) => f.rule !== null && `${f.rule.section}[${f.rule.index}]` === v },
  { key: "httpMethod", value: "method",            help: "of the request",                                            of: (v) => (f) => f.http?.method === v.toUpperCase() },
  { key: "httpPath",   value: "path",              help: "of the request, without its query (* is any part)",         of: pathIs },
  { key: "httpStatus", value: "status",            help: "of the answer: 403, or a class as 4xx",                     of: statusIs },
] as const satisfies readonly FilterField[];

export type FilterKey = (typeof FILTER_FIELDS)[number]["key"];

/** `since`: milliseconds since the epoch. */
export type FlowFilter = { readonly [K in FilterKey]?: readonly string[] } & { readonly since?: number };

/** The filter as a predicate. */
export function matcherOf(filter: FlowFilter): Predicate<Flow> {
  const { since = -Infinity } = filter;
  const asked = FILTER_FIELDS.flatMap(({ key, of }) => {
    const values = filter[key] ?? [];
    return values.length === 0 ? [] : [values.map(of)];
  });
  return (flow) => flow.time >= since && asked.every((alternatives) => alternatives.some((matches) => matches(flow)));
}

const ofSource =
  (is: Predicate<FlowEnd>): Predicate<Flow> =>
  (flow) =>
    is(flow.source);
const ofDestination =
  (is: Predicate<FlowEnd>): Predicate<Flow> =>
  (flow) =>
    is(flow.destination);
const eitherEnd =
  (is: Predicate<FlowEnd>): Predicate<Flow> =>
  (flow) =>
    is(flow.source) || is(flow.destination);

function endIs(value: string): Predicate<FlowEnd> {
  const prefix = prefixOf(value);
  if (prefix !== null) return (end) => prefix.check(end.ip, end.ip.includes(":") ? "ipv6" : "ipv4");
  if (value.includes("="))
    return ({ labels }) => labels.some((l) => l === value || l.slice(l.indexOf(":") + 1) === value);
  return podIs(value);
}

/** An address, or one with a length; null: something else. */
function prefixOf(value: string): BlockList | null {
  const [address = "", length, ...rest] = value.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return null;
  const most = family === 4 ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  if (length === "" || !Number.isInteger(bits) || bits < 0 || bits > most) return null;
  const list = new BlockList();
  list.addSubnet(address, bits, family === 4 ? "ipv4" : "ipv6");
  return list;
}

/** A pod, or a service where its address is an end. */
function podIs(value: string): Predicate<FlowEnd> {
  const is = nameIs(value);
  return ({ namespace, pod, service }) => {
    if (pod !== null) return is(namespace, pod);
    const [home = "", name] = service?.split("/") ?? [];
    return name !== undefined && is(home, name);
  };
}

/** `name` in any namespace, or `namespace/name`. */
function nameIs(value: string): (namespace: string | null, name: string) => boolean {
  const is = glob(value);
  return value.includes("/") ? (namespace, name) => is(`${namespace ?? ""}/${name}`) : (_namespace, name) => is(name);
}

function protocolIs(value: string): Predicate<Flow> {
  const name = value.toLowerCase();
  if (name === "dns") return (flow) => flow.dns !== null;
  return name === "http" ? (flow) => flow.http !== null : (flow) => flow.protocol?.toLowerCase() === name;
}

function reasonIs(value: string): Predicate<Flow> {
  const name = value.toLowerCase();
  return ({ reason }) =>
    reason !== null &&
    [String(reason.number), reason.key, reason.text, reason.hubble].some((t) => t.toLowerCase() === name);
}

function policyIs(value: string): Predicate<Flow> {
  const is = nameIs(value);
  return ({ rule, closedBy, asked }) =>
    [...(rule === null ? closedBy : [rule.object]), ...asked.map((r) => r.object)].some((o) => is(o.namespace, o.name));
}

function pathIs(value: string): Predicate<Flow> {
  const is = glob(value);
  return ({ http }) => http !== null && is(http.path.split("?", 1)[0] ?? "");
}

function statusIs(value: string): Predicate<Flow> {
  const status = value.toLowerCase();
  const is = status.endsWith("xx")
    ? (s: string): boolean => s.startsWith(status.slice(0, -2))
    : (s: string): boolean => s === status;
  return ({ http }) => http !== null && is(String(http.status));
}

/** `*` is any part, everything else itself. The first place for each part will do, so the time is linear in the text. */
function glob(pattern: string): Predicate<string> {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return (text) => text === first;
  return (text) => {
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - last.length >= at && text.endsWith(last);
  };
}
