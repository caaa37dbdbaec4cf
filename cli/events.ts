/** The input of `run` and `debug`: events at a program's hook, and what its maps hold beforehand. */
import type { Command } from "commander";
import { NETWORK_LAYER_TYPES } from "../lib/kernel/index.ts";
import type { ProgramSpec } from "../lib/object/index.ts";
import { parseHex, readFrames } from "../lib/packet/index.ts";
import { codecsOf } from "../lib/vm/index.ts";
import type { ContextInput, Machine } from "../lib/vm/index.ts";
import { inputError, usageError } from "./diagnostics.ts";
import { fromJson, membersOf, readJson } from "./from-json.ts";
import type { Json } from "./from-json.ts";
import { readBytes } from "./input.ts";
import { addKernelOptions } from "./kernel.ts";
import type { KernelOptions } from "./kernel.ts";

export interface EventOptions extends KernelOptions {
  readonly packet?: string;
  readonly pcap?: string;
  readonly context?: string;
  readonly maps?: string;
}

/** The options of `EventOptions`; `pcap` says what a capture is for. */
export function addEventOptions(command: Command, pcap: string): Command {
  return addKernelOptions(command)
    .option("--packet <hex>", "the packet, from its Ethernet header on; blanks and colons are allowed")
    .option("--pcap <file>", pcap)
    .option("--context <json>", "fields of the hook's context by the kernel's names; JSON or a file with it")
    .option("--maps <json>", 'map entries to start with, {"map": [[key, value], …]}; JSON or a file with it');
}

/** Throws `UsageError` for options that do not go together. */
export function checkEventOptions({ packet, pcap }: EventOptions): void {
  if (packet !== undefined && pcap !== undefined) throw usageError("--packet and --pcap do not go together");
}

/** Types that are about a packet from its Ethernet header on: without one, a run would say nothing. */
const OF_FRAMES: ReadonlySet<string> = new Set(["xdp", "sched_cls", "sched_act", "cgroup_skb", "socket_filter"]);

/** Bytes of an Ethernet header. */
const LINK_HEADER = 14;

/** One run each, as the program sees the packet; null for an event without one. */
export function readPackets(
  { name, section, type }: ProgramSpec,
  { packet, pcap }: EventOptions,
): readonly (Uint8Array | null)[] {
  const seen = (frame: Uint8Array): Uint8Array => (NETWORK_LAYER_TYPES.has(type) ? frame.subarray(LINK_HEADER) : frame);
  if (packet !== undefined) return [seen(parseHex(packet))];
  if (pcap !== undefined) return readFrames(readBytes(pcap), pcap).map(({ bytes }) => seen(bytes));
  if (OF_FRAMES.has(type)) throw usageError(`${name} (${section}) needs --packet or --pcap`);
  return [null];
}

export function readContext(text: string | undefined): { context?: ContextInput } {
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

export function fillMaps(machine: Machine, text: string | undefined): void {
  if (text === undefined) return;
  const json = readJson(text, "--maps");
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
