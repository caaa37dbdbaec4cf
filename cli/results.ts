/** What came of runs, as `run` and `debug` tell it. */
import { verdictOf } from "../lib/kernel/index.ts";
import type { ProgramSpec, Value } from "../lib/object/index.ts";
import { codecsOf, drainEvents, explainFault, ProgArray, RingbufMap, SocketMap, viewMap } from "../lib/vm/index.ts";
import type { Fault, Machine, Redirect, RunResult, VmMap } from "../lib/vm/index.ts";
import { cliDiagnostic } from "./diagnostics.ts";
import { report, toJson } from "./output.ts";
import type { Output } from "./output.ts";

/** A run that is over. */
export interface Event {
  /** From 1, as capture tools count. */
  readonly number: number;
  readonly packet: Uint8Array | null;
  readonly result: RunResult;
}

/** Tells what came of a run. */
export function tellRun(program: ProgramSpec, machine: Machine, { number, packet, result }: Event, out: Output): void {
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
  const { source, kind } = fault;
  const place = source === null ? undefined : ({ kind: "source", ...source } as const);
  out.say(`${number}: fault`);
  const at = source === null ? ` (${fault.program}, slot ${fault.slot})` : "";
  report({ ...out, emit: () => undefined }, [
    cliDiagnostic("I003", `${kind}: ${explainFault(fault)}${at}`, place === undefined ? {} : { place }),
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

export type Contents = Readonly<Record<string, readonly (readonly [key: Value, value: Value])[]>>;

/** The entries of all maps that hold data, without zeros in arrays (where every entry exists) and without constants. */
export function contentsOf(machine: Machine): Contents {
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

export function tellMaps(maps: Contents, out: Output): void {
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
