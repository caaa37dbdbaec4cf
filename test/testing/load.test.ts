/** Loading: from each kind of source, with a test's changes, on each target; the same result type everywhere. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { and64, exit, ldx, mov64, r0, r1 } from "../../lib/asm/index.ts";
import { DiagnosticError } from "../../lib/diag/index.ts";
import { writeElf } from "../../lib/elf/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { HOOKS } from "../../lib/kernel/index.ts";
import { loadObject, loadProgram, packet, targets } from "../../testing/index.ts";
import type { Event } from "../../testing/index.ts";
import { compiled } from "../differential/engines.ts";
import { objectOf } from "./objects.ts";
import type { Place } from "./objects.ts";
import "../../testing/vitest.ts";

const EXAMPLE = new URL("../../programs/examples/xdp-filter.ts", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-load-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("from a path, a URL, an ELF file, its bytes, an object", async () => {
  const object = await compiled(EXAMPLE);
  const elf = writeElf(object);
  const file = join(folder, "filter.o");
  writeFileSync(file, elf);
  for (const source of [EXAMPLE, new URL(`file://${EXAMPLE}`), file, elf, object]) {
    const program = await loadProgram(source);
    expect(program.name).toBe("filter");
    expect(program.run(packet.tcp())).toPass();
  }
});

async function codeOf(loading: Promise<unknown>): Promise<string> {
  try {
    await loading;
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics[0]?.code ?? "";
    throw error;
  }
  return "none";
}

// prettier-ignore
const REFUSED: readonly [string, () => Promise<unknown>, string][] = [
  ["no such program",            () => loadProgram(EXAMPLE, { program: "nobody" }),                    "T001"],
  ["one of several",             () => loadProgram(EXAMPLE.replace("xdp-filter", "socket-shortcut")),  "T001"],
  ["no such constant",           () => loadProgram(EXAMPLE, { constants: { nobody: 1 } }),             "T004"],
  ["no such map",                () => loadProgram(EXAMPLE, { maps: { nobody: {} } }),                 "T004"],
  ["a constant's value",         () => loadProgram(EXAMPLE, { constants: { reportDrops: -1 } }),       "D002"],
  ["no such interface", async () => expect((await loadProgram(EXAMPLE)).run(packet.tcp())).toRedirectTo("eth0"), "T005"],
];
test.each(REFUSED)("%s", async (_name, load, code) => {
  expect(await codeOf(load())).toBe(code);
});

for (const { title, skip, options } of targets()) {
  describe.skipIf(skip)(title, () => {
    test("constants are set before loading", async () => {
      for (const reportDrops of [0, 1]) {
        using program = await loadProgram(EXAMPLE, { ...options, constants: { reportDrops } });
        program.map("blockedPorts").set(23, { value: 7 });
        expect(program.run(packet.tcp({ dst: "10.0.0.2:23" }))).toDrop();
        expect(program.events("drops")).toHaveEvents(reportDrops === 1 ? [{ dport: 23, ruleId: 7 }] : []);
      }
    });

    test("maps of another size and type", async () => {
      using program = await loadProgram(EXAMPLE, { ...options, maps: { blockedPorts: { maxEntries: 1 } } });
      const ports = program.map<number, { value: number }>("blockedPorts");
      ports.set(1, { value: 1 });
      expect(() => ports.set(2, { value: 1 })).toThrow("E2BIG");
      expect(ports.has(1)).toBe(true);
      expect(ports.delete(1)).toBe(true);
      expect([...ports.entries()]).toEqual([]);
    });

    test("many packets, one after the other", async () => {
      using program = await loadProgram(EXAMPLE, options);
      const results = program.runAll([packet.tcp(), packet.tcp(), packet.arp()]);
      expect(results.map((r) => r.returnValue)).toEqual([2, 2, 2]);
      expect(program.map("verdicts")).toHaveEntry(2, { value: 3 });
    });
  });
}

// ---- every type that the kernel can run on test data: what programs see and what comes out

const CGROUP_SKB: Place = { section: "cgroup_skb/egress", type: "cgroup_skb", attach: "cgroup_inet_egress" };
const SOCKET_FILTER: Place = { section: "socket", type: "socket_filter", attach: null };
const FLOW_DISSECTOR: Place = { section: "flow_dissector", type: "flow_dissector", attach: "flow_dissector" };
/** Gives a field of the context. */
const peek = (offset: number): Insn[] => [ldx(4, r0, r1, offset), exit()];
const give = (value: number): Insn[] => [mov64(r0, value), exit()];
const LEN = 0;
const MARK = 8;
const INGRESS_QUEUE = 16;
const LOOKUP: Event = {
  context: { family: 2, protocol: 6, remote_ip4: "10.0.0.1", remote_port: 1, local_ip4: "10.0.0.2", local_port: 80 },
};
const FRAME: Event = { packet: packet.tcp() };
// Programs of cgroups may return 0 and 1 only, so the length is cut down to its lowest bit: 41 without the Ethernet header.
const odd = [ldx(4, r0, r1, LEN), and64(r0, 1), exit()];
// prettier-ignore
const TYPES: readonly [what: string, Place, Insn[], Event, returns: number][] = [
  ["xdp",                                 HOOKS.xdp,         peek(INGRESS_QUEUE), FRAME,                                        0],
  ["sched_cls",                           HOOKS.tcx_ingress, peek(MARK),          { ...FRAME, context: { mark: 5 } },           5],
  ["cgroup_skb, from the IP header on",   CGROUP_SKB,        odd,                 { packet: packet.tcp({ payload: "x" }) },     1],
  ["socket_filter, from the IP header on", SOCKET_FILTER,    peek(LEN),           FRAME,                                        40],
  ["sk_lookup",                           HOOKS.sk_lookup,   give(1),             LOOKUP,                                       1],
];

