// Programs with random mistakes: each compiles or is refused with coded, placed diagnostics; the compiler never throws.
// EBPF_TS_PROGRAMS sets how many; EBPF_TS_SEED repeats a run.
import { readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { COMPILER_DIAGNOSTICS, compileSources } from "../../codegen/index.ts";
import { chooseSeed, randomFrom } from "../differential/packets.ts";

const seed = chooseSeed();
const programs = Number(process.env["EBPF_TS_PROGRAMS"] ?? 60);
const root = new URL("../../", import.meta.url).pathname;
const sources = ["programs/examples", "test/files/language", "test/files/errors"]
  .flatMap((folder) => readdirSync(root + folder).map((name) => `${root}${folder}/${name}`))
  .filter((path) => path.endsWith(".ts"))
  .map((path) => readFileSync(path, "utf8"));

/** A token becomes another one of its group. */
const GROUPS: readonly (readonly string[])[] = [
  ["+", "-", "*", "/", "%", "&", "|", "^"],
  ["u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "bool", "f64"],
  ["0", "1", "2", "14", "16", "31", "255", "65535", "1024", "4294967295"],
  ["if", "while"],
  ["let", "const", "export", "return"],
  ["Ipv4", "Ethernet", "Tcp", "Udp", "Ipv6", "Vlan", "Icmp", "Arp"],
  ["HashMap", "LruHashMap", "LpmTrie", "PerCpuHashMap", "ArrayMap"],
  ["saddr", "daddr", "headerLength", "protocol", "ttl"],
  ["xdp", "tcxEgress", "connect4", "skMsg", "sockOps", "skLookup"],
];

function mutate(source: string, random: () => number): string {
  const tokens = source.match(/\w+|\s+|[^\w\s]/g) ?? [];
  for (let changes = 1 + (random() % 3); changes > 0;) {
    const at = random() % tokens.length;
    const group = GROUPS.find((g) => g.includes(tokens[at] as string));
    if (group !== undefined) tokens[at] = group[random() % group.length] as string;
    else if (random() % 40 === 0) tokens.splice(at, random() % 2, tokens[random() % tokens.length] as string);
    else continue;
    changes--;
  }
  return tokens.join("");
}

test(`${programs} mutated programs (seed ${seed})`, { timeout: 60_000 + programs * 2_000 }, async () => {
  for (let i = 0; i < programs; i++) {
    const random = randomFrom(seed + i);
    const source = mutate(sources[random() % sources.length] as string, random);
    const at = `EBPF_TS_SEED=${seed + i} EBPF_TS_PROGRAMS=1\n${source}`;
    const result = await compileSources({ "p.ts": source }, "p.ts", { check: true }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${at}`);
    });
    expect(result.object === null, at).toBe(result.diagnostics.length > 0);
    for (const d of result.diagnostics) {
      expect(COMPILER_DIAGNOSTICS, at).toHaveProperty(d.code);
      expect(["C001", "C030"], `${d.message}\n${at}`).not.toContain(d.code);
      // That a module defines no program is true of no line of it.
      expect(d.place.kind, `${d.message}\n${at}`).toBe(d.message.includes("defines no program") ? "none" : "source");
    }
  }
});
