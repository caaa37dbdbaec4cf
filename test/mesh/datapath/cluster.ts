/** A small cluster as the engine would tell it, written by hand: who is let in where. */
import type { DatapathEndpoint } from "../../../mesh/datapath/datapath.ts";
import type { PodPolicy } from "../../../mesh/datapath/writer.ts";
import type { PodPlace } from "../../../mesh/bed/bed.ts";
import { podKey } from "../../../mesh/bed/plan.ts";
import type { EndpointPolicy, EngineChange, HostEntry, Judgement, PortTable } from "../../../mesh/policy/types.ts";

export const DENY: Judgement = { verdict: { action: "deny", rule: 0, l7: 0 }, ports: null };
export const ALLOW: Judgement = { verdict: { action: "allow", rule: 0, l7: 0 }, ports: null };
const TCP = 6;
const NODE_IDENTITY = 1;

export const OPEN: EndpointPolicy = {
  ingress: { otherwise: ALLOW, identities: new Map() },
  egress: { otherwise: ALLOW, identities: new Map() },
};

let tables = 0;
/** Lets these identities in at one TCP port, and everything out. */
export function letIn(port: number, ...identities: readonly number[]): EndpointPolicy {
  const ports: PortTable = {
    number: ++tables,
    entries: [{ protocol: TCP, port, bits: 16, verdict: { action: "allow", rule: 1, l7: 0 } }],
  };
  const some = identities.map((identity) => [identity, { ...DENY, ports }] as const);
  return { ...OPEN, ingress: { otherwise: DENY, identities: new Map([[NODE_IDENTITY, ALLOW], ...some]) } };
}

/** A change of nothing but what is given. */
export function changeOf(more: Partial<EngineChange>): EngineChange {
  return {
    first: null,
    newPortTables: [],
    newHttpRules: [],
    newRules: [],
    endpoints: new Map(),
    hosts: { set: [], deleted: [] },
    identities: new Map(),
    prefilter: null,
    oldPortTables: [],
    oldHttpRules: [],
    ...more,
  };
}

export const hostEntry = (address: string, identity: number, pod: string | null, local = false): HostEntry => ({
  prefix: `${address}/${address.includes(":") ? 128 : 32}`,
  identity,
  pod,
  local,
});

/** What a CNI plugin would tell of a pod. */
export function endpointOf(place: PodPlace, id: number | null = null): DatapathEndpoint {
  return {
    pod: podKey(place.pod),
    interface: place.nodeDevice?.name ?? "",
    netns: place.netns,
    cgroup: place.cgroup,
    addresses: place.pod.addresses,
    id,
  };
}

export const known = (identity: number, policy: EndpointPolicy): PodPolicy => ({ identity, policy });
