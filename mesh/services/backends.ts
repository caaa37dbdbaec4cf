/** Who is behind a port of a service: from its EndpointSlices, or from the pods that its selector finds when it has none. */
import type { EndpointSlice, Pod, Service, ServicePort } from "../objects/types.ts";

/** Before it has a number. */
export interface Candidate {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly node: string | null;
  /** Takes new flows. */
  readonly ready: boolean;
  /** Goes away, and still answers. */
  readonly draining: boolean;
}

/** Candidates of one address family, one for each address and port; and pods that lack the named target port. */
export interface Found {
  readonly candidates: readonly Candidate[];
  readonly without: readonly string[];
}

export function fromSlices(slices: readonly EndpointSlice[], port: ServicePort, v6: boolean): Found {
  const candidates = slices.flatMap((slice) => {
    const target = slice.ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol);
    if (target === undefined) return [];
    return slice.endpoints.flatMap(({ addresses, ready, serving, terminating, weight, node }) =>
      ofFamily(addresses, v6).map((address) => ({
        address,
        port: target.port,
        weight,
        node,
        ready: ready && !terminating,
        draining: serving && terminating,
      })),
    );
  });
  return { candidates: unite(candidates.filter(isThere)), without: [] };
}

export function fromPods(pods: readonly Pod[], port: ServicePort, v6: boolean): Found {
  const candidates: Candidate[] = [];
  const without: string[] = [];
  for (const pod of pods) {
    const target = targetOf(pod, port);
    if (target === undefined) {
      without.push(`${pod.namespace}/${pod.name}`);
      continue;
    }
    for (const address of ofFamily(pod.addresses, v6)) {
      const { weight, node, ready, terminating } = pod;
      candidates.push({
        address,
        port: target,
        weight,
        node,
        ready: ready && !terminating,
        draining: ready && terminating,
      });
    }
  }
  return { candidates: unite(candidates.filter(isThere)), without };
}

/** The pods that a service's selector finds; an empty selector finds none, as in Kubernetes. */
export function selectPods(service: Service, pods: readonly Pod[]): Pod[] {
  const wanted = Object.entries(service.selector ?? {});
  if (wanted.length === 0) return [];
  return pods.filter((pod) => wanted.every(([key, value]) => pod.labels[key] === value));
}

function isThere({ ready, draining }: Candidate): boolean {
  return ready || draining;
}

export function isIpv6(address: string): boolean {
  return address.includes(":");
}

function ofFamily(addresses: readonly string[], v6: boolean): readonly string[] {
  return addresses.filter((address) => isIpv6(address) === v6);
}

function targetOf(pod: Pod, { targetPort, protocol }: ServicePort): number | undefined {
  if (typeof targetPort === "number") return targetPort;
  return pod.ports.find((port) => port.name === targetPort && port.protocol === protocol)?.port;
}

/** Sorted, so that all nodes make the same tables; of two that say the same address, the ready one. */
function unite(candidates: readonly Candidate[]): Candidate[] {
  const known = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const key = seedOf(candidate);
    if (known.get(key)?.ready !== true) known.set(key, candidate);
  }
  return [...known].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
}

/** `10.0.0.1:80`; text that is the same on every node. */
export function seedOf({ address, port }: { readonly address: string; readonly port: number }): string {
  return isIpv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