for (const { title, skip, options } of targets()) {
  describe.skipIf(skip)(`types, ${title}`, () => {
    test.each(TYPES)("%s", async (_what, place, insns, event, returns) => {
      using program = await loadProgram(objectOf(place, insns), options);
      const result = program.run(event);
      expect(result.returnValue).toBe(returns);
      expect(result.fault).toBe(null);
      expect(result.packet).toEqual(event.packet ?? null);
      expect(result.input).toEqual(event.packet ?? null);
      for (const [name, value] of Object.entries(event.context ?? {})) {
        expect(result.context).toMatchObject({ [name]: value });
      }
    });
  });
}

const kernel = targets().find(({ name }) => name === "kernel");
describe.skipIf(kernel?.skip)("against the kernel", () => {
  const REDIRECT = EXAMPLE.replace("xdp-filter", "service-redirect");
  test("programs without a test run are loaded, not run", async () => {
    using object = await loadObject(REDIRECT, { against: "kernel" });
    expect(object.targetName).toBe("kernel");
    expect(object.machine).toBe(null);
    expect(() => object.program("redirect").run()).toThrow("T002");
    expect(() => object.createSocket()).toThrow("T002");
  });
  test("a redirect's target is not told", async () => {
    using program = await loadProgram(objectOf(HOOKS.xdp, give(4)), { against: "kernel" });
    const result = program.run(packet.tcp());
    expect([result.redirects, result.instructions, result.trace]).toEqual([null, null, null]);
    expect(result).toRedirectTo(5);
    expect(() => program.run({ packet: packet.tcp(), cpu: 1 })).toThrow("T002");
  });
  test("of a flow dissector, only the return value", async () => {
    using program = await loadProgram(objectOf(FLOW_DISSECTOR, give(1)), { against: "kernel" });
    expect(program.run(packet.tcp())).toMatchObject({ returnValue: 1, packet: null, context: {} });
  });
});
