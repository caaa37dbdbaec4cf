/**
 * A flow as one line for people: when, from whom, to whom, what became of it, and which rule decided.
 *
 *   10:12:31.123  default/frontend:43120 -> default/backend:80 TCP  DROPPED  Policy denied (133)  ingress, no rule of ...
 */
import { rcodeName } from "../dns/message.ts";
import type { ObjectRef } from "../objects/types.ts";
import type { Flow, FlowDns, FlowEnd, FlowRule, FlowVerdict } from "./types.ts";

/** Paints a text; the identity where there are no colours. */
export type Paint = (text: string, colour: Colour) => string;
export type Colour = "red" | "green" | "yellow" | "cyan" | "dim";

// prettier-ignore
const ESCAPES: Record<Colour, string> = { red: "\u001b[31m", green: "\u001b[32m", yellow: "\u001b[33m", cyan: "\u001b[36m", dim: "\u001b[2m" };

export const plain: Paint = (text) => text;
/** With the escape sequences of a terminal. */
export const coloured: Paint = (text, colour) => `${ESCAPES[colour]}${text}\u001b[0m`;

// prettier-ignore
const VERDICT_COLOURS: Record<FlowVerdict, Colour> = {
  FORWARDED: "green", DROPPED: "red", REDIRECTED: "cyan", AUDIT: "yellow", TRANSLATED: "cyan", ERROR: "yellow",
};

export interface FormatOptions {
  readonly paint?: Paint;
  /** Of addresses, where there is a pod's name too. */
  readonly addresses?: boolean;
  /** UTC in place of the machine's time zone. */
  readonly utc?: boolean;
}

/** The line of a flow; what came from the network is printable text in it. */
export function formatFlow(flow: Flow, { paint = plain, addresses = false, utc = false }: FormatOptions = {}): string {
  const end = (e: FlowEnd): string => nameOf(e, addresses);
  const arrow = flow.isReply ? "<-" : "->";
  const ends = flow.isReply ? [flow.destination, flow.source] : [flow.source, flow.destination];
  return [
    paint(timeOf(flow.time, utc), "dim"),
    `${ends.map(end).join(` ${arrow} `)} ${whatOf(flow)}`,
    paint(flow.verdict, VERDICT_COLOURS[flow.verdict]),
    ...outcomeOf(flow),
  ].join("  ");
}

