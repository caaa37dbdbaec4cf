/** The bytes of events and the numbers of drop reasons, against the compiled programs and their source. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readElf } from "ebpf-ts/elf";
import { describe, expect, test } from "vitest";
import { DROP_REASONS, dropReason, findDropReason } from "../../../mesh/observe/drop-reasons.ts";
import { EVENT_KIND, FLOW_EVENT, FLOW_EVENT_BYTES, readFlowEvent } from "../../../mesh/observe/event.ts";
import { eventBytes } from "./events.ts";

const ROOT = join(import.meta.dirname, "../../..");
const TABLES = readFileSync(join(ROOT, "programs/mesh/tables.ts"), "utf8");

/** `export const NAME: u8 = NUMBER` inside `export namespace SPACE`. */
function constantsOf(space: string): Record<string, number> {
  const body = new RegExp(`export namespace ${space} \\{([^}]*)\\}`).exec(TABLES)?.[1] ?? "";
  return Object.fromEntries([...body.matchAll(/export const (\w+): u\d+ = (\d+);/g)].map((m) => [m[1], Number(m[2])]));
}

test("the offsets are those of the compiled programs", () => {
  const { btf } = readElf(readFileSync(join(ROOT, "dist/programs/mesh.o")));
  const struct = btf.types.find((t) => t.kind === "struct" && t.name === "FlowEvent");
  if (struct?.kind !== "struct") throw new Error("mesh.o has no FlowEvent");
  expect(struct.size).toBe(FLOW_EVENT_BYTES);
  expect(Object.fromEntries(struct.members.map((m) => [m.name, m.bitOffset / 8]))).toEqual(FLOW_EVENT);
});

test("the kinds are those of the programs", () => {
  const kinds = Object.fromEntries(Object.entries(constantsOf("FlowEventKind")).map(([k, n]) => [k.toLowerCase(), n]));
  expect(kinds).toEqual(EVENT_KIND);
});

describe("drop reasons", () => {
  test("are those of the programs", () => {
    expect(Object.fromEntries(DROP_REASONS.map((r) => [r.key, r.number]))).toEqual(constantsOf("DropReason"));
  });

  test("an unknown number is told", () => {
    expect(dropReason(199)).toMatchObject({ number: 199, text: "199", hubble: "DROP_REASON_UNKNOWN" });
  });

  test.each(["133", "POLICY_DENIED", "policy denied", "PolicyDenied"])("%s is found", (text) => {
    expect(findDropReason(text)?.number).toBe(133);
  });
});

// prettier-ignore
const ADDRESSES: readonly [given: string, read: string][] = [
  ["10.1.2.3",                "10.1.2.3"],
  ["0.0.0.0",                 "0.0.0.0"],
  ["fd00:0:0:0:0:0:0:1",      "fd00::1"],
  ["0:0:0:0:0:0:0:0",         "::"],
  ["0:0:0:0:0:0:0:1",         "::1"],
  ["1:0:0:2:0:0:0:3",         "1:0:0:2::3"],
  ["1:0:0:2:3:0:0:4",         "1::2:3:0:0:4"],
  ["1:0:2:3:4:5:6:7",         "1:0:2:3:4:5:6:7"],
  ["fe80:0:0:0:abcd:0:0:0",   "fe80::abcd:0:0:0"],
  ["1:2:3:4:5:6:0:0",         "1:2:3:4:5:6::"],
];

test.each(ADDRESSES)("address %s is read as %s", (source, text) => {
  expect(readFlowEvent(eventBytes({ source }))?.source).toBe(text);
});

test("every field comes from its place", () => {
  const fields = {
    time: 123_456_789_012,
    bytes: 2 ** 33,
    replyBytes: 3,
    sourceIdentity: 4,
    destinationIdentity: 5,
    endpoint: 6,
    rule: 7,
    sourcePort: 65535,
    destinationPort: 80,
    protocol: 6,
    direction: 1,
    kind: 2,
    reason: 133,
    tcpFlags: 2,
    l7: 9,
    length: 60,
  };
  expect(readFlowEvent(eventBytes({ ...fields, isReply: 1 }))).toEqual({
    ...fields,
    isReply: true,
    source: "10.0.0.1",
    destination: "10.0.0.2",
  });
});

test("too few bytes are no event", () => {
  expect(readFlowEvent(new Uint8Array(FLOW_EVENT_BYTES - 1))).toBeNull();
});
