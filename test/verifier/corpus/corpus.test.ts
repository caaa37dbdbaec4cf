/** The command that judges the verifier corpus, on a small corpus: what it asks, and what it counts as right and wrong. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Btf } from "../../../lib/btf/index.ts";
import { requestOfRecord } from "../../../scripts/corpus-verifier/record.mjs";

const ROOT = join(import.meta.dirname, "../../..");
const FILES = join(ROOT, "test/files/corpus-verifier");
const RECORDS = join(FILES, "small.jsonl");
const TYPES = join(FILES, "small-btf.jsonl");

interface Run {
  readonly status: number | null;
  readonly lines: readonly Record<string, unknown>[];
  readonly stderr: string;
}

function run(...args: readonly string[]): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts/corpus-verifier.mjs"), ...args], {
    encoding: "utf8",
  });
  const lines = stdout.split("\n").filter((line) => line !== "");
  return { status, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>), stderr };
}

describe("a record as a request", () => {
  const records = readFileSync(RECORDS, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { readonly id: string });
  const btf: Btf = { types: [{ kind: "void" }] };
  const btfs = new Map([["aa", btf]]);
  const requestOf = (id: string): ReturnType<typeof requestOfRecord> =>
    requestOfRecord(
      records.find((record) => record.id === id),
      btfs,
      null,
    );

  test("names for numbers, bytes for hex, the offset out of the second slot", () => {
    expect(requestOf("small/constant")).toEqual({
      request: {
        name: "small/constant",
        type: "socket_filter",
        attach: null,
        flags: 0,
        license: "GPL",
        code: Uint8Array.from([0x18, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0x61, 0x10, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]), // prettier-ignore
        maps: [
          {
            spec: {
              name: ".rodata",
              type: "array",
              keySize: 4,
              valueSize: 8,
              maxEntries: 1,
              flags: 128,
              keyType: 0,
              valueType: 1,
              initial: Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0),
              frozen: true,
              inner: null,
            },
            btf,
            contents: Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0),
            inner: null,
          },
        ],
        mapReferences: new Map([[0, { map: 0, kind: "map_value", offset: 4 }]]),
        btf,
        functions: [],
        lines: [],
        kernel: null,
        target: null,
      },
    });
  });

  test.each([
    ["small/strange hook", "attach type cgroup_teapot"],
    ["small/without a program", "a record without a program"],
  ])("%s has no request", (id, unsupported) => {
    expect(requestOf(id)).toEqual({ unsupported });
  });
});

describe("the command", () => {
  test("a line for each record, then the summary", () => {
    const { lines } = run(RECORDS, TYPES);
    expect(lines.slice(0, -1).map(({ id }) => id)).toEqual([
      "small/accepted",
      "small/no value",
      "small/recorded wrongly",
      "small/constant",
      "small/strange hook",
      "small/without a program",
    ]);
    expect(Object.keys(lines[0] ?? {})).toEqual(["id", "verdict", "reason", "insn", "processed", "ms"]);
    expect(lines.at(-1)).toMatchObject({ records: 6, scored: 5, crashes: [] });
  });

  test("only what is asked for; only the summary", () => {
    const { lines } = run("--only", "strange", "--quiet", RECORDS, TYPES);
    expect(lines).toEqual([
      expect.objectContaining({ scored: 1, supported: 0, unsupported: { "attach type cgroup_teapot": 1 } }),
    ]);
  });

  test("without CAP_PERFMON only records with such a verdict count", () => {
    expect(run("--no-perfmon", "--quiet", RECORDS, TYPES).lines[0]).toMatchObject({ records: 6, scored: 1 });
  });

  test("a wrong command line", () => {
    expect(run(RECORDS)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("two files are needed") as unknown,
    });
    expect(run("missing.jsonl", TYPES)).toMatchObject({ status: 2, stderr: expect.stringContaining("missing.jsonl") as unknown }); // prettier-ignore
  });
});
