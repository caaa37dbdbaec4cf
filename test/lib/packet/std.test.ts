/**
 * The header table against what kernel-side programs see: for each class of lib/std/headers.ts a program that reads every
 * member of the header behind Ethernet's, compiled and run on random headers from the table's builders.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAddress, parseMac } from "../../../lib/bytes/index.ts";
import { HEADERS, dissect, ethernet, packet } from "../../../lib/packet/index.ts";
import type { HeaderKind, Layer } from "../../../lib/packet/index.ts";
import { NUMBERS } from "../../../lib/packet/numbers.ts";
import { createMachine } from "../../../lib/vm/index.ts";
import type { Machine } from "../../../lib/vm/index.ts";
import { header } from "../../../testing/arbitraries.ts";
import { compiled } from "../../differential/engines.ts";

const SOURCE = readFileSync(new URL("../../../lib/std/headers.ts", import.meta.url), "utf8");

interface HeaderClass {
  readonly name: string;
  /** What programs can read: accessors and public fields. */
  readonly members: readonly string[];
}

const CLASSES: readonly HeaderClass[] = [...SOURCE.matchAll(/^export class (\w+) \{\n(.*?)^\}/gms)]
  .map(([, name = "", body = ""]) => ({
    name,
    members: [...body.matchAll(/^ {2}(?:get (\w+)\(\)|(\w+): u\d+;)/gm)]
      .map(([, get, field]) => get ?? field ?? "")
      // As they lie in memory, while the table's are in host order.
      .filter((member) => !member.endsWith("_be")),
  }))
  // Not a header: the key of a map.
  .filter(({ name }) => name !== "Ipv4Prefix");

/** The table's kinds for each class. */
// prettier-ignore
const KINDS: Readonly<Record<string, readonly HeaderKind[]>> = {
  Ethernet: ["ethernet"], Vlan: ["vlan"], Arp: ["arp"], Ipv4: ["ipv4"], Ipv6: ["ipv6"], Tcp: ["tcp"], Udp: ["udp"], Icmp: ["icmp", "icmpv6"],
};

const program = ({ name, members }: HeaderClass): string => `
@unmanaged @final class Read${name} { size: u64; ${members.map((m) => `${m}: u64;`).join(" ")} }
export const read${name} = new ArrayMap<Read${name}>(1);
export const ${name.toLowerCase()} = xdp((ctx) => {
  const h = ctx.at<${name}>(14);
  const out = read${name}.get(0);
  if (!h || !out) return XdpAction.Drop;
  out.size = offsetof<${name}>();
  ${members.map((m) => `out.${m} = <u64>h.${m};`).join("\n  ")}
  return XdpAction.Pass;
});`;

const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-headers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let machine: Machine;
beforeAll(async () => {
  const file = join(folder, "headers.ts");
  const names = CLASSES.map(({ name }) => name).join(", ");
  writeFileSync(
    file,
    `import { ArrayMap, XdpAction, xdp, ${names} } from "ebpf-ts/std";\n${CLASSES.map(program).join("\n")}`,
  );
  machine = createMachine(await compiled(file));
});

/** What a member of std is, as the table's fields say it. */
function expected(member: string, layer: Layer): bigint {
  const half = /^([sd]addr)(High|Low)$/.exec(member);
  const fields = layer as unknown as Readonly<Record<string, number | boolean | string>>;
  const value = fields[half?.[1] ?? member];
  if (typeof value !== "string") return BigInt(value ?? -1);
  if (member === "flags")
    return BigInt([..."FSRPAUEC"].reduce((bits, f, i) => bits | (value.includes(f) ? 1 << i : 0), 0));
  const bytes = parseMac(value) ?? parseAddress(value, "ipv4") ?? parseAddress(value, "ipv6") ?? new Uint8Array(0);
  const part = half === null ? bytes : half[2] === "High" ? bytes.subarray(0, 8) : bytes.subarray(8);
  return part.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

test("each class has a header of the table", () => {
  expect(Object.keys(KINDS)).toEqual(CLASSES.map(({ name }) => name));
});

describe.each(CLASSES)("$name", ({ name, members }) => {
  test.each(KINDS[name] ?? [])("%s", (kind) => {
    const fixed = HEADERS[kind].fields.reduce((bits, [, width]) => bits + width, 0) / 8;
    fc.assert(
      fc.property(header(kind), (spec) => {
        const bytes = packet(spec);
        const [layer] = kind === "ethernet" ? dissect(bytes) : readAlone(kind, bytes);
        const { returnValue } = machine.run(name.toLowerCase(), { packet: packet(ethernet(), bytes) });
        expect(returnValue).toBe(2);
        const value = machine.map(`read${name}`).get(new Uint8Array(4)) ?? new Uint8Array(0);
        const words = new BigUint64Array(value.slice().buffer);
        const read = Object.fromEntries(members.map((m, i) => [m, words[i + 1]]));
        expect(words[0]).toBe(BigInt(fixed));
        expect(read).toEqual(
          Object.fromEntries(members.map((m) => [m, expected(m, layer ?? { kind: "payload", bytes })])),
        );
      }),
      { numRuns: 40 },
    );
  });
});

/** The header as `dissect` reads it behind the header that announces it. */
function readAlone(kind: HeaderKind, bytes: Uint8Array): Layer[] {
  const number = (layers: Readonly<Record<number, string>>): number | undefined => {
    const found = Object.entries(layers).find(([, k]) => k === kind);
    return found === undefined ? undefined : Number(found[0]);
  };
  const link = number(NUMBERS.etherType.layers);
  if (link !== undefined) return dissect(packet(ethernet({ type: link }), bytes)).slice(1);
  const protocol = number(NUMBERS.ipProtocol.layers) ?? 0;
  return dissect(packet({ kind: "ipv4", protocol }, bytes), "ip").slice(1);
}
