/** `ebpf-ts run`: one program on one event, or on each packet of a capture, in the interpreter. */
import type { Command } from "commander";
import { verdictOf } from "../lib/kernel/index.ts";
import type { ProgramSpec, Value } from "../lib/object/index.ts";
import { parseHex, readFrames } from "../lib/packet/index.ts";
import { codecsOf, createMachine, drainEvents, ProgArray, RingbufMap, SocketMap, viewMap } from "../lib/vm/index.ts";
import type { ContextInput, Fault, Machine, Redirect, RunResult, VmMap } from "../lib/vm/index.ts";
import type { Attach } from "./cli.ts";
import { cliDiagnostic, inputError, usageError } from "./diagnostics.ts";
import { EXIT } from "./exit.ts";
import { fromJson, membersOf, readJson } from "./from-json.ts";
import type { Json } from "./from-json.ts";
import { readBytes, readInput, selectProgram } from "./input.ts";
import { report, toJson } from "./output.ts";
import type { Output } from "./output.ts";

interface RunOptions {
  readonly packet?: string;
  readonly pcap?: string;
  readonly context?: string;
  readonly maps?: string;
  readonly json?: true;
}

const EXAMPLES = `
Time, CPU and random numbers are simulated: the same command prints the same thing each time.

Examples:
  ebpf-ts run filter.ts filter --packet "ffffffffffff 020000000001 0806"
  ebpf-ts run filter.o filter --pcap traffic.pcap --maps '{"blocked":[[23,{"value":0}]]}'
  ebpf-ts run filter.ts filter --pcap traffic.pcap --json | jq -r .verdict | sort | uniq -c
  ebpf-ts run redirect.ts redirect --context '{"user_ip4":"10.96.0.10","user_port":80,"protocol":6}'`;

export function addRun(program: Command, attach: Attach): void {
  const command = program
    .command("run")
    .description("run a program in the interpreter, without privilege: on a packet, a capture, or an event of a socket")
    .argument("<file>", "a TypeScript program or an object file")
    .argument("<program>", "its name in the object")
    .option("--packet <hex>", "the packet, from its Ethernet header on; blanks and colons are allowed")
    .option("--pcap <file>", "run on each packet of this capture")
    .option("--context <json>", "fields of the hook's context by the kernel's names; JSON or a file with it")
    .option("--maps <json>", 'map entries to start with, {"map": [[key, value], …]}; JSON or a file with it')
    .option("--json", "print one JSON document for each packet, then one with the maps, on standard output")
    .addHelpText("after", EXAMPLES);
  attach<RunOptions>(command, ([file = "", name = ""], options, out) => run(file, name, options, out));
}

async function run(file: string, name: string, options: RunOptions, out: Output): Promise<number> {
  if (options.packet !== undefined && options.pcap !== undefined)
    throw usageError("--packet and --pcap do not go together");
  const { object } = await readInput(file);
  const program = selectProgram(object, name);
  const packets = readPackets(program, options);
  const context = readContext(options.context);
  const machine = createMachine(object);
  if (options.maps !== undefined) fillMaps(machine, readJson(options.maps, "--maps"));
  let faults = 0;
  for (const [i, packet] of packets.entries()) {
    const result = machine.run(name, { ...context, ...(packet === null ? {} : { packet }) });
    if (result.fault !== null) faults++;
    tellRun(program, machine, { number: i + 1, packet, result }, out);
  }
  const maps = contentsOf(machine);
  tellMaps(maps, out);
  out.emit({ ok: faults === 0, program: name, runs: packets.length, faults, maps });
  return faults === 0 ? EXIT.ok : EXIT.input;
}

// ---- what goes in ----

/** Types that are about a packet from its Ethernet header on: without one, a run would say nothing. */
const OF_FRAMES: ReadonlySet<string> = new Set(["xdp", "sched_cls", "sched_act", "cgroup_skb", "socket_filter"]);

/** One run each; null for an event without a packet. */
function readPackets(
  { name, section, type }: ProgramSpec,
  { packet, pcap }: RunOptions,
): readonly (Uint8Array | null)[] {
  if (packet !== undefined) return [parseHex(packet)];
  if (pcap !== undefined) return readFrames(readBytes(pcap), pcap).map(({ bytes }) => bytes);
  if (OF_FRAMES.has(type)) throw usageError(`${name} (${section}) needs --packet or --pcap`);
  return [null];
}

function readContext(text: string | undefined): { context?: ContextInput } {
  if (text === undefined) return {};
  const json = readJson(text, "--context");
  const wrong = membersOf(json, "--context").find(
    ([, v]) => typeof v === "boolean" || v === null || (typeof v === "object" && !Array.isArray(v)),
  );
  if (wrong !== undefined) {
    const more = { expected: "a number, an address as text, or a list of numbers", found: JSON.stringify(wrong[1]) };
    throw inputError("I004", `--context: ${wrong[0]} cannot have this value`, more);
  }
  return { context: json as ContextInput };
}

function fillMaps(machine: Machine, json: Json): void {
  for (const [name, entries] of membersOf(json, "--maps")) {
    const map = machine.map(name);
    const { key, value } = codecsOf(machine, map);
    for (const [k, v] of pairsOf(name, entries)) {
      map.set(key.encode(fromJson(k, key)), value.encode(fromJson(v, value)));
    }
  }
}

