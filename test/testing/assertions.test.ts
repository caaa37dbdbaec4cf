/** Matchers and assertions: what holds, what does not, and what they say then. Programs are a few instructions each. */
import { AssertionError } from "node:assert";
import { describe, expect, test } from "vitest";
import { exit, ldx, mov64, r0, r1 } from "../../lib/asm/index.ts";
import { HOOKS } from "../../lib/kernel/index.ts";
import type { HookName } from "../../lib/kernel/index.ts";
// prettier-ignore
import {
  assertDrop, assertEntry, assertEvents, assertFault, assertNoEntry, assertNoFault, assertPacket, assertPass, assertRedirect, assertReturn, assertTransmit,
  ipv4, loadProgram, packet, tcp,
} from "../../testing/index.ts";
import type { TestResult } from "../../testing/index.ts";
import { objectOf } from "./objects.ts";
import "../../testing/vitest.ts";

/** A program that returns this number. */
async function returning(hook: HookName, value: number): Promise<TestResult> {
  const program = await loadProgram(objectOf(HOOKS[hook], [mov64(r0, value), exit()]), { interfaces: { eth0: 3 } });
  return program.run(hook === "xdp" || hook.startsWith("tc") ? packet.tcp() : {});
}

// ---- each judgement: by its matcher, by its assertion, and negated

// prettier-ignore
const JUDGED: readonly [hook: HookName, value: number, holds: readonly string[]][] = [
  ["xdp",         0, ["Drop"]],
  ["xdp",         1, ["Drop"]],
  ["xdp",         2, ["Pass"]],
  ["xdp",         3, ["Transmit"]],
  ["xdp",         4, ["Redirect"]],
  ["xdp",         9, []],
  ["tcx_ingress", 0, ["Pass"]],
  ["tcx_ingress", 2, ["Drop"]],
  ["tcx_ingress", 7, ["Redirect"]],
  ["tcx_egress", -1, ["Pass"]],
  ["tc",          4, []],
  ["connect4",    0, ["Drop"]],
  ["connect4",    1, ["Pass"]],
  ["sk_lookup",   1, ["Pass"]],
];
// prettier-ignore
const MEANINGS = {
  Pass:     { assertion: assertPass,     expects: (r: TestResult) => expect(r).toPass(),       refuses: (r: TestResult) => expect(r).not.toPass() },
  Drop:     { assertion: assertDrop,     expects: (r: TestResult) => expect(r).toDrop(),       refuses: (r: TestResult) => expect(r).not.toDrop() },
  Transmit: { assertion: assertTransmit, expects: (r: TestResult) => expect(r).toTransmit(),   refuses: (r: TestResult) => expect(r).not.toTransmit() },
  Redirect: { assertion: assertRedirect, expects: (r: TestResult) => expect(r).toRedirectTo(), refuses: (r: TestResult) => expect(r).not.toRedirectTo() },
};

test.each(JUDGED)("%s: %i", async (hook, value, holds) => {
  const result = await returning(hook, value);
  for (const [meaning, { assertion, expects, refuses }] of Object.entries(MEANINGS)) {
    if (holds.includes(meaning)) {
      assertion(result);
      expects(result);
      expect(() => refuses(result)).toThrow("expected p not to");
    } else {
      expect(() => assertion(result)).toThrow(AssertionError);
      expect(() => expects(result)).toThrow("expected p to");
      refuses(result);
    }
  }
  expect(result).toReturnCode(value);
  expect(result).not.toReturnCode(value + 1);
});

test("return values by the kernel's names", async () => {
  const result = await returning("tc", 4);
  expect(result).toReturnCode("TC_ACT_STOLEN");
  assertReturn(result, "TC_ACT_STOLEN");
  expect(() => assertReturn(result, "TC_ACT_TRAP")).toThrow("it returned TC_ACT_STOLEN (4)");
  expect(() => assertReturn(result, "XDP_PASS")).toThrow("T006");
});

// ---- faults

test("a fault is no verdict", async () => {
  const program = await loadProgram(objectOf(HOOKS.xdp, [ldx(8, r0, r1, 4096), exit()]));
  const result = program.run(packet.tcp());
  expect(result).toFault("past the end of the context");
  assertFault(result);
  expect(result).not.toFault("of the stack");
  expect(result).not.toDrop();
  expect(() => assertNoFault(result)).toThrow("expected p not to end with a fault; it ended with a fault: p, slot 0");
});

// ---- packets

