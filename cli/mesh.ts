/** `ebpf-ts mesh …`: the agent of a node, and commands that ask it. */
import type { Command } from "commander";
import type { Attach } from "./cli.ts";
import { addMeshDemo } from "./mesh-demo.ts";
import { addEndpoints } from "./mesh-endpoints.ts";
import { addFlows } from "./mesh-flows.ts";
import { addPolicy } from "./mesh-policy.ts";
import { addServices } from "./mesh-services.ts";
import { addStatus } from "./mesh-status.ts";
import { addUninstall } from "./mesh-uninstall.ts";
import { addUp } from "./mesh-up.ts";

const MORE = `
The agent runs on each node ("mesh up") and enforces CiliumNetworkPolicy and NetworkPolicy from a folder of YAML files for
the pods that are registered with it. The other commands ask it through its socket. docs/mesh.md tells how it works.`;

export function addMesh(program: Command, attach: Attach): void {
  const mesh = program
    .command("mesh")
    .description("network policy, services and flows of a node's pods")
    .addHelpText("after", MORE);
  for (const add of [addUp, addStatus, addEndpoints, addPolicy, addFlows, addServices, addUninstall, addMeshDemo]) {
    add(mesh, attach);
  }
}