function pairsOf(name: string, entries: Json): readonly (readonly [Json, Json])[] {
  const pairs: readonly Json[] = Array.isArray(entries) ? (entries as readonly Json[]) : [null];
  return pairs.map((pair) => {
    if (Array.isArray(pair) && pair.length === 2) return pair as unknown as readonly [Json, Json];
    throw inputError("I004", `--maps: the entries of ${name}`, {
      expected: "[[key, value], …]",
      found: JSON.stringify(pair),
    });
  });
}

// ---- what comes out ----

interface Event {
  /** From 1, as capture tools count. */
  readonly number: number;
  readonly packet: Uint8Array | null;
  readonly result: RunResult;
}

function tellRun(program: ProgramSpec, machine: Machine, { number, packet, result }: Event, out: Output): void {
  const { returnValue, fault, instructions, trace } = result;
  const verdict = returnValue === null ? null : (verdictOf(program.type, program.attach, returnValue)?.name ?? null);
  const changed = packet !== null && result.packet !== null && !sameBytes(packet, result.packet) ? result.packet : null;
  const events = readEvents(machine);
  const redirects = result.redirects.map((redirect) => plainRedirect(machine, redirect));
  out.emit({
    number,
    returnValue,
    verdict,
    fault,
    instructions,
    changed,
    context: result.context,
    redirects,
    events,
    trace,
  });
  if (fault === null)
    out.say(
      `${number}: ${verdict === null ? `returned ${returnValue}` : `${verdict} (${returnValue})`}, ${instructions} instructions`,
    );
  else tellFault(number, fault, out);
  if (packet !== null && changed !== null) out.say(`   packet was ${toText(packet)}\n   packet is  ${toText(changed)}`);
  if (packet === null) out.say(`   context ${toText(withoutZeros(result.context))}`);
  for (const redirect of redirects) out.say(`   redirect ${toText(redirect)}`);
  for (const text of trace) out.say(`   trace ${text.trimEnd()}`);
  for (const [map, values] of Object.entries(events))
    for (const value of values) out.say(`   event ${map} ${toText(value)}`);
}

/** A fault is told like a compile error: at the line of the program. */
function tellFault(number: number, fault: Fault, out: Output): void {
  const { source, message, kind } = fault;
  const place = source === null ? undefined : ({ kind: "source", ...source } as const);
  out.say(`${number}: fault`);
  const at = source === null ? ` (${fault.program}, slot ${fault.slot})` : "";
  report({ ...out, emit: () => undefined }, [
    cliDiagnostic("I003", `${kind}: ${message}${at}`, place === undefined ? {} : { place }),
  ]);
}

function readEvents(machine: Machine): Record<string, Value[]> {
  const rings = [...machine.maps.values()].filter((map) => map instanceof RingbufMap);
  const events = rings.map(({ name }) => [name, drainEvents(machine, name)] as const);
  return Object.fromEntries(events.filter(([, values]) => values.length > 0));
}

/** Without the live socket. */
function plainRedirect(machine: Machine, redirect: Redirect): Record<string, unknown> {
  if (redirect.kind === "assign") return { kind: redirect.kind, cookie: redirect.socket?.cookie ?? null };
  if (redirect.kind !== "socket") return redirect;
  const { kind, map, key, socket, ingress } = redirect;
  return { kind, map, key: codecsOf(machine, machine.map(map)).key.decode(key), cookie: socket.cookie, ingress };
}

type Contents = Readonly<Record<string, readonly (readonly [key: Value, value: Value])[]>>;

/** The entries of all maps that hold data, without zeros in arrays (where every entry exists) and without constants. */
function contentsOf(machine: Machine): Contents {
  const holding = [...machine.maps.values()].filter(
    (map) => !(map instanceof RingbufMap || map instanceof ProgArray) && !map.spec.frozen,
  );
  return Object.fromEntries(holding.map((map) => [map.name, entriesOf(machine, map)]));
}

function entriesOf(machine: Machine, map: VmMap): readonly (readonly [Value, Value])[] {
  const { key } = codecsOf(machine, map);
  if (map instanceof SocketMap) {
    return map.keys().map((k) => [key.decode(k), { cookie: map.getSocket(k)?.cookie ?? 0n }] as const);
  }
  const array = map.spec.type === "array" || map.spec.type === "percpu_array";
  return Array.from(viewMap(machine, map.name).entries()).filter(([, value]) => !array || !isZero(value));
}

function tellMaps(maps: Contents, out: Output): void {
  for (const [name, entries] of Object.entries(maps)) {
    out.say(`map ${name}: ${entries.length === 0 ? "empty" : ""}`.trimEnd());
    for (const [key, value] of entries) out.say(`   ${toText(key)} = ${toText(value)}`);
  }
}

function isZero(value: Value): boolean {
  if (value instanceof Uint8Array) return value.every((byte) => byte === 0);
  if (typeof value === "object") return Object.values(value).every(isZero);
  return Number(value) === 0;
}

function withoutZeros(fields: RunResult["context"]): RunResult["context"] {
  const plain = new Set<unknown>([0, 0n, "0.0.0.0", "::"]);
  return Object.fromEntries(
    Object.entries(fields).filter(([, v]) => !plain.has(v) && !(Array.isArray(v) && v.every((n) => n === 0))),
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function toText(value: unknown): string {
  return value instanceof Uint8Array ? toJson(value).slice(1, -1) : toJson(value);
}
