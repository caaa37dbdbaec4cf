/**
 * Judgements: what matchers and assertions decide, as values. `message` says what is wrong where the judgement is not the
 * one that was wanted: for `pass: false` why it does not hold, for `pass: true` that it does, for a negated assertion.
 */
import { comparePacket, dissect, formatLayers } from "../lib/packet/index.ts";
import type { LayerSpec } from "../lib/packet/index.ts";
import { verdictsOf } from "../lib/kernel/index.ts";
import type { VerdictMeaning } from "../lib/kernel/index.ts";
import { formatFault } from "../lib/vm/index.ts";
import type { MapView, Redirect } from "../lib/vm/index.ts";
import { testingError } from "./diagnostics.ts";
import type { TestResult } from "./result.ts";
import { hasParts, show } from "./subset.ts";

export interface Judgement {
  readonly pass: boolean;
  readonly message: string;
}

// ---- results of runs

/** The packet, call or message goes on its way. */
export function judgePass(result: TestResult): Judgement {
  return judgeMeaning(result, "pass", "let the packet pass");
}

/** It does not. */
export function judgeDrop(result: TestResult): Judgement {
  return judgeMeaning(result, "drop", "drop the packet");
}

/** It leaves by the interface it came in by (XDP_TX). */
export function judgeTransmit(result: TestResult): Judgement {
  return judgeMeaning(result, "transmit", "send the packet back");
}

function judgeMeaning(result: TestResult, meaning: VerdictMeaning, what: string): Judgement {
  const pass = result.verdict?.meaning === meaning;
  const names = verdictNames(result, meaning);
  return judgement(pass, result, `${what}${names === "" ? "" : ` (${names})`}`);
}

/**
 * It goes to the interface `to`, a number or a name of the `interfaces` option; without `to`, anywhere. The kernel's test run
 * does not tell where a redirect leads: against it, only the verdict is judged.
 */
export function judgeRedirect(result: TestResult, to?: number | string): Judgement {
  const redirected =
    result.verdict?.meaning === "redirect" || (result.verdict?.meaning === "pass" && hasSocketRedirect(result));
  const ifindex = typeof to === "string" ? numberOf(result, to) : to;
  const last = result.redirects?.at(-1);
  const there =
    ifindex === undefined ||
    result.redirects === null ||
    (last !== undefined && "ifindex" in last && last.ifindex === ifindex) ||
    (last?.kind === "devices" && last.devices.some((device) => device.ifindex === ifindex));
  const where = ifindex === undefined ? "" : ` to interface ${typeof to === "string" ? `${to} (${ifindex})` : ifindex}`;
  return judgement(redirected && there, result, `redirect the packet${where}`, describeRedirects(result));
}

/** It returns this number, or the number that the kernel calls by this name at the hook. */
export function judgeReturn(result: TestResult, value: number | string): Judgement {
  const { type, attach } = result.program;
  const named = Object.entries(verdictsOf(type, attach)).find(([, verdict]) => verdict.name === value);
  if (typeof value === "string" && named === undefined) {
    const expected =
      Object.values(verdictsOf(type, attach))
        .map((v) => v.name)
        .join(", ") || "a number";
    throw testingError("T006", `${result.program.name} (${type}) has no return value ${value}`, {
      expected,
      found: value,
      remedy: "give its number",
    });
  }
  const number = typeof value === "string" ? Number(named?.[0]) : value | 0;
  return judgement(result.returnValue === number, result, `return ${value}`);
}

/** It ends with a fault, whose message contains `text` where that is given. */
export function judgeFault(result: TestResult, text = ""): Judgement {
  const pass = result.fault !== null && formatFault(result.fault).includes(text);
  return judgement(pass, result, `end with a fault${text === "" ? "" : ` that says ${JSON.stringify(text)}`}`);
}

/** The packet afterwards is these bytes, or has these layers with these fields (others may be between them). */
export function judgePacket(result: TestResult, expected: Uint8Array | readonly LayerSpec[]): Judgement {
  if (result.packet === null) throw testingError("T006", `${result.program.name} is at a hook without packets`);
  const differences = comparePacket(result.packet, expected, result.start);
  const told = differences.map(({ what, expected: wanted, found }) => `  ${what}: expected ${wanted}, found ${found}`);
  return judgement(differences.length === 0, result, "leave a packet as expected", told);
}

function judgement(pass: boolean, result: TestResult, what: string, more: readonly string[] = []): Judgement {
  const subject = `expected ${result.program.name} ${pass ? "not " : ""}to ${what}`;
  return { pass, message: [`${subject}; it ${describeOutcome(result)}`, ...more, ...describeRun(result)].join("\n") };
}

/** `returned XDP_PASS (2)`, or the fault. */
export function describeOutcome({ fault, returnValue, verdict }: TestResult): string {
  if (fault !== null) return `ended with a fault: ${formatFault(fault)}`;
  return verdict === null ? `returned ${returnValue}` : `returned ${verdict.name} (${returnValue})`;
}

