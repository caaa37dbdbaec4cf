/** The text that Prometheus scrapes. */
import { describe, expect, test } from "vitest";
import { EVENT_KIND } from "../../../mesh/observe/event.ts";
import { createMetrics, MAX_SERIES, SCRAPED } from "../../../mesh/observe/metrics.ts";
import { makeAgent } from "../control/agent.ts";
import { DENIED, eventBytes, REQUEST } from "./events.ts";
import type { EventFields } from "./events.ts";

const { forwarded, dropped, closed, translated } = EVENT_KIND;
const TCP: EventFields = {
  kind: forwarded,
  endpoint: 5,
  protocol: 6,
  sourcePort: 1,
  destinationPort: 80,
  sourceIdentity: 1001,
  destinationIdentity: 1002,
};
async function scrape(prepare: (agent: ReturnType<typeof makeAgent>) => void = () => {}): Promise<string[]> {
  const agent = makeAgent();
  const metrics = createMetrics(agent);
  prepare(agent);
  const text = await metrics.render();
  metrics.close();
  return text.split("\n");
}

const ENDS = (reporter: string): string =>
  `reporter="${reporter}",source_workload="frontend",source_workload_namespace="default",destination_workload="backend",destination_workload_namespace="default"`;

// prettier-ignore
const STATIC: readonly string[] = [
  'cilium_drop_count_total{reason="Policy denied",direction="INGRESS"} 3',
  'cilium_drop_bytes_total{reason="Policy denied",direction="INGRESS"} 180',
  'cilium_forward_count_total{direction="INGRESS"} 10',
  'cilium_forward_bytes_total{direction="EGRESS"} 2000',
  'cilium_policy 1',
  'cilium_policy_max_revision 3',
  'cilium_policy_change_total{outcome="success"} 3',
  'cilium_policy_change_total{outcome="failure"} 1',
  'cilium_policy_import_errors_total 1',
  'cilium_policy_endpoint_enforcement_status{enforcement="none"} 1',
  'cilium_policy_endpoint_enforcement_status{enforcement="ingress"} 1',
  'cilium_policy_endpoint_enforcement_status{enforcement="both"} 0',
  'cilium_endpoint 2',
  'cilium_endpoint_count 2',
  'cilium_endpoint_state{endpoint_state="ready"} 2',
  'cilium_endpoint_state{endpoint_state="not-ready"} 0',
  'cilium_identity{type="cluster_local"} 2',
  'cilium_identity{type="node_local"} 1',
  'cilium_bpf_map_pressure{map_name="flows"} 1',
  'cilium_bpf_maps_virtual_memory_max_bytes 12588',
  'cilium_proxy_redirects{protocol="http"} 1',
  'cilium_agent_bootstrap_seconds{scope="overall",outcome="success"} 0.25',
  'cilium_version{version="1.2.3"} 1',
  'hubble_lost_events_total{source="perf_event_ring_buffer"} 4',
  'mesh_rule_packets_total{namespace="default",policy="secure-access",rule="ingress[0]"} 7',
  'mesh_endpoint_packets_total{namespace="default",pod="backend",direction="INGRESS",action="redirect"} 7',
  'mesh_endpoint_packets_total{namespace="default",pod="backend",direction="INGRESS",action="deny"} 3',
  'mesh_check{check="datapath"} 0',
];

test("what the agent knows", async () => {
  expect(await scrape()).toEqual(expect.arrayContaining([...STATIC]));
});

// prettier-ignore
const COUNTED: readonly [name: string, events: readonly EventFields[], lines: readonly string[]][] = [
  ["an allowed connection", [{ ...TCP, tcpFlags: 0x02 }], [
    'hubble_flows_processed_total{protocol="TCP",type="PolicyVerdict",subtype="",verdict="FORWARDED"} 1',
    'hubble_tcp_flags_total{flag="SYN",family="IPv4"} 1',
    `istio_tcp_connections_opened_total{${ENDS("destination")},request_protocol="tcp",response_flags="-",connection_security_policy="none"} 1`,
  ]],
  ["its answer", [{ ...TCP, tcpFlags: 0x12, isReply: 1 }], ['hubble_tcp_flags_total{flag="SYN-ACK",family="IPv4"} 1']],
  ["its end, as the client's side tells", [{ ...TCP, kind: closed, direction: 1, bytes: 100, replyBytes: 4000 }], [
    'hubble_flows_processed_total{protocol="TCP",type="Trace",subtype="",verdict="FORWARDED"} 1',
    `istio_tcp_connections_closed_total{${ENDS("source")},request_protocol="tcp",response_flags="-",connection_security_policy="none"} 1`,
    `istio_tcp_received_bytes_total{${ENDS("source")},request_protocol="tcp",response_flags="-",connection_security_policy="none"} 100`,
    `istio_tcp_sent_bytes_total{${ENDS("source")},request_protocol="tcp",response_flags="-",connection_security_policy="none"} 4000`,
  ]],
  ["drops", [{ ...TCP, kind: dropped, reason: 133 }, { ...TCP, kind: dropped, reason: 133, protocol: 17 }, { ...TCP, kind: dropped, reason: 220 }], [
    'hubble_drop_total{reason="POLICY_DENIED",protocol="TCP"} 1',
    'hubble_drop_total{reason="POLICY_DENIED",protocol="UDP"} 1',
    'hubble_drop_total{reason="WAYPOINT_DOWN",protocol="TCP"} 1',
    'hubble_flows_processed_total{protocol="TCP",type="Drop",subtype="",verdict="DROPPED"} 2',
  ]],
  ["a translated address", [{ ...TCP, kind: translated }], ['hubble_flows_processed_total{protocol="TCP",type="Unknown",subtype="7",verdict="TRANSLATED"} 1']],
];

