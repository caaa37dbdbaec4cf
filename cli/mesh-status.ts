/** `ebpf-ts mesh status`: whether the agent does its work, and how much room it has. */
import type { Command } from "commander";
import type { StatusDocument } from "../mesh/control/documents.ts";
import type { MapUse } from "../mesh/control/view.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { addAskOptions, clientOf } from "./mesh-ask.ts";
import type { AskOptions } from "./mesh-ask.ts";
import { bytesText, durationText } from "./mesh-words.ts";
import type { Output } from "./output.ts";
import { report } from "./output.ts";
import { formatTable } from "./table.ts";

const MORE = `
Exits with 1 when the agent is not ready: policy is not in force yet, or something that has to be right is wrong. What is
"degraded" is as safe as it should be, and less fast.

Examples:
  ebpf-ts mesh status
  ebpf-ts mesh status --json | jq .ready`;

export function addStatus(mesh: Command, attach: Attach): void {
  const command = addAskOptions(
    mesh.command("status").description("health, readiness, features of the kernel, policy revision, capacity"),
    "print the status as a JSON document",
  ).addHelpText("after", MORE);
  attach<AskOptions>(command, (_args, options, out) => status(options, out));
}

async function status(options: AskOptions, out: Output): Promise<number> {
  const document = await clientOf(options).status();
  out.say(formatStatus(document, Date.now()));
  if (!out.json && document.policy.problems.length > 0) report(out, document.policy.problems);
  out.emit(document);
  return document.ready ? EXIT.ok : EXIT.input;
}

/** `now`: milliseconds since the epoch. */
export function formatStatus(document: StatusDocument, now: number): string {
  const { checks, probes, maps, drift } = document;
  return [
    summary(document, now),
    formatTable(
      ["CHECK", "STATE", ""],
      checks.map((c) => [c.name, c.state, c.message]),
    ),
    formatTable(
      ["KERNEL", "HERE", ""],
      probes.map((p) => [p.feature, p.available ? "yes" : "no", probeText(p)]),
    ),
    mapTable(maps),
    drift.length === 0
      ? "drift: none seen"
      : [
          "drift:",
          ...drift.map((d) => `  ${new Date(d.time).toISOString()}  ${d.what}${d.repaired ? ", repaired" : ""}`),
        ].join("\n"),
  ].join("\n\n");
}

function summary(
  { node, version, started, ready, endpoints, policy, services, waypoint, flows }: StatusDocument,
  now: number,
): string {
  const states = Object.entries(endpoints.states).map(([state, count]) => `${count} ${state}`);
  const listens = waypoint.endpoints.length === 0 ? "" : `, listens in ${waypoint.endpoints.join(", ")}`;
  const lost = flows.lostInKernel + flows.lostByReaders;
  return [
    `${node}: ${ready ? "ready" : "NOT READY"}, agent ${version}, up for ${durationText(now - started)}`,
    `policy:    revision ${policy.revision}, ${count(policy.objects.length, "object")}, ${count(policy.problems.length, "problem")}`,
    `endpoints: ${endpoints.total === 0 ? "none" : states.join(", ")}`,
    `services:  ${services}`,
    `waypoint:  ${waypoint.state}${waypoint.pid === null ? "" : ` (process ${waypoint.pid})`}${listens}${waypoint.message === null ? "" : `: ${waypoint.message}`}`,
    `flows:     ${flows.seen} seen, ${lost === 0 ? "none lost" : `${flows.lostInKernel} lost in the kernel, ${flows.lostByReaders} by slow readers`}`,
  ].join("\n");
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

function probeText({ available, detail, fallback }: StatusDocument["probes"][number]): string {
  return available || fallback === null ? detail : `${detail}; in its place: ${fallback}`;
}

/** How many maps are shown: the fullest, since it is they that somebody may have to do something about. */
const SHOWN_MAPS = 8;

function mapTable(maps: readonly MapUse[]): string {
  const fullest = maps.filter((m) => !m.fixed).toSorted((a, b) => usedOf(b) - usedOf(a));
  const memory = maps.reduce((total, m) => total + (m.memory ?? 0), 0);
  const rows = fullest
    .slice(0, SHOWN_MAPS)
    .map((m) => [
      m.name,
      m.entries,
      m.capacity,
      `${(100 * usedOf(m)).toFixed(1)} %`,
      m.memory === null ? "" : bytesText(m.memory),
    ]);
  const rest = fullest.length - rows.length;
  return [
    formatTable(["MAP", "ENTRIES", "CAPACITY", "USED", "MEMORY"], rows),
    `${rest > 0 ? `${rest} more maps are less full; ` : ""}all have ${bytesText(memory)} of kernel memory`,
  ].join("\n");
}

const usedOf = ({ entries, capacity }: MapUse): number => entries / capacity;
