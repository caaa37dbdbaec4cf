/** `run`: packets, captures and socket events through the interpreter; needs no privilege. */
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { writeElf } from "../../lib/elf/index.ts";
import { formatHex, packet, writePcap } from "../../lib/packet/index.ts";
import { exit, lddw, ldx, mov64, r0, r1, r2, st } from "../../lib/asm/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { documents, example, makeFolder, run } from "./command.ts";
import type { Ran } from "./command.ts";

const folder = makeFolder();
afterAll(() => folder.remove());
const filter = folder.path("filter.o");
const redirect = folder.path("redirect.o");
const capture = folder.path("x.pcap");

const syn = (source: string, destinationPort: number): Uint8Array =>
  packet.tcp({ src: `${source}:1000`, dst: `10.0.0.2:${destinationPort}` });

beforeAll(async () => {
  expect(await run("build", example("xdp-filter"), "-o", filter)).toMatchObject({ code: EXIT.ok });
  expect(await run("build", example("service-redirect"), "-o", redirect)).toMatchObject({ code: EXIT.ok });
  const frames = [syn("10.0.0.1", 80), syn("10.0.0.1", 23), syn("10.0.0.1", 80), syn("10.9.0.1", 80)];
  writeFileSync(capture, writePcap(frames));
  writeFileSync(folder.path("cooked.pcap"), writePcap([{ linkType: 113, bytes: new Uint8Array(16) }]));
});

// 10.9.0.0 as it lies in memory, read as a little-endian number.
const RULES = JSON.stringify({
  blockedPorts: [[23, { value: 5 }]],
  blockedPrefixes: [[{ prefixLength: 16, address_be: 0x0000_090a }, { value: 9 }]],
});

interface Told {
  readonly verdict: string;
  readonly events: { readonly drops?: readonly { readonly reason: number; readonly ruleId: number }[] };
}

test("a program of a cgroup sees the packet from its IP header on", async () => {
  const maps = JSON.stringify({ allowed: [[{ prefixLength: 32, address_be: 0x0200_000a }, { value: 0 }]] });
  const packets = [syn("10.0.0.1", 80), packet.tcp({ dst: "10.0.0.3:80" }), packet.arp()];
  const verdicts = packets.map(async (frame) => {
    const ran = await run(
      "run",
      example("egress-guard"),
      "egress",
      "--maps",
      maps,
      "--packet",
      formatHex(frame),
      "--json",
    );
    return documents(ran)[0];
  });
  expect(await Promise.all(verdicts)).toMatchObject([{ returnValue: 1 }, { returnValue: 0 }, { returnValue: 0 }]);
});

describe("a packet filter", () => {
  test("one packet: verdict by its name, instructions, maps", async () => {
    const { code, stdout } = await run("run", filter, "filter", "--packet", formatHex(syn("10.0.0.1", 80)));
    expect(code).toBe(EXIT.ok);
    expect(stdout).toMatch(/^1: XDP_PASS \(2\), \d+ instructions\n/);
    expect(stdout).toContain(
      '{"saddr":167772161,"daddr":167772162,"sport":1000,"dport":80,"protocol":6} = {"packets":1,"bytes":40}\n',
    );
    expect(stdout).toContain("map blockedPorts: empty\n");
  });

  test("a capture: one document for each packet, then the maps", async () => {
    const ran = await run("run", filter, "filter", "--pcap", capture, "--maps", RULES, "--json");
    expect(ran.code).toBe(EXIT.ok);
    const told = documents<Told>(ran);
    expect(told.slice(0, 4).map((d) => d.verdict)).toEqual(["XDP_PASS", "XDP_DROP", "XDP_PASS", "XDP_DROP"]);
    expect(told.flatMap((d) => d.events?.drops ?? [])).toMatchObject([
      { reason: 2, ruleId: 5 },
      { reason: 1, ruleId: 9 },
    ]);
    expect(told[4]).toMatchObject({
      ok: true,
      runs: 4,
      maps: {
        verdicts: [
          [1, [{ value: 2 }]],
          [2, [{ value: 2 }]],
        ],
      },
    });
    expect(ran.stderr).toContain("2: XDP_DROP (1)");
  });

  test("the maps that are printed can be given back", async () => {
    const first = documents<{ maps: Record<string, unknown> }>(
      await run("run", filter, "filter", "--pcap", capture, "--json"),
    ).at(-1);
    writeFileSync(folder.path("maps.json"), JSON.stringify(first?.maps));
    const again = documents<unknown>(
      await run("run", filter, "filter", "--pcap", capture, "--maps", folder.path("maps.json"), "--json"),
    );
    expect(again.at(-1)).toMatchObject({ maps: { verdicts: [[2, [{ value: 8 }]]] } });
  });

  test("the same command prints the same thing", async () => {
    const once = (): Promise<Ran> => run("run", filter, "filter", "--pcap", capture, "--maps", RULES);
    expect(await once()).toEqual(await once());
  });
});