function timeOf(time: number, utc: boolean): string {
  const date = new Date(time);
  const clock = utc
    ? [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    : [date.getHours(), date.getMinutes(), date.getSeconds()];
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${clock.map(two).join(":")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

const UNSPECIFIED: ReadonlySet<string> = new Set(["::", "0.0.0.0"]);

/** `namespace/pod:port`, else the address with its reserved identity: `192.0.2.7:443 (world)`. */
function nameOf({ ip, port, identity, labels, namespace, pod, service }: FlowEnd, addresses: boolean): string {
  // A socket that is not bound yet has no address: what is dropped there has no source.
  if (identity === 0 && UNSPECIFIED.has(ip)) return "unknown";
  // Port 0: a socket that is not bound yet.
  const shown = port === 0 ? null : port;
  const at = (host: string): string => (shown === null ? host : `${host}:${shown}`);
  const address = ip.includes(":") && shown !== null ? `[${ip}]` : ip;
  if (pod !== null) return at(`${namespace}/${pod}${addresses ? ` (${ip})` : ""}`);
  if (service !== null) return `${at(address)} (service ${service})`;
  const reserved = labels.find((label) => label.startsWith("reserved:"));
  return `${at(address)} (${reserved === undefined ? `identity ${identity}` : reserved.slice("reserved:".length)})`;
}

function whatOf({ dns, http, protocol, protocolNumber, icmpType }: Flow): string {
  if (http !== null) return `HTTP ${printable(http.method)} ${printable(http.path)}`;
  if (dns !== null) return `DNS ${dns.type} ${printable(dns.query)}`;
  if (icmpType !== null) return `${protocol} type ${icmpType}`;
  return protocol ?? `protocol ${protocolNumber}`;
}

/** The columns after the verdict. */
function outcomeOf(flow: Flow): readonly string[] {
  const { dns, http, reason, verdict } = flow;
  if (http !== null)
    return [
      `${http.status === 0 ? "no answer" : http.status} in ${http.milliseconds.toFixed(1)} ms`,
      whyHttp(flow, http),
    ];
  if (dns !== null) return [answerText(dns), whyDns(flow, dns)];
  if (reason !== null) return [`${reason.text} (${reason.number})`, whyDropped(flow)];
  if (flow.closed) return [`closed, ${flow.bytes} bytes, ${flow.replyBytes} back`, whyAllowed(flow)];
  if (verdict === "REDIRECTED") return ["to the waypoint", whyAllowed(flow)];
  if (verdict === "TRANSLATED") return ["to a backend of the service"];
  return [whyAllowed(flow)];
}

/** Reasons of which the rule is the cause; with others it is what the flow was judged by. */
const DENIALS: ReadonlySet<string> = new Set(["PolicyDeny", "Prefilter"]);

function whyDropped({ rule, closedBy, direction, reason, endpoint, source, destination }: Flow): string {
  // The source address says who somebody wants to be: who it is has to be told.
  if (reason?.key === "InvalidSource" && endpoint !== null) return `${direction} of ${endpoint}, ${reason.meaning}`;
  if (rule !== null && DENIALS.has(reason?.key ?? "")) return `${direction}, denied by ${ruleText(rule)}`;
  if (rule !== null) return `${direction}, ${ruleText(rule)}: ${reason?.meaning ?? "no reason given"}`;
  if (closedBy.length > 0) return `${direction}, no rule of ${closedBy.map(objectText).join(", ")} allows it`;
  const own = direction === "ingress" ? destination : source;
  if (reason?.key === "PolicyDenied" && own.labels.includes("reserved:init")) {
    return `${direction}, ${endpoint ?? own.ip} is closed until its Pod is known`;
  }
  return `${direction}, ${reason?.meaning ?? "no reason given"}`;
}

function whyAllowed({ rule, direction, isReply, source }: Flow): string {
  if (rule !== null) return `${direction}, allowed by ${ruleText(rule)}`;
  if (isReply) return `${direction}, reply`;
  if (direction === "ingress" && source.labels.includes("reserved:host")) return "ingress, from the own node";
  return `${direction}, no policy closes it`;
}

function answerText({ rcode, addresses, milliseconds }: FlowDns): string {
  if (rcode === null) return "no answer";
  const what = rcode === 0 && addresses.length > 0 ? addresses.join(", ") : rcodeName(rcode);
  return `${what} in ${milliseconds.toFixed(1)} ms`;
}

function whyDns({ rule, direction, verdict }: Flow, { failure }: FlowDns): string {
  if (failure !== null) return `${direction}, ${failure}`;
  if (rule === null) return direction;
  return verdict === "DROPPED"
    ? `${direction}, no DNS rule of ${ruleText(rule)} matches`
    : `${direction}, allowed by ${ruleText(rule)}`;
}

function whyHttp({ rule, asked, direction, verdict }: Flow, { failure }: NonNullable<Flow["http"]>): string {
  if (failure !== null) return `${direction}, ${failure}`;
  if (rule === null) return direction;
  return verdict === "DROPPED"
    ? `${direction}, no HTTP rule of ${asked.map(ruleText).join(", ")} matches`
    : `${direction}, allowed by ${ruleText(rule)}`;
}

/** `default/secure-access ingress[0] (policy.yaml:9)`: of the file its name, the JSON has the path. */
function ruleText({ object, spec, section, index, place }: FlowRule): string {
  return `${objectText(object)} ${spec === 0 ? "" : `specs[${spec}].`}${section}[${index}] (${place.file.slice(place.file.lastIndexOf("/") + 1)}:${place.line})`;
}

/** `default/secure-access`, or the name alone where it is of the cluster. */
export function objectText({ namespace, name }: ObjectRef): string {
  return namespace === null ? name : `${namespace}/${name}`;
}

/** Whoever sends requests must not write to the terminal of whoever reads the log. */
function printable(text: string): string {
  return text.replaceAll(/[^\u0021-\u007e]/gu, (c) => `\\x${(c.codePointAt(0) ?? 0).toString(16).padStart(2, "0")}`);
}
