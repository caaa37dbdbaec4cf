/** Makes the bytes of a FlowEvent, and a small cluster for their names. */
import type { FlowContext } from "../../../mesh/observe/flow.ts";
import { FLOW_EVENT, FLOW_EVENT_BYTES } from "../../../mesh/observe/event.ts";
import type { RuleInfo } from "../../../mesh/policy/types.ts";
import type { AccessRecord } from "../../../mesh/waypoint/types.ts";

type Fields = Omit<typeof FLOW_EVENT, "sourceHi" | "sourceLo" | "destinationHi" | "destinationLo">;
export type EventFields = { [K in keyof Fields]?: number } & {
  readonly source?: string;
  readonly destination?: string;
};

const WIDTH: Record<keyof Fields, 1 | 2 | 4 | 8> = {
  time: 8,
  bytes: 8,
  replyBytes: 8,
  sourceIdentity: 4,
  destinationIdentity: 4,
  endpoint: 4,
  rule: 4,
  sourcePort: 2,
  destinationPort: 2,
  protocol: 1,
  direction: 1,
  kind: 1,
  reason: 1,
  tcpFlags: 1,
  isReply: 1,
  l7: 2,
  length: 4,
};

/** Addresses are IPv4 text, or eight groups of IPv6. */
export function eventBytes({ source = "10.0.0.1", destination = "10.0.0.2", ...numbers }: EventFields): Uint8Array {
  const bytes = new Uint8Array(FLOW_EVENT_BYTES);
  const view = new DataView(bytes.buffer);
  putAddress(view, FLOW_EVENT.sourceHi, source);
  putAddress(view, FLOW_EVENT.destinationHi, destination);
  for (const [name, value] of Object.entries(numbers) as [keyof Fields, number][]) {
    const at = FLOW_EVENT[name];
    const width = WIDTH[name];
    if (width === 1) view.setUint8(at, value);
    else if (width === 2) view.setUint16(at, value, true);
    else if (width === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(Math.round(value)), true);
  }
  return bytes;
}

function putAddress(view: DataView, at: number, text: string): void {
  if (text.includes(":")) {
    for (const [i, group] of text.split(":").entries()) view.setUint16(at + 2 * i, parseInt(group, 16));
    return;
  }
  view.setUint16(at + 10, 0xffff);
  for (const [i, byte] of text.split(".").entries()) view.setUint8(at + 12 + i, Number(byte));
}

export const SECURE_ACCESS = { kind: "CiliumNetworkPolicy", namespace: "default", name: "secure-access" } as const;
export const RULE: RuleInfo = {
  number: 7,
  object: SECURE_ACCESS,
  spec: 0,
  section: "ingress",
  index: 0,
  place: { file: "policy.yaml", line: 6, column: 3, path: "spec.ingress[0]" },
};

const PODS: Readonly<Record<string, string>> = { "10.0.0.1": "default/frontend", "10.0.0.2": "default/backend" };
const LABELS: Readonly<Record<number, readonly string[]>> = {
  2: ["reserved:world"],
  5: ["reserved:init"],
  1001: ["k8s:app=frontend", "k8s:io.kubernetes.pod.namespace=default"],
  1002: ["k8s:app=backend", "k8s:io.kubernetes.pod.namespace=default"],
};

export const CONTEXT: FlowContext = {
  node: "node-1",
  podAt: (address) => PODS[address],
  serviceAt: (address) => (address === "10.96.0.10" ? "default/web" : undefined),
  podOf: (endpoint) => (endpoint === 5 ? "default/backend" : undefined),
  identityOf: (address) => ({ "10.0.0.1": 1001, "10.0.0.2": 1002 })[address] ?? 2,
  httpRules: (number) => (number === 1 ? [RULE.number] : []),
  labelsOf: (identity) => LABELS[identity] ?? [],
  rule: (number) => (number === RULE.number ? RULE : undefined),
  closedBy: (pod, direction) => (pod === "default/backend" && direction === "ingress" ? [SECURE_ACCESS] : []),
};

/** A request of the frontend's to the backend, as its waypoint tells it. */
export const REQUEST: AccessRecord = {
  time: Date.UTC(2026, 10, 26, 10, 12, 31, 123),
  duration: 1.25,
  origin: {
    direction: "ingress",
    endpoint: 5,
    identity: 1001,
    client: { address: "10.0.0.1", port: 43120 },
    destination: { address: "10.0.0.2", port: 80 },
    l7: 1,
    rule: RULE.number,
  },
  method: "GET",
  path: "/public/x?q=1",
  host: "backend",
  status: 200,
  verdict: "forwarded",
  failure: null,
  rule: RULE.number,
  requestBytes: 100,
  responseBytes: 2000,
};
export const DENIED = {
  verdict: "denied",
  failure: "denied",
  status: 403,
  rule: 0,
} as const satisfies Partial<AccessRecord>;