describe("a hook without packets", () => {
  test("a connect() to a service leaves for its backend", async () => {
    const services = [
      [
        { ip: 0x0a60_000a, port: 80, protocol: 6 },
        { ip: 0x0af4_0002, port: 8080, protocol: 6 },
      ],
    ];
    const context = JSON.stringify({ user_ip4: "10.96.0.10", user_port: 80, protocol: 6 });
    const ran = await run("run", redirect, "redirect", "--context", context, "--maps", JSON.stringify({ services }));
    expect(ran.code).toBe(EXIT.ok);
    expect(ran.stdout).toContain("1: allow (1)");
    expect(ran.stdout).toContain('"user_ip4":"10.244.0.2","user_port":8080');
  });
});

describe("how it is executed", () => {
  test("both engines tell the same", async () => {
    const once = (engine: string): Promise<Ran> =>
      run("run", filter, "filter", "--pcap", capture, "--maps", RULES, "--engine", engine);
    expect(await once("jit")).toEqual(await once("interpreter"));
  });

  test("a trace: source lines, instructions, memory and registers, then the result", async () => {
    const ran = await run("run", filter, "filter", "--packet", formatHex(syn("10.0.0.1", 80)), "--trace");
    expect(ran.code).toBe(EXIT.ok);
    const lines = ran.stdout.split("\n");
    expect(lines.slice(0, 4).map((line) => line.replaceAll(/ {2,}/g, "  "))).toEqual([
      "  xdp-filter.ts:72  const eth = ctx.at<Ethernet>(0);",
      "  0: r9 = *(u32 *)(r1 +0)  the context (xdp_md)+0  r9 = packet+0",
      "  1: r8 = *(u32 *)(r1 +4)  the context (xdp_md)+4  r8 = packet+54",
      "  xdp-filter.ts:73  if (!eth) return count(XdpAction.Pass);",
    ]);
    expect(ran.stdout).toContain("r1 = map blockedPrefixes");
    expect(lines.findIndex((line) => line.startsWith("1: XDP_PASS"))).toBeGreaterThan(50);
  });

  test("a trace as JSON: a document for each instruction, the one that faults too", async () => {
    interface Traced {
      readonly trace?: { readonly slot: number; readonly registers: unknown; readonly access: unknown };
    }
    const argv = ["run", filter, "filter", "--packet", formatHex(syn("10.0.0.1", 80)), "--trace", "--json"];
    const rows = documents<Traced>(await run(...argv)).flatMap(({ trace }) => trace ?? []);
    expect(rows[1]).toEqual({
      program: "filter",
      slot: 1,
      text: "r8 = *(u32 *)(r1 +4)",
      source: { file: expect.stringMatching(/xdp-filter.ts$/) as string, line: 72 },
      depth: 0,
      access: {
        kind: "read",
        size: 4,
        address: expect.stringMatching(/^0x/) as string,
        place: "the context (xdp_md)+4",
      },
      registers: { r8: expect.stringMatching(/^0x/) as string },
    });
  });

  test("compiled code is not traced", async () => {
    const ran = await run("run", filter, "filter", "--packet", "00", "--trace", "--engine", "jit");
    expect(ran).toMatchObject({ code: EXIT.usage, stdout: "" });
    expect(await run("run", filter, "filter", "--packet", "00", "--engine", "x")).toMatchObject({ code: EXIT.usage });
  });
});