describe("what flows tell", () => {
  test.each(COUNTED)("%s", async (_name, events, lines) => {
    const text = await scrape((agent) => {
      for (const event of events) agent.flows.add(eventBytes(event));
    });
    expect(text).toEqual(expect.arrayContaining([...lines]));
  });

  test("requests", async () => {
    const text = await scrape((agent) => {
      agent.flows.addAccess(REQUEST);
      agent.flows.addAccess({ ...REQUEST, ...DENIED, method: "BREW" });
      agent.flows.addAccess({ ...REQUEST, verdict: "refused", failure: "tls", method: "", status: 0 });
    });
    expect(text).toEqual(
      expect.arrayContaining([
        'hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="200",reporter="server"} 1',
        'hubble_http_requests_total{method="other",protocol="HTTP/1.1",status="403",reporter="server"} 1',
        'hubble_http_request_duration_seconds_bucket{le="0.005",method="GET",reporter="server"} 1',
        'hubble_http_request_duration_seconds_bucket{le="+Inf",method="GET",reporter="server"} 1',
        'cilium_policy_l7_total{rule="received",proxy_type="http"} 3',
        'cilium_policy_l7_total{rule="parse_errors",proxy_type="http"} 1',
        'hubble_drop_total{reason="INVALID_PACKET_DROPPED",protocol="HTTP"} 1',
        'cilium_policy_l7_total{rule="denied",proxy_type="http"} 1',
        `istio_requests_total{${ENDS("destination")},request_protocol="http",response_code="403",response_flags="-",connection_security_policy="none"} 1`,
        'hubble_drop_total{reason="POLICY_DENIED",protocol="HTTP"} 1',
      ]),
    );
  });
});

test("no metric has more series than the bound", async () => {
  const agent = makeAgent({
    maps: async () =>
      Array.from({ length: MAX_SERIES + 50 }, (_, i) => ({
        name: `m${i}`,
        entries: i,
        capacity: 2000,
        fixed: false,
        memory: 0,
      })),
  });
  const metrics = createMetrics(agent);
  for (let status = 0; status < MAX_SERIES + 50; status++) {
    agent.flows.addAccess({ ...REQUEST, status });
  }
  const lines = (await metrics.render()).split("\n");
  metrics.close();
  const series = (name: string): string[] => lines.filter((l) => l.startsWith(`${name}{`));
  expect(series("cilium_bpf_map_pressure")).toHaveLength(MAX_SERIES);
  expect(series("cilium_bpf_map_pressure")[0]).toBe('cilium_bpf_map_pressure{map_name="m1049"} 0.5245');
  expect(series("hubble_http_requests_total")).toHaveLength(MAX_SERIES + 1);
  expect(series("hubble_http_requests_total").at(-1)).toBe(
    'hubble_http_requests_total{method="other",protocol="other",status="other",reporter="other"} 50',
  );
});

test("two agents in one process do not share metrics, and a scrape can be repeated", async () => {
  const metrics = createMetrics(makeAgent());
  const value = /^cilium_forward_count_total\{direction="INGRESS"\} (.*)$/m;
  expect(value.exec(await metrics.render())?.[1]).toBe("10");
  expect(value.exec(await metrics.render())?.[1]).toBe("10");
  expect(value.exec(await createMetrics(makeAgent()).render())?.[1]).toBe("10");
});

test("names are as Prometheus wants them", () => {
  for (const { name, type } of SCRAPED) {
    expect(name).toMatch(/^[a-z_]+$/);
    expect(name.endsWith("_total"), name).toBe(type === "counter");
  }
});
