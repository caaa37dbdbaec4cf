/** What becomes of events: the flow, its line for people, its JSON for Hubble's readers. */
import { describe, expect, test } from "vitest";
import { EVENT_KIND } from "../../../mesh/observe/event.ts";
import { coloured, formatFlow } from "../../../mesh/observe/format.ts";
import { hubbleLost, hubbleOf } from "../../../mesh/observe/hubble.ts";
import { FlowLog } from "../../../mesh/observe/log.ts";
import type { Flow } from "../../../mesh/observe/types.ts";
import type { AccessRecord } from "../../../mesh/waypoint/types.ts";
import { CONTEXT, DENIED, eventBytes, REQUEST, SECURE_ACCESS } from "./events.ts";
import type { EventFields } from "./events.ts";

/** TCP from the frontend to the backend's port 80, as the backend's ingress sees it. */
const TO_BACKEND: EventFields = {
  sourceIdentity: 1001,
  destinationIdentity: 1002,
  endpoint: 5,
  sourcePort: 43120,
  destinationPort: 80,
  protocol: 6,
  direction: 0,
  tcpFlags: 0x02,
  length: 60,
};
const { forwarded, dropped, redirected, audited, closed, translated } = EVENT_KIND;

function flowOf(fields: EventFields): Flow {
  const log = new FlowLog(CONTEXT);
  log.add(eventBytes({ ...TO_BACKEND, ...fields }));
  const [flow] = log.recent();
  if (flow === undefined) throw new Error("no flow");
  return flow;
}

function flowOfRequest(record: Partial<AccessRecord>): Flow {
  const log = new FlowLog(CONTEXT);
  log.addAccess({ ...REQUEST, ...record });
  const [flow] = log.recent();
  if (flow === undefined) throw new Error("no flow");
  return flow;
}

const line = (flow: Flow): string => formatFlow({ ...flow, time: REQUEST.time }, { utc: true });

const ENDS = "default/frontend:43120 -> default/backend:80 TCP";
const WHERE = "default/secure-access ingress[0] (policy.yaml:6)";

// prettier-ignore
const LINES: readonly [name: string, fields: EventFields, line: string][] = [
  ["no rule",       { kind: dropped, reason: 133 },                  `${ENDS}  DROPPED  Policy denied (133)  ingress, no rule of default/secure-access allows it`],
  ["deny rule",     { kind: dropped, reason: 181, rule: 7 },         `${ENDS}  DROPPED  Policy denied by denylist (181)  ingress, denied by ${WHERE}`],
  ["allowed",       { kind: forwarded, rule: 7 },                    `${ENDS}  FORWARDED  ingress, allowed by ${WHERE}`],
  ["no policy",     { kind: forwarded },                             `${ENDS}  FORWARDED  ingress, no policy closes it`],
  ["redirected",    { kind: redirected, rule: 7 },                   `${ENDS}  REDIRECTED  to the waypoint  ingress, allowed by ${WHERE}`],
  ["audited",       { kind: audited, reason: 133 },                  `${ENDS}  AUDIT  Policy denied (133)  ingress, no rule of default/secure-access allows it`],
  ["closed",        { kind: closed, rule: 7, bytes: 10, replyBytes: 20 }, `${ENDS}  FORWARDED  closed, 10 bytes, 20 back  ingress, allowed by ${WHERE}`],
  ["translated",    { kind: translated, direction: 1, sourcePort: 0, destination: "10.96.0.10" },
                                                                     "default/frontend -> 10.96.0.10:80 (service default/web) TCP  TRANSLATED  to a backend of the service"],
  ["reply",         { kind: forwarded, isReply: 1, source: "10.0.0.2", sourcePort: 80, destination: "10.0.0.1", destinationPort: 43120 },
                                                                     "default/frontend:43120 <- default/backend:80 TCP  FORWARDED  ingress, reply"],
  ["no waypoint",   { kind: dropped, reason: 220, rule: 7 },         `${ENDS}  DROPPED  Waypoint not available (220)  ingress, ${WHERE}: the flow has HTTP rules and nothing is there to check them`],
  ["locked down",   { kind: dropped, reason: 221 },                  `${ENDS}  DROPPED  Endpoint locked down (221)  ingress, the endpoint's policy did not fit into the maps`],
  ["from outside",  { kind: dropped, reason: 133, source: "192.0.2.7", sourceIdentity: 2 },
                                                                     "192.0.2.7:43120 (world) -> default/backend:80 TCP  DROPPED  Policy denied (133)  ingress, no rule of default/secure-access allows it"],
  ["IPv6",          { kind: forwarded, source: "fd00:0:0:0:0:0:0:9", sourceIdentity: 77 },
                                                                     "[fd00::9]:43120 (identity 77) -> default/backend:80 TCP  FORWARDED  ingress, no policy closes it"],
  ["ICMP",          { kind: forwarded, protocol: 1, destinationPort: 0x8008 }, "default/frontend -> default/backend ICMP type 8  FORWARDED  ingress, no policy closes it"],
  ["no backend",    { kind: dropped, reason: 158, direction: 1, endpoint: 0, source: "0:0:0:0:0:0:0:0", sourcePort: 0, sourceIdentity: 0, destination: "10.96.0.10", destinationIdentity: 0 },
                                                                     "unknown -> 10.96.0.10:80 (service default/web) TCP  DROPPED  Service backend not found (158)  egress, the service has no ready backend"],
  ["spoofed",       { kind: dropped, reason: 132, direction: 1 },    `${ENDS}  DROPPED  Invalid source ip (132)  egress of default/backend, a pod used a source address that is not its own`],
  ["no Pod yet",    { kind: dropped, reason: 133, direction: 1, source: "10.0.0.2", sourceIdentity: 5, destination: "10.0.0.1" },
                                                                     "default/backend:43120 -> default/frontend:80 TCP  DROPPED  Policy denied (133)  egress, default/backend is closed until its Pod is known"],
  ["other",         { kind: dropped, reason: 142, protocol: 47 },    "default/frontend -> default/backend protocol 47  DROPPED  Unknown L4 protocol (142)  ingress, a transport protocol that policies cannot name"],
];

