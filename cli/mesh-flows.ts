/** `ebpf-ts mesh flows`: what passed, what did not, and why. */
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { FILTER_FIELDS } from "../mesh/observe/filter.ts";
import type { FilterKey, FlowFilter } from "../mesh/observe/filter.ts";
import { coloured, formatFlow, plain } from "../mesh/observe/format.ts";
import { hubbleLost, hubbleOf } from "../mesh/observe/hubble.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { addAskOptions, clientOf } from "./mesh-ask.ts";
import type { AskOptions } from "./mesh-ask.ts";
import type { Output } from "./output.ts";
import { stopOnSignals } from "./signals.ts";

type FlowsOptions = AskOptions & { readonly [K in FilterKey]?: readonly string[] } & {
  readonly follow?: true;
  readonly last?: number;
  readonly since?: number;
  readonly addresses?: true;
};

const MORE = `
Different options narrow the choice; one option several times widens it. With --json each flow is a line as "hubble observe
-o jsonpb" prints it, so that its readers read it.

Examples:
  ebpf-ts mesh flows --verdict DROPPED --last 20
  ebpf-ts mesh flows --follow --from default/frontend --to app=backend
  ebpf-ts mesh flows --since 5m --http-status 403 --json | jq .flow.l7.http.url
  ebpf-ts mesh flows --follow --policy secure-access`;

/** Without --last or --since, a terminal full. */
const DEFAULT_LAST = 20;

export function addFlows(mesh: Command, attach: Attach): void {
  const command = mesh
    .command("flows")
    .description("recent flows with their verdicts, the rule that decided or the reason of the drop")
    .option("-f, --follow", "print flows as they come, until Ctrl-C")
    .option("--last <number>", `the newest so many that match (default: ${DEFAULT_LAST}, with --since all)`, parseCount)
    .option(
      "--since <time>",
      "flows of the last 30s, 5m, 2h, 1d, or from a time like 2026-01-31T10:00:00Z on",
      parseSince,
    );
  for (const { key, value, help } of FILTER_FIELDS) {
    command.addOption(new Option(`--${kebab(key)} <${value}>`, help).argParser(collect));
  }
  command.option("--addresses", "print pods' addresses beside their names");
  addAskOptions(command, "print flows as Hubble's JSON, one a line").addHelpText("after", MORE);
  attach<FlowsOptions>(command, (_args, options, out) => flows(options, out));
}

const kebab = (key: string): string => key.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function parseCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It is a number.");
  return Number(text);
}

/** Milliseconds of the units of a duration. */
const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds since the epoch. */
function parseSince(text: string): number {
  const [, number, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (number !== undefined && unit !== undefined) return Date.now() - Number(number) * (UNITS[unit] ?? 0);
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new InvalidArgumentError("It is a duration like 5m, or a time like 2026-01-31T10:00:00Z.");
  return time;
}

async function flows(options: FlowsOptions, out: Output): Promise<number> {
  const { follow = false, since } = options;
  const last = options.last ?? (since === undefined ? DEFAULT_LAST : undefined);
  const client = clientOf(options);
  const stop = stopOnSignals();
  const format = { paint: out.colours ? coloured : plain, addresses: options.addresses === true };
  // A reader that missed flows has to know of which node.
  let node = "";
  try {
    for await (const next of client.flows({
      filter: filterOf(options),
      follow,
      signal: stop.signal,
      ...(last === undefined ? {} : { last }),
    })) {
      if ("lost" in next) {
        out.note(`${next.lost} flows were lost: they came faster than they were read`);
        out.emit(hubbleLost(next.lost, node, Date.now()));
        continue;
      }
      node = next.flow.node;
      if (out.json) out.emit(hubbleOf(next.flow));
      else out.say(formatFlow(next.flow, format));
    }
  } finally {
    stop.release();
  }
  return EXIT.ok;
}

function filterOf(options: FlowsOptions): FlowFilter {
  const fields: { [K in FilterKey]?: readonly string[] } = {};
  for (const { key } of FILTER_FIELDS) {
    const values = options[key];
    if (values !== undefined) fields[key] = values;
  }
  return options.since === undefined ? fields : { ...fields, since: options.since };
}
