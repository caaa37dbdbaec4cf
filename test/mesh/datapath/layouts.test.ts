/** Every layout written by hand here against the codec of the compiled programs' own types. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readElf } from "../../../lib/elf/index.ts";
import { codecOf } from "../../../lib/object/index.ts";
import type { Value } from "../../../lib/object/index.ts";
import { mapAddress, mapPrefix, maskTo } from "../../../mesh/datapath/addresses.ts";
import * as layouts from "../../../mesh/datapath/layouts.ts";
import type { Layout } from "../../../mesh/datapath/layouts.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const object = readElf(readFileSync(join(ROOT, "dist/programs/mesh.o")));

/** The part of a map as the programs know it. */
function typeOf(map: string, part: "key" | "value"): number {
  const spec = object.maps.find(({ name }) => name === map);
  return (part === "key" ? spec?.keyType : spec?.valueType) ?? 0;
}

const four = mapAddress("10.1.2.3");
const six = mapAddress("fd00::1:2");
const word = (bytes: Uint8Array, at: number): bigint => Buffer.from(bytes).readBigUInt64LE(at);
const row = <T>(
  map: string,
  part: "key" | "value",
  layout: Layout<T>,
  value: T,
  decoded: Value,
): readonly [string, "key" | "value", Layout<unknown>, unknown, Value] => [
  map,
  part,
  layout as Layout<unknown>,
  value,
  decoded,
];

// prettier-ignore
const ROWS = [
  row("hosts", "key", layouts.ADDRESS, four, { hi: word(four, 0), lo: word(four, 8) }),
  row("hosts", "value", layouts.HOST, { identity: 300, endpoint: 7, local: true }, { identity: 300, endpoint: 7, flags: 1 }),
  row("prefixes", "key", layouts.PREFIX, mapPrefix("10.0.0.0/8"), { bits: 104, a: 0, b: 0, c: 0xffff0000, d: 10 }),
  row("prefixes", "key", layouts.PREFIX, mapPrefix("fd00::/64"), { bits: 64, a: 0xfd, b: 0, c: 0, d: 0 }),
  row("endpoints", "key", layouts.U32, 12, 12),
  row("namespaces", "key", layouts.U64, 0x1_0000_0002n, 0x1_0000_0002n),
  row("endpoints", "value", layouts.ENDPOINT,
    { ipv4: four, ipv6: six, id: 1, identity: 2, generation: 3, flags: 4, policy: 5 },
    { hi4: word(four, 0), lo4: word(four, 8), hi6: word(six, 0), lo6: word(six, 8), id: 1, identity: 2, generation: 3, flags: 4, policy: 5 }),
  row("endpoints", "value", layouts.ENDPOINT,
    { ipv4: null, ipv6: null, id: 1, identity: 2, generation: 3, flags: 4, policy: 5 },
    { hi4: 0n, lo4: 0n, hi6: 0n, lo6: 0n, id: 1, identity: 2, generation: 3, flags: 4, policy: 5 }),
  row("judgements", "key", layouts.JUDGEMENT_KEY, { policy: 1, identity: 2, direction: 1 }, { policy: 1, identity: 2, direction: 1 }),
  row("judgements", "value", layouts.JUDGEMENT, { ports: 1, rule: 2, action: "redirect", flags: 5, l7: 6 }, { ports: 1, rule: 2, action: 2, flags: 5, l7: 6 }),
  row("verdicts", "key", layouts.PORT_KEY, { ports: 1, protocol: 6, port: 80 }, { ports: 1, port: 80, protocol: 6 }),
  row("verdicts", "value", layouts.VERDICT, { rule: 9, action: "allow", l7: 3 }, { rule: 9, action: 1, l7: 3 }),
  row("portRanges", "key", layouts.PORT_PREFIX, { ports: 0x01020304, protocol: 17, port: 0x1f40, bits: 10 },
    { bits: 50, ports: 0x04030201, protocol: 17, portHigh: 0x1f, portLow: 0x40 }),
  row("settings", "value", layouts.SETTINGS, { identities: 1, flags: 4, waypointPort: 15001 }, { identities: 1, flags: 4, waypointPort: 15001 }),
];

describe("layouts", () => {
  test.each(ROWS)("%s %s", (map, part, layout, value, decoded) => {
    const codec = codecOf(object.btf, typeOf(map, part));
    const bytes = layouts.encodeOne(layout, value);
    expect(layout.size).toBe(codec.size);
    const found = codec.decode(bytes);
    if (typeof decoded === "object") expect(found).toMatchObject(decoded);
    else expect(found).toBe(decoded);
    // Whatever is not named is zero: keys are compared byte by byte.
    expect(codec.encode(typeof found === "object" ? { ...(found as object), ...(decoded as object) } : found)).toEqual(
      bytes,
    );
  });

  test("what is read back", () => {
    const endpoint = { ipv4: four, ipv6: six, id: 1, identity: 2, generation: 3, flags: 4, policy: 5 };
    expect(layouts.readEndpoint(layouts.encodeOne(layouts.ENDPOINT, endpoint))).toEqual({
      id: 1,
      generation: 3,
      flags: 4,
      policy: 5,
    });
    const host = { identity: 300, endpoint: 7, local: true };
    expect(layouts.readHost(layouts.encodeOne(layouts.HOST, host))).toEqual(host);
    const settings = { identities: 1, flags: 4, waypointPort: 5 };
    expect(layouts.readSettings(layouts.encodeOne(layouts.SETTINGS, settings))).toEqual(settings);
    const key = { policy: 77, identity: 2, direction: 1 };
    expect(layouts.readU32(layouts.encodeOne(layouts.JUDGEMENT_KEY, key), layouts.OWNERS.judgements)).toBe(77);
    const port = { ports: 78, protocol: 6, port: 80, bits: 16 };
    expect(layouts.readU32(layouts.encodeOne(layouts.PORT_KEY, port), layouts.OWNERS.verdicts)).toBe(78);
    expect(layouts.readU32(layouts.encodeOne(layouts.PORT_PREFIX, port), layouts.OWNERS.portRanges)).toBe(78);
    const flow = codecOf(object.btf, typeOf("flows", "value"));
    const empty = flow.decode(new Uint8Array(flow.size)) as object;
    expect(layouts.readU32(flow.encode({ ...empty, endpoint: 79 }), layouts.OWNERS.flow)).toBe(79);
  });
});

describe("addresses", () => {
  test.each([
    ["10.1.2.3/8", 104, "00000000000000000000ffff0a000000"],
    ["10.1.2.3", 128, "00000000000000000000ffff0a010203"],
    ["0.0.0.0/0", 96, "00000000000000000000ffff00000000"],
    ["::/0", 0, "00000000000000000000000000000000"],
    ["fd00::ffff/63", 63, "fd000000000000000000000000000000"],
    ["fd00:0:0:3::/63", 63, "fd000000000000020000000000000000"],
  ])("%s", (text, bits, hex) => {
    const prefix = mapPrefix(text);
    expect([prefix.bits, Buffer.from(prefix.bytes).toString("hex")]).toEqual([bits, hex]);
  });

  test.each(["", "host", "10.0.0.0/33", "10.0.0.0/8"])("%j is no address", (text) => {
    expect(() => mapAddress(text)).toThrow(/N006/);
  });

  test("the prefix of fewer bits", () => {
    expect(maskTo(mapPrefix("10.1.2.3"), 109)).toEqual(mapPrefix("10.0.0.0/13"));
  });
});
