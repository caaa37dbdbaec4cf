/** `ebpf-ts mesh services`: the service addresses that the node's pods can use, and their backends. */
import type { Command } from "commander";
import type { ServiceView } from "../mesh/control/view.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { addAskOptions, clientOf } from "./mesh-ask.ts";
import type { AskOptions } from "./mesh-ask.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";

const MORE = `
A backend in parentheses takes no new connections and finishes those that it has.

Examples:
  ebpf-ts mesh services
  ebpf-ts mesh services --json | jq '.[].frontends[].address'`;

export function addServices(mesh: Command, attach: Attach): void {
  const command = addAskOptions(
    mesh.command("services").description("service addresses and their backends"),
    "print the services as a JSON list",
  ).addHelpText("after", MORE);
  attach<AskOptions>(command, (_args, options, out) => services(options, out));
}

async function services(options: AskOptions, out: Output): Promise<number> {
  const found = await clientOf(options).services();
  out.say(found.length === 0 ? "no services" : formatServices(found));
  out.emit(found);
  return EXIT.ok;
}

export function formatServices(found: readonly ServiceView[]): string {
  const rows = found.flatMap(({ namespace, name, frontends }) =>
    frontends.map((f) => [
      `${namespace}/${name}`,
      `${hostPort(f.address, f.port)}/${f.protocol}`,
      f.affinity === 0 ? f.algorithm : `${f.algorithm}, affinity ${f.affinity} s`,
      f.backends.length === 0 ? "none" : f.backends.map(backendText).join(" "),
    ]),
  );
  return formatTable(["SERVICE", "ADDRESS", "CHOICE", "BACKENDS"], rows);
}

type Backend = ServiceView["frontends"][number]["backends"][number];

function backendText({ address, port, weight, active }: Backend): string {
  const text = `${hostPort(address, port)}${weight === 1 ? "" : `*${weight}`}`;
  return active ? text : `(${text})`;
}

const hostPort = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
