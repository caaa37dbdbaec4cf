/** `ebpf-ts load`: attaches the programs of an object and prints its events until Ctrl-C. */
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import type { Value } from "../lib/object/index.ts";
import type { ObjectSpec, ProgramSpec } from "../lib/object/index.ts";
import { attach, canLoad, load, targetOf } from "../loader/index.ts";
import type { Attachment, LoadedObject, Target, XdpMode } from "../loader/index.ts";
import type { Attach } from "./cli.ts";
import { environmentError, usageError } from "./diagnostics.ts";
import { EXIT } from "./exit.ts";
import { readInput, selectProgram } from "./input.ts";
import { toJson } from "./output.ts";
import type { Output } from "./output.ts";
import { stopOnSignals } from "./signals.ts";

interface LoadOptions {
  readonly program?: string[];
  readonly dev?: string;
  readonly cgroup?: string;
  readonly netns?: string;
  readonly map?: string;
  readonly mode: XdpMode;
  readonly duration?: number;
  readonly json?: true;
}

const EXAMPLES = `
Programs go where their section says: xdp and tcx to --dev, cgroup and sockops to --cgroup, sk_lookup to --netns (or the
namespace of this process), sk_msg to the object's sockmap.

Examples:
  ebpf-ts load filter.ts --dev eth0
  ebpf-ts load filter.o --dev eth0 --netns /run/netns/pod --mode generic
  ebpf-ts load redirect.ts --cgroup /sys/fs/cgroup/system.slice --json | jq .value`;

export function addLoad(program: Command, attachAction: Attach): void {
  const command = program
    .command("load")
    .description("attach an object's programs to the kernel and print their events until Ctrl-C")
    .argument("<file>", "a TypeScript program or an object file")
    .option("--program <name...>", "only these programs")
    .option("--dev <interface>", "for xdp and tcx programs")
    .option("--cgroup <directory>", "for cgroup and sockops programs")
    .option("--netns <file>", "network namespace of the interface, such as /run/netns/pod")
    .option("--map <name>", "for sk_msg programs: the sockmap to attach to (default: the only one)")
    .addOption(new Option("--mode <mode>", "how xdp runs").choices(["auto", "native", "generic"]).default("auto"))
    .option("--duration <seconds>", "stop by itself after this time", parseSeconds)
    .option("--json", "print attachments and events as JSON, one a line, on standard output")
    .addHelpText("after", EXAMPLES);
  attachAction<LoadOptions>(command, ([file = ""], options, out) => loadAndFollow(file, options, out));
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds <= 0) throw new InvalidArgumentError("It is a positive number.");
  return seconds;
}

async function loadAndFollow(file: string, options: LoadOptions, out: Output): Promise<number> {
  const { object } = await readInput(file);
  const chosen =
    options.program?.map((name) => selectProgram(object, name)) ?? object.programs.filter((p) => p.optional !== true);
  requireTargets(chosen, options);
  const loadable = canLoad();
  if (!loadable.ok) throw environmentError("M006", "programs cannot be loaded here", { found: loadable.reason });
  const stop = stopOnSignals(options.duration);
  const links: Attachment[] = [];
  try {
    await using loaded = await load(object, { programs: chosen.map((p) => p.name) });
    for (const spec of chosen) {
      const link = attachOne(loaded, spec, options);
      links.push(link);
      out.say(`attached ${spec.name}: ${link.where}`);
      out.emit({ attached: spec.name, section: spec.section, where: link.where });
    }
    await followEvents(loaded, stop.signal, out);
  } finally {
    for (const link of links.toReversed()) link.detach();
    stop.release();
  }
  return EXIT.ok;
}

/** All that is missing on the command line, before anything is loaded. */
function requireTargets(programs: readonly ProgramSpec[], options: LoadOptions): void {
  for (const { name, type, section } of programs) {
    const needs = targetOf(type);
    if (needs === null) throw usageError(`${name} (${section}) is of a type that this command cannot attach: ${type}`);
    if (needs === "interface" && options.dev === undefined)
      throw usageError(`${name} (${section}) needs --dev <interface>`);
    if (needs === "cgroup" && options.cgroup === undefined)
      throw usageError(`${name} (${section}) needs --cgroup <directory>`);
  }
}

function attachOne(loaded: LoadedObject, spec: ProgramSpec, options: LoadOptions): Attachment {
  const target: Target = {
    xdpMode: options.mode,
    ...(options.dev === undefined ? {} : { interface: options.dev }),
    ...(options.netns === undefined ? {} : { netns: options.netns }),
    ...(options.cgroup === undefined ? {} : { cgroup: options.cgroup }),
    ...(targetOf(spec.type) === "map" ? { map: loaded.map<never, never>(sockmapName(loaded.spec, options.map)) } : {}),
  };
  return attach(loaded.program(spec.name), target);
}

function sockmapName(object: ObjectSpec, wanted: string | undefined): string {
  if (wanted !== undefined) return wanted;
  const names = object.maps.filter((m) => m.type === "sockmap" || m.type === "sockhash").map((m) => m.name);
  const [only] = names;
  if (names.length === 1 && only !== undefined) return only;
  throw usageError(
    `the object has ${names.length} sockmaps${names.length === 0 ? "" : ` (${names.join(", ")})`}: name one with --map`,
  );
}

/** Prints the events of all ring buffers until the signal; waits for it where there are none. */
async function followEvents(loaded: LoadedObject, signal: AbortSignal, out: Output): Promise<void> {
  const names = loaded.spec.maps.filter((m) => m.type === "ringbuf").map((m) => m.name);
  out.note(`${names.length === 0 ? "no ring buffers" : `events of ${names.join(", ")}`}; Ctrl-C stops`);
  const follow = async (map: string): Promise<void> => {
    for await (const value of loaded.ringbuf<Value>(map, { signal })) {
      out.say(`${map} ${toJson(value)}`);
      out.emit({ event: map, value });
    }
  };
  await Promise.all([untilAborted(signal), ...names.map(follow)]);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener("abort", () => done(), { once: true });
  });
}