function describeRun(result: TestResult): string[] {
  const { input, packet, start, steps, trace, target } = result;
  const changed = input !== null && packet !== null && comparePacket(packet, input, start).length > 0;
  return [
    ...(input === null ? [] : section("packet", formatLayers(dissect(input, start)).split("\n"))),
    ...(changed ? section("packet afterwards", formatLayers(dissect(packet, start)).split("\n")) : []),
    ...section(
      "last conditions",
      steps().map(({ file, line, text }) => `${file}:${line}  ${text}`),
    ),
    ...section(
      "trace",
      (trace ?? []).map((text) => text.trimEnd()),
    ),
    `run by: ${target}`,
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
}

function verdictNames({ program }: TestResult, meaning: VerdictMeaning): string {
  return Object.values(verdictsOf(program.type, program.attach))
    .filter((verdict) => verdict.meaning === meaning)
    .map((verdict) => verdict.name)
    .join(" or ");
}

function hasSocketRedirect({ redirects }: TestResult): boolean {
  return redirects?.some((redirect) => redirect.kind === "socket") === true;
}

function describeRedirects({ redirects }: TestResult): string[] {
  if (redirects === null) return [];
  return section("redirects", redirects.map(describeRedirect));
}

function describeRedirect(redirect: Redirect): string {
  if ("ifindex" in redirect) return `${redirect.kind} ${redirect.ifindex}`;
  if (redirect.kind === "assign") return redirect.socket === null ? "no socket" : `socket ${redirect.socket.cookie}`;
  if (redirect.kind === "cpu") return `CPU ${redirect.cpu} of ${redirect.map}`;
  if (redirect.kind === "devices") {
    return `${redirect.devices.map(({ ifindex }) => `interface ${ifindex}`).join(", ")} of ${redirect.map}`;
  }
  return `socket ${redirect.socket.cookie} of ${redirect.map}, ${redirect.ingress ? "ingress" : "egress"}`;
}

function numberOf({ interfaces }: TestResult, name: string): number {
  const number = interfaces[name];
  if (number !== undefined) return number;
  const expected = Object.keys(interfaces).join(", ") || "none were given";
  throw testingError("T005", `there is no number for interface ${name}`, { expected, found: name });
}

// ---- maps and events

/**
 * The map has this key, with these members of the value where they are given. A per-CPU value may be given as one value: the
 * sum over all CPUs.
 */
export function judgeEntry<K, V>(map: MapView<K, V>, key: K, value?: unknown): Judgement {
  const found: unknown = map.get(key);
  const shown = Array.isArray(found) && !Array.isArray(value) && value !== undefined ? sumOf(found) : found;
  const pass = found !== undefined && (value === undefined || hasParts(shown, value));
  const wanted = `an entry ${show(key)}${value === undefined ? "" : ` = ${show(value)}`}`;
  if (pass) return { pass, message: `expected the map not to have ${wanted}` };
  const keys = found === undefined ? [`its keys: ${listKeys(map)}`] : [];
  return { pass, message: [`expected the map to have ${wanted}; it has ${show(shown)}`, ...keys].join("\n") };
}

const LISTED_KEYS = 10;

function listKeys<K, V>(map: MapView<K, V>): string {
  const keys = Array.from(map.entries(), ([key]) => show(key));
  const more = keys.length > LISTED_KEYS ? `, and ${keys.length - LISTED_KEYS} more` : "";
  return keys.length === 0 ? "none" : keys.slice(0, LISTED_KEYS).join(", ") + more;
}

/** The sum of numbers, or member by member of objects; what is no number stays as the first has it. */
function sumOf(values: readonly unknown[]): unknown {
  const [first] = values;
  if (typeof first === "bigint") return values.reduce<bigint>((sum, value) => sum + BigInt(value as bigint), 0n);
  if (typeof first === "number") return values.reduce<number>((sum, value) => sum + Number(value), 0);
  if (typeof first !== "object" || first === null || ArrayBuffer.isView(first)) return first;
  const members = Object.keys(first);
  return Object.fromEntries(
    members.map((m) => [m, sumOf(values.map((value) => (value as Record<string, unknown>)[m]))]),
  );
}

/** These events, in this order and no others; each needs only the members that are given. */
export function judgeEvents(events: readonly unknown[], expected: readonly unknown[]): Judgement {
  const pass = hasParts(events, expected);
  const list = (values: readonly unknown[]): string[] => (values.length === 0 ? ["none"] : values.map(show));
  if (pass) return { pass, message: ["expected other events than", ...section("events", list(events))].join("\n") };
  return {
    pass,
    message: ["expected other events", ...section("expected", list(expected)), ...section("found", list(events))].join(
      "\n",
    ),
  };
}
