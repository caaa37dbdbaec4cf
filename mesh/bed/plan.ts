/** What a bed is made of: the nodes and pods of a cluster, and hosts outside of it. */
import { isIP } from "node:net";
import type { Cluster, Node, Pod } from "../objects/types.ts";
import { bedError } from "./diagnostics.ts";

export type BedNode = Pick<Node, "name" | "addresses">;

/** A host-network pod has no namespace of its own: it is its node's, and `addresses` are not looked at. */
export type BedPod = Pick<Pod, "namespace" | "name" | "addresses" | "hostNetwork"> & { readonly node: string };

/** Somebody beyond the cluster, who reaches it through the underlay. */
export interface OutsideHost {
  readonly name: string;
  readonly addresses: readonly string[];
}

export interface BedPlan {
  readonly nodes: readonly BedNode[];
  readonly pods: readonly BedPod[];
  readonly outside: readonly OutsideHost[];
}

/** `namespace/name`, as a pod is called everywhere. */
export const podKey = (pod: Pick<Pod, "namespace" | "name">): string => `${pod.namespace}/${pod.name}`;

/** The plan of a described cluster. Pods that no node runs are left out: they have no place to be. */
export function planOf(cluster: Pick<Cluster, "nodes" | "pods">, outside: readonly OutsideHost[] = []): BedPlan {
  const pods = [...cluster.pods.values()].flatMap((pod) => (pod.node === null ? [] : [{ ...pod, node: pod.node }]));
  return { nodes: [...cluster.nodes.values()], pods, outside };
}

/** Throws H006 for a plan with a pod on no node, without addresses, or with an address that somebody has already. */
export function checkPlan(plan: BedPlan): void {
  const nodes = new Set(plan.nodes.map((node) => node.name));
  const owners = new Map<string, string>();
  const claim = (owner: string, addresses: readonly string[]): void => {
    if (addresses.length === 0) throw bedError("H006", `${owner} has no address`);
    for (const address of addresses) {
      if (isIP(address) === 0) throw bedError("H006", `${owner} has an address that is none`, { found: address });
      const other = owners.get(address);
      if (other !== undefined)
        throw bedError("H006", `${owner} and ${other} have the same address`, { found: address });
      owners.set(address, owner);
    }
  };
  for (const node of plan.nodes) claim(`node ${node.name}`, node.addresses);
  for (const host of plan.outside) claim(`outside host ${host.name}`, host.addresses);
  for (const pod of plan.pods) {
    if (!nodes.has(pod.node)) {
      throw bedError("H006", `pod ${podKey(pod)} is on a node that is not there`, {
        expected: [...nodes].join(", "),
        found: pod.node,
      });
    }
    if (!pod.hostNetwork) claim(`pod ${podKey(pod)}`, pod.addresses);
  }
}
