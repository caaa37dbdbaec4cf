import type { Cluster } from "../../mesh/objects/types.ts";
import type { FlowQuery, PolicyEngine } from "../../mesh/policy/types.ts";

export function pinToCpu(cpu: number): void;

export class KernelNode {
  static open(node: string, clusterName: string, cpu: number): Promise<KernelNode>;
  readonly engine: PolicyEngine;
  update(cluster: Cluster): void;
  observeDns(name: string, addresses: readonly string[], expires: number): void;
  expireDns(now: number): void;
  ask(
    pod: string,
    direction: "ingress" | "egress",
    flow: FlowQuery,
  ): { readonly action: string; readonly rule: number; readonly l7: number; readonly passes: boolean };
  close(): void;
}
