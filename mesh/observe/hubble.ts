/**
 * A flow as Hubble's JSON writes it (`hubble observe -o jsonpb`; api/v1/flow/flow.proto of cilium/cilium, names as in the
 * .proto file, 64-bit integers as text), so that what reads Hubble's exports reads ours. What Hubble has no field for is in
 * `rule`, beside its fields: the section, index and place of the rule that decided.
 */
import { rcodeName } from "../dns/message.ts";
import type { ObjectRef } from "../objects/types.ts";
import type { Flow, FlowDns, FlowEnd, FlowHttp } from "./types.ts";

/** Numbers of pkg/monitor/api/types.go. */
const MESSAGE_TYPE = { drop: 1, trace: 4, policyVerdict: 5, socket: 7, accessLog: 129 } as const;

/** What kind of message Hubble would have made of a flow. */
export function messageTypeOf(flow: Flow): keyof typeof MESSAGE_TYPE {
  if (flow.http !== null || flow.dns !== null) return "accessLog";
  if (flow.verdict === "DROPPED") return "drop";
  if (flow.verdict === "TRANSLATED") return "socket";
  return flow.closed ? "trace" : "policyVerdict";
}

const FLOW_TYPE = { drop: "L3_L4", trace: "L3_L4", policyVerdict: "L3_L4", socket: "SOCK", accessLog: "L7" } as const;

/** One line of Hubble's JSON, as an object. */
export function hubbleOf(flow: Flow): object {
  const time = new Date(flow.time).toISOString();
  const message = messageTypeOf(flow);
  const body = {
    time,
    verdict: flow.verdict,
    ...(flow.reason === null ? {} : { drop_reason: flow.reason.number, drop_reason_desc: flow.reason.hubble }),
    IP: {
      source: flow.source.ip,
      destination: flow.destination.ip,
      ipVersion: familyOf(flow),
    },
    ...layer4(flow),
    source: endpoint(flow.source),
    destination: endpoint(flow.destination),
    ...service("source", flow.source),
    ...service("destination", flow.destination),
    Type: FLOW_TYPE[message],
    node_name: flow.node,
    ...(flow.http === null ? {} : { l7: layer7(flow.http) }),
    ...(flow.dns === null ? {} : { l7: layer7Dns(flow.dns) }),
    event_type: { type: MESSAGE_TYPE[message], ...(message === "drop" ? { sub_type: flow.reason?.number ?? 0 } : {}) },
    traffic_direction: flow.direction.toUpperCase(),
    is_reply: flow.isReply,
    ...policies(flow),
    ...(flow.rule === null ? {} : { rule: flow.rule }),
    Summary: summary(flow),
  };
  return { flow: body, node_name: flow.node, time };
}

/** That flows were lost to whoever reads them. */
export function hubbleLost(count: number, node: string, time: number): object {
  return {
    lost_events: { source: "HUBBLE_RING_BUFFER", num_events_lost: String(count) },
    node_name: node,
    time: new Date(time).toISOString(),
  };
}

/** By the destination: the source may be a socket that has no address yet. */
export function familyOf({ destination }: Flow): "IPv4" | "IPv6" {
  return destination.ip.includes(":") ? "IPv6" : "IPv4";
}

function layer4({ protocol, source, destination, tcpFlags, icmpType }: Flow): object {
  const ports = { source_port: source.port ?? 0, destination_port: destination.port ?? 0 };
  switch (protocol) {
    case "TCP":
      return { l4: { TCP: { ...ports, flags: Object.fromEntries(tcpFlags.map((flag) => [flag, true])) } } };
    case "UDP":
    case "SCTP":
      return { l4: { [protocol]: ports } };
    case "ICMP":
      return { l4: { ICMPv4: { type: icmpType ?? 0 } } };
    case "ICMPv6":
      return { l4: { ICMPv6: { type: icmpType ?? 0 } } };
    case null:
      return {};
  }
}

function endpoint({ identity, labels, namespace, pod }: FlowEnd): object {
  return {
    identity,
    ...(namespace === null ? {} : { namespace }),
    labels,
    ...(pod === null ? {} : { pod_name: pod }),
  };
}

function service(which: "source" | "destination", { service: key }: FlowEnd): object {
  if (key === null) return {};
  const [namespace, name] = key.split("/");
  return { [`${which}_service`]: { name, namespace } };
}

function layer7(http: FlowHttp): object {
  return {
    type: "RESPONSE",
    latency_ns: String(Math.round(http.milliseconds * 1e6)),
    http: { code: http.status, method: http.method, url: `http://${http.host}${http.path}`, protocol: http.version },
  };
}

function layer7Dns({ query, type, rcode, addresses, ttl, milliseconds }: FlowDns): object {
  const answer = rcode === null ? {} : { rcode, ips: addresses, ttl };
  return {
    type: rcode === null ? "REQUEST" : "RESPONSE",
    latency_ns: String(Math.round(milliseconds * 1e6)),
    // Hubble writes names with the dot of the root.
    dns: { query: `${query}.`, qtypes: [type], observation_source: "proxy", ...answer },
  };
}

/** Hubble says per direction which policies allowed or denied. */
function policies({ direction, rule, closedBy, asked, verdict }: Flow): object {
  const deciding = rule === null ? closedBy : [rule.object];
  const objects = verdict === "DROPPED" && asked.length > 0 ? [...new Set(asked.map((r) => r.object))] : deciding;
  if (objects.length === 0) return {};
  const outcome = verdict === "DROPPED" || verdict === "AUDIT" ? "denied" : "allowed";
  return { [`${direction}_${outcome}_by`]: objects.map(policy) };
}

function policy({ kind, namespace, name }: ObjectRef): object {
  return { name, ...(namespace === null ? {} : { namespace }), kind };
}

function summary({ dns, http, protocol, tcpFlags, icmpType }: Flow): string {
  if (http !== null) {
    return `${http.version} ${http.status} ${http.milliseconds.toFixed(0)}ms (${http.method} http://${http.host}${http.path})`;
  }
  if (dns !== null) {
    const answer = dns.rcode === null ? "" : ` ${rcodeName(dns.rcode)} ${dns.addresses.join(",")}`;
    return `DNS ${dns.type} ${dns.query}.${answer}`.trimEnd();
  }
  if (protocol === "TCP") return `TCP Flags: ${tcpFlags.toReversed().join(", ")}`;
  if (icmpType !== null) return `${protocol === "ICMP" ? "ICMPv4" : "ICMPv6"} type ${icmpType}`;
  return protocol ?? "";
}
