/**
 * The examples that filter packets, on well-formed and damaged packets of all kinds: the same verdicts, packets, map contents
 * and events on each engine and in the kernel. fast-check prints the seed of what fails.
 */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { loadProgram, targets } from "../../testing/index.ts";
import type { TestProgram } from "../../testing/index.ts";
import { mutatedPackets, packets } from "../../testing/arbitraries.ts";
import { networkOrder, pathOf } from "./example.ts";

interface Subject {
  readonly name: string;
  /** Entries to start with, by map. */
  readonly entries: Readonly<Record<string, readonly (readonly [key: unknown, value: unknown])[]>>;
  readonly events: string;
  /** Maps whose contents are compared. */
  readonly maps: readonly string[];
}

// Ports and prefixes that many packets hit.
// prettier-ignore
const SUBJECTS: readonly Subject[] = [
  {
    name: "examples/xdp-filter",
    entries: {
      blockedPrefixes: [[{ prefixLength: 2, address_be: networkOrder("64.0.0.0") }, { value: 1 }]],
      blockedPorts: [[0, { value: 2 }], [1, { value: 3 }], [80, { value: 4 }]],
    },
    events: "drops",
    maps: ["flows"],
  },
  {
    name: "examples/tcx-policy",
    entries: {
      rules: [[{ identity: 0, port: 80, protocol: 6 }, { value: 0n }], [{ identity: 0, port: 0, protocol: 6 }, { value: 0n }]],
    },
    events: "denials",
    maps: ["rules"],
  },
];

const loaded: TestProgram[] = [];
afterEach(() => {
  for (const program of loaded.splice(0)) program.close();
});

async function loadEverywhere({ name, entries }: Subject): Promise<TestProgram[]> {
  for (const { skip, options } of targets()) {
    if (skip) continue;
    const program = await loadProgram(pathOf(name), options);
    loaded.push(program);
    for (const [map, pairs] of Object.entries(entries)) {
      for (const [key, value] of pairs) program.map<unknown, unknown>(map).set(key, value);
    }
  }
  return loaded;
}

/** Each target has a clock of its own. */
const withoutTime = (events: readonly unknown[]): unknown[] =>
  events.map((event) => ({ ...(event as object), time: 0n }));

const show = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? String(v) : v));
const contents = (program: TestProgram, map: string): string[] =>
  Array.from(program.map(map).entries(), ([key, value]) => `${show(key)} ${show(value)}`).toSorted();

/** The kernel's test run takes no packet that is shorter than the IP header that its Ethernet header announces. */
function isLongEnough(bytes: Uint8Array): boolean {
  const type = ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0);
  return bytes.length >= 14 + (type === 0x0800 ? 20 : type === 0x86dd ? 40 : 0);
}

describe.each(SUBJECTS)("$name", (subject) => {
  test("random packets, everywhere alike", async () => {
    const programs = await loadEverywhere(subject);
    const verdicts = new Set<number | null>();
    fc.assert(
      fc.property(fc.oneof(packets(), packets({ of: ["tcp", "udp"], ip: ["ipv4"] }), mutatedPackets()), (bytes) => {
        fc.pre(isLongEnough(bytes));
        const [expected, ...others] = programs.map((program) => {
          const { returnValue, packet, fault } = program.run(bytes);
          return { returnValue, packet, fault, events: withoutTime(program.events(subject.events)) };
        });
        expect(expected?.fault).toBe(null);
        verdicts.add(expected?.returnValue ?? null);
        for (const other of others) expect(other).toEqual(expected);
      }),
      { numRuns: 400 },
    );
    expect(verdicts.size).toBe(2);
    for (const map of subject.maps) {
      const [expected, ...others] = programs.map((program) => contents(program, map));
      expect(expected?.length).toBeGreaterThan(0);
      for (const other of others) expect(other).toEqual(expected);
    }
  });
});