describe("inputs that do not fit", () => {
  // prettier-ignore
  const WRONG: readonly [name: string, argv: readonly string[], code: number, diagnostic: string][] = [
    ["no packet",                    [],                                                        EXIT.usage, "U001"],
    ["no hexadecimal",               ["--packet", "0g"],                                        EXIT.input, "K010"],
    ["no capture",                   ["--pcap", filter],                                        EXIT.input, "K001"],
    ["no Ethernet",                  ["--pcap", folder.path("cooked.pcap")],                    EXIT.input, "K004"],
    ["no such capture",              ["--pcap", folder.path("absent.pcap")],                    EXIT.input, "I001"],
    ["no JSON",                      ["--packet", "00", "--maps", "{"],                         EXIT.input, "I004"],
    ["no such file of maps",         ["--packet", "00", "--maps", folder.path("absent.json")],  EXIT.input, "I001"],
    ["no object of maps",            ["--packet", "00", "--maps", "[]"],                        EXIT.input, "I004"],
    ["no entries",                   ["--packet", "00", "--maps", '{"blockedPorts":[1]}'],      EXIT.input, "I004"],
    ["no such map",                  ["--packet", "00", "--maps", '{"nobody":[]}'],             EXIT.input, "V003"],
    ["no such member",               ["--packet", "00", "--maps", '{"blockedPorts":[[1,{"valu":1}]]}'], EXIT.input, "D002"],
    ["a key out of range",           ["--packet", "00", "--maps", '{"blockedPorts":[[-1,{"value":1}]]}'], EXIT.input, "D002"],
    ["a map that cannot be set",     ["--packet", "00", "--maps", '{".rodata":[[0,{"reportDrops":1}]]}'], EXIT.input, ""],
    ["no such field",                ["--packet", "00", "--context", '{"user_port":1}'],        EXIT.input, "V007"],
    ["a field of the wrong type",    ["--packet", "00", "--context", '{"ingress_ifindex":"x"}'], EXIT.input, "V007"],
    ["a field that cannot be",       ["--packet", "00", "--context", '{"ingress_ifindex":null}'], EXIT.input, "I004"],
  ];
  test.each(WRONG)("%s", async (_name, argv, code, diagnostic) => {
    const ran = await run("run", filter, "filter", ...argv);
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toContain(`error ${diagnostic}`);
    expect(ran.stderr).not.toContain("X001");
  });

  test("no such program", async () => {
    const ran = await run("run", filter, "nobody", "--packet", "00");
    expect(ran).toMatchObject({ code: EXIT.input, stderr: expect.stringContaining("expected: filter") as string });
  });
});

describe("programs of which nothing is known", () => {
  /** An object with one xdp program, without type information. */
  function write(name: string, insns: readonly Insn[], lines: ObjectSpec["programs"][number]["lines"] = []): string {
    const program = {
      name: "p",
      insns,
      relocations: [],
      lines,
      btfId: 0,
      linkage: "global",
      section: "xdp",
      type: "xdp",
      attach: "xdp",
      flags: 0,
    } as const;
    const object: ObjectSpec = {
      license: "GPL",
      programs: [program],
      subprograms: [],
      maps: [],
      btf: { types: [{ kind: "void" }] },
    };
    writeFileSync(folder.path(name), writeElf(object));
    return folder.path(name);
  }

  test("a fault is told with what was wrong, and fails the command", async () => {
    const file = write("null.o", [mov64(r1, 0), ldx(8, r0, r1, 0), exit()]);
    const ran = await run("run", file, "p", "--packet", "0102");
    expect(ran).toMatchObject({ code: EXIT.input, stdout: "1: fault\n" });
    expect(ran.stderr).toMatch(/error I003: null: .*\(p, slot 1\)/);
    expect(documents(await run("run", file, "p", "--packet", "0102", "--json"))).toMatchObject([
      { number: 1, returnValue: null, verdict: null, fault: { kind: "null", slot: 1 } },
      { ok: false, faults: 1 },
    ]);
    const traced = await run("run", file, "p", "--packet", "0102", "--trace");
    expect(traced.stdout).toMatch(/ 1: r0 = \*\(u64 \*\)\(r1 \+0\) +0x0 +fault\n1: fault\n$/);
    expect(traced.stderr).toContain("r1 comes from r1 = 0 at slot 0");
  });

  test("a changed packet is shown before and after", async () => {
    const insns = [ldx(4, r2, r1, 0), st(1, r2, 1, 0xff), lddw(r0, 3n), exit()];
    const ran = await run("run", write("change.o", insns), "p", "--packet", "0102");
    expect(ran.stdout).toContain("1: XDP_TX (3), 4 instructions\n   packet was 0102\n   packet is  01ff\n");
  });
});
