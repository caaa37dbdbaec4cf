/** `ebpf-ts mesh endpoints`: the pods whose traffic the agent judges. */
import type { Command } from "commander";
import type { EndpointView } from "../mesh/control/view.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { addAskOptions, clientOf } from "./mesh-ask.ts";
import type { AskOptions } from "./mesh-ask.ts";
import { labelTexts } from "./mesh-words.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";

const MORE = `
ENFORCING names the directions that some policy closes; in the others everything passes that no rule denies.

Examples:
  ebpf-ts mesh endpoints
  ebpf-ts mesh endpoints --json | jq '.[] | select(.state != "ready")'`;

export function addEndpoints(mesh: Command, attach: Attach): void {
  const command = addAskOptions(
    mesh.command("endpoints").description("the node's pods: identity, addresses, state, which directions are closed"),
    "print the endpoints as a JSON list",
  ).addHelpText("after", MORE);
  attach<AskOptions>(command, (_args, options, out) => endpoints(options, out));
}

async function endpoints(options: AskOptions, out: Output): Promise<number> {
  const found = await clientOf(options).endpoints();
  out.say(found.length === 0 ? "no endpoints: nothing is registered with the agent" : formatEndpoints(found));
  out.emit(found);
  return EXIT.ok;
}

export function formatEndpoints(found: readonly EndpointView[]): string {
  const header = [
    "ENDPOINT",
    "ID",
    "STATE",
    "IDENTITY",
    "LABELS",
    "ADDRESSES",
    "INTERFACE",
    "ENFORCING",
    "WAYPOINT",
    "REVISION",
  ];
  const rows = found.map((e) => [
    `${e.namespace}/${e.name}`,
    e.id,
    e.problem === null ? e.state : `${e.state}: ${e.problem}`,
    e.identity,
    labelTexts(e.labels),
    e.addresses.join(","),
    e.interface,
    enforcingText(e.enforcing),
    e.waypoint,
    e.revision,
  ]);
  return formatTable(header, rows);
}

function enforcingText({ ingress, egress }: EndpointView["enforcing"]): string {
  if (ingress && egress) return "both";
  if (ingress) return "ingress";
  return egress ? "egress" : "none";
}