describe("lines", () => {
  test.each(LINES)("%s", (_name, fields, expected) => {
    expect(line(flowOf(fields))).toBe(`10:12:31.123  ${expected}`);
  });

  test("a request that passes", () => {
    expect(line(flowOfRequest({}))).toBe(
      `10:12:31.123  default/frontend:43120 -> default/backend:80 HTTP GET /public/x?q=1  FORWARDED  200 in 1.3 ms  ingress, allowed by ${WHERE}`,
    );
  });

  test("a request that no rule allows", () => {
    expect(line(flowOfRequest({ ...DENIED, path: "/admin" }))).toBe(
      `10:12:31.123  default/frontend:43120 -> default/backend:80 HTTP GET /admin  DROPPED  403 in 1.3 ms  ingress, no HTTP rule of ${WHERE} matches`,
    );
  });

  test("a request that is not HTTP as it must be", () => {
    const refused = { verdict: "refused", failure: "bothLengths", status: 400, rule: 0 } as const;
    const flow = flowOfRequest(refused);
    expect(flow.reason?.number).toBe(134);
    expect(line(flow)).toContain("DROPPED  400 in 1.3 ms  ingress, Content-Length together with Transfer-Encoding");
  });

  test("a request that the server did not answer", () => {
    expect(line(flowOfRequest({ verdict: "failed", failure: "connectFailed", status: 503 }))).toContain(
      "ERROR  503 in 1.3 ms  ingress, no connection to the server",
    );
  });

  test("egress: the other end's identity is the server's", () => {
    const origin = {
      ...REQUEST.origin,
      direction: "egress",
      identity: 2,
      destination: { address: "192.0.2.7", port: 80 },
    } as const;
    expect(line(flowOfRequest({ origin }))).toContain("default/frontend:43120 -> 192.0.2.7:80 (world) HTTP");
    expect(flowOfRequest({ origin }).source.identity).toBe(1001);
  });

  test("a path cannot write to the terminal", () => {
    expect(line(flowOfRequest({ path: "/\u001b[2J\n" }))).toContain("GET /\\x1b[2J\\x0a  ");
  });

  test("colours are around the verdict and the time only", () => {
    const text = formatFlow(
      { ...flowOf({ kind: dropped, reason: 133 }), time: REQUEST.time },
      { utc: true, paint: coloured },
    );
    expect(text.startsWith("\u001b[2m10:12:31.123\u001b[0m  default/frontend")).toBe(true);
    expect(text).toContain("TCP  \u001b[31mDROPPED\u001b[0m  Policy denied");
  });
});

test("the time is the wall clock's", () => {
  const { time } = flowOf({ kind: forwarded, time: Number(process.hrtime.bigint()) });
  expect(Math.abs(time - Date.now())).toBeLessThan(1000);
});

describe("Hubble's JSON", () => {
  test("a drop", () => {
    const flow = { ...flowOf({ kind: dropped, reason: 133 }), time: REQUEST.time };
    expect(hubbleOf(flow)).toEqual({
      flow: {
        time: "2026-11-26T10:12:31.123Z",
        verdict: "DROPPED",
        drop_reason: 133,
        drop_reason_desc: "POLICY_DENIED",
        IP: { source: "10.0.0.1", destination: "10.0.0.2", ipVersion: "IPv4" },
        l4: { TCP: { source_port: 43120, destination_port: 80, flags: { SYN: true } } },
        source: { identity: 1001, namespace: "default", labels: CONTEXT.labelsOf(1001), pod_name: "frontend" },
        destination: { identity: 1002, namespace: "default", labels: CONTEXT.labelsOf(1002), pod_name: "backend" },
        Type: "L3_L4",
        node_name: "node-1",
        event_type: { type: 1, sub_type: 133 },
        traffic_direction: "INGRESS",
        is_reply: false,
        ingress_denied_by: [{ name: "secure-access", namespace: "default", kind: "CiliumNetworkPolicy" }],
        Summary: "TCP Flags: SYN",
      },
      node_name: "node-1",
      time: "2026-11-26T10:12:31.123Z",
    });
  });

  test("a request", () => {
    expect(hubbleOf(flowOfRequest({}))).toMatchObject({
      flow: {
        Type: "L7",
        verdict: "FORWARDED",
        event_type: { type: 129 },
        l7: {
          type: "RESPONSE",
          latency_ns: "1250000",
          http: { code: 200, method: "GET", url: "http://backend/public/x?q=1", protocol: "HTTP/1.1" },
        },
        ingress_allowed_by: [{ name: SECURE_ACCESS.name }],
        rule: { section: "ingress", index: 0, place: { file: "policy.yaml", line: 6 } },
        Summary: "HTTP/1.1 200 1ms (GET http://backend/public/x?q=1)",
      },
    });
  });

  test("lost flows", () => {
    expect(hubbleLost(3, "node-1", REQUEST.time)).toEqual({
      lost_events: { source: "HUBBLE_RING_BUFFER", num_events_lost: "3" },
      node_name: "node-1",
      time: "2026-11-26T10:12:31.123Z",
    });
  });
});
