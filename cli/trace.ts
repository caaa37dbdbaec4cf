/**
 * `ebpf-ts run --trace`: each instruction as it is executed, under the source line that it came from.
 *
 *   filter.ts:41  if (ip.ttl == 0) return XDP_DROP;
 *      12: r2 = *(u8 *)(r6 +22)              packet+22         r2 = 0x40
 */
import { Tracer } from "../lib/vm/index.ts";
import type { TracedAccess, TraceRow } from "../lib/vm/index.ts";
import { formatSource, formatValue } from "./listing.ts";
import type { Describe, Listing } from "./listing.ts";
import type { Output } from "./output.ts";

// Columns: instruction, memory.
const TEXT = 44;
const ACCESS = 24;

/** `describe` finds what a value points to. */
export function createTracer(listing: Listing, describe: Describe, out: Output): Tracer {
  let above: string | null = null;
  return new Tracer((row) => {
    const text = listing.text(row.program, row.slot);
    const changed = [...(row.changed ?? [])].map(([i, value]) => [`r${i}`, value] as const);
    const place = row.access === null ? null : placeOf(row.access, describe);
    out.emit({ trace: plainRow(row, text, changed, place) });
    const source = row.source === null ? null : formatSource(row.source);
    if (source !== null && source !== above) out.say(`   ${source}`);
    above = source;
    const effects = row.changed === null ? "fault" : changed.map((c) => `${c[0]} = ${formatValue(c[1], describe)}`);
    const indent = "  ".repeat(row.depth);
    const slot = String(row.slot).padStart(6);
    out.say(
      `${indent}${slot}: ${text.padEnd(TEXT)} ${(place ?? "").padEnd(ACCESS)} ${[effects].flat().join(", ")}`.trimEnd(),
    );
  });
}

function placeOf({ address }: TracedAccess, describe: Describe): string {
  return describe(address) ?? `0x${address.toString(16)}`;
}

function plainRow(
  { program, slot, source, depth, access, changed: registers }: TraceRow,
  text: string,
  changed: readonly (readonly [register: string, value: bigint])[],
  place: string | null,
): Record<string, unknown> {
  const hex = (value: bigint): string => `0x${value.toString(16)}`;
  return {
    program,
    slot,
    text,
    source: source === null ? null : { file: source.file, line: source.line },
    depth,
    access: access === null ? null : { ...access, address: hex(access.address), place },
    registers: registers === null ? null : Object.fromEntries(changed.map(([name, value]) => [name, hex(value)])),
  };
}