describe("toHavePacket", () => {
  const run = async (): Promise<TestResult> => returning("xdp", 2);
  test("bytes and layers", async () => {
    const result = await run();
    expect(result).toHavePacket(packet.tcp());
    expect(result).toHavePacket([ipv4({ saddr: "10.0.0.1" }), tcp({ dport: 80 })]);
    expect(result).not.toHavePacket([tcp({ dport: 81 })]);
    assertPacket(result, [tcp({ flags: "S" })]);
    expect(() => assertPacket(result, [tcp({ flags: "SA" })])).toThrow("TCP flags: expected SA, found S");
  });
  test("hooks without packets", async () => {
    const result = await returning("connect4", 1);
    expect(() => expect(result).toHavePacket([tcp()])).toThrow("T006");
  });
});

// ---- maps and events

describe("maps", () => {
  const map = new Map<unknown, unknown>([
    [1, { value: 5n, other: 1 }],
    [2, [{ value: 1n }, { value: 2n }]],
    [3, [1, 2]],
  ]);
  const view = {
    get: (k: unknown) => map.get(k),
    set: () => undefined,
    has: () => true,
    delete: () => true,
    entries: () => map.entries(),
  };
  // prettier-ignore
  test.each<[unknown, unknown, boolean]>([
    [1, undefined, true], [1, { value: 5 }, true], [1, { value: 5n, other: 1 }, true], [1, { value: 6 }, false], [1, { absent: 1 }, false],
    [2, { value: 3n }, true], [2, [{ value: 1 }, { value: 2 }], true], [2, [{ value: 1 }], false], [3, 3, true], [9, undefined, false],
    [1, expect.objectContaining({ other: 1 }), true],
  ])("entry %o = %o: %s", (key, value, holds) => {
    if (holds) {
      expect(view).toHaveEntry(key, value);
      assertEntry(view, key, value);
      return;
    }
    expect(view).not.toHaveEntry(key, value);
    expect(() => assertEntry(view, key, value)).toThrow(`expected the map to have an entry ${String(key)}`);
  });
  test("what is not there", () => {
    assertNoEntry(view, 9);
    expect(() => assertNoEntry(view, 1)).toThrow("expected the map not to have an entry 1");
    expect(() => assertEntry(view, 9)).toThrow("its keys: 1, 2, 3");
  });
});

describe("events", () => {
  const events = [
    { port: 23, reason: 2, time: 1n },
    { port: 80, reason: 1, time: 2n },
  ];
  // prettier-ignore
  test.each<[readonly unknown[], boolean]>([
    [[{ port: 23 }, { port: 80 }], true], [[{ port: 23, time: expect.any(BigInt) as bigint }, {}], true],
    [[{ port: 80 }, { port: 23 }], false], [[{ port: 23 }], false], [[], false],
  ])("%o: %s", (expected, holds) => {
    if (holds) {
      expect(events).toHaveEvents(expected);
      assertEvents(events, expected);
      return;
    }
    expect(events).not.toHaveEvents(expected);
    expect(() => assertEvents(events, expected)).toThrow("found:\n  { port: 23, reason: 2, time: 1n }");
  });
});

// ---- what is said

test("a message tells packet, conditions and engine", async () => {
  const program = await loadProgram(new URL("../../programs/examples/xdp-filter.ts", import.meta.url));
  const result = program.run(packet.udp({ dst: "10.0.0.9:53" }));
  expect(() => assertDrop(result)).toThrow(
    [
      "expected filter to drop the packet (XDP_ABORTED or XDP_DROP); it returned XDP_PASS (2)",
      "packet:",
      "  Ethernet dst 02:00:00:00:00:02, src 02:00:00:00:00:01",
      "  IPv4 saddr 10.0.0.1, daddr 10.0.0.9",
      "  UDP sport 40000, dport 53",
      "last conditions:",
      "  xdp-filter.ts:84  if (prefix) return drop(flow, Reason.Prefix, prefix.value);",
      "  xdp-filter.ts:87  if ((ip.protocol == IpProtocol.Tcp || ip.protocol == IpProtocol.Udp) && ip.fragmentOffset == 0) {",
      "  xdp-filter.ts:89  if (ports) {",
      "  xdp-filter.ts:93  if (port) return drop(flow, Reason.Port, port.value);",
      "  xdp-filter.ts:98  if (known) {",
      "  xdp-filter.ts:51  if (n) n.value += 1;",
      "run by: interpreter",
    ].join("\n"),
  );
});

test.each([5, null, { returnValue: 1 }])("%o is no result", (value) => {
  expect(() => expect(value).toDrop()).toThrow("T006");
  expect(() => expect(value).toHaveEntry(1)).toThrow("T006");
  expect(() => expect(value).toHaveEvents([])).toThrow("T006");
});
