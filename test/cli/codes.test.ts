/**
 * docs/codes.md is made of the catalogues: `npx vitest run --root . --config test/vitest.config.ts test/cli/codes -u`
 * writes it. And no code is used that no catalogue has.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CLI_DIAGNOSTICS } from "../../cli/diagnostics.ts";
import { COMPILER_DIAGNOSTICS } from "../../codegen/index.ts";
import { ASM_DIAGNOSTICS } from "../../lib/asm/index.ts";
import { BTF_DIAGNOSTICS } from "../../lib/btf/index.ts";
import { ELF_DIAGNOSTICS } from "../../lib/elf/index.ts";
import { OBJECT_DIAGNOSTICS } from "../../lib/object/index.ts";
import { PACKET_DIAGNOSTICS } from "../../lib/packet/index.ts";
import { REASONS, UNKNOWN_REASON } from "../../lib/verifier/reasons/index.ts";
import { VM_DIAGNOSTICS } from "../../lib/vm/index.ts";
import { SERVICE_DIAGNOSTICS } from "../../mesh/services/diagnostics.ts";
import { LOADER_CODES } from "../../loader/index.ts";
import {
  AGENT_DIAGNOSTICS,
  API_DIAGNOSTICS,
  BED_DIAGNOSTICS,
  INPUT_DIAGNOSTICS,
  WAYPOINT_DIAGNOSTICS,
} from "../../mesh/index.ts";
import { TESTING_DIAGNOSTICS } from "../../testing/index.ts";
import { ROOT } from "./command.ts";

type Catalogue = Readonly<Record<string, { readonly title: string; readonly remedy: string }>>;

/** The codec has two, at the two places where they are made; both say in the message what fits. */
const CODEC: Catalogue = {
  D001: {
    title: "a type that has no values",
    remedy: "use a complete type: not void, a function or a forward declaration",
  },
  D002: {
    title: "a value does not fit its type",
    remedy: "give what the message expects, with the members that the type has",
  },
};
const LOADER: Catalogue = Object.fromEntries(
  Object.entries(LOADER_CODES).map(([code, title]) => [
    code,
    { title, remedy: "the message has the error number's own" },
  ]),
);

const CATALOGUES: readonly [title: string, source: string, rows: Catalogue][] = [
  ["Assembler, disassembler, linker", "lib/asm/diagnostics.ts", ASM_DIAGNOSTICS],
  ["BTF", "lib/btf/diagnostics.ts", BTF_DIAGNOSTICS],
  ["Values of map entries and events", "lib/object/codec.ts", CODEC],
  ["ELF objects", "lib/elf/diagnostics.ts", ELF_DIAGNOSTICS],
  ["Command line", "cli/diagnostics.ts", CLI_DIAGNOSTICS],
  ["Packets and captures", "lib/packet/diagnostics.ts", PACKET_DIAGNOSTICS],
  ["Loader", "loader/errors.ts", LOADER],
  ["Mesh: inputs", "mesh/objects/diagnostics.ts", INPUT_DIAGNOSTICS],
  ["Mesh: waypoint", "mesh/waypoint/diagnostics.ts", WAYPOINT_DIAGNOSTICS],
  ["Mesh: services", "mesh/services/diagnostics.ts", SERVICE_DIAGNOSTICS],
  ["ObjectSpec", "lib/object/diagnostics.ts", OBJECT_DIAGNOSTICS],
  ["Tests of programs", "testing/diagnostics.ts", TESTING_DIAGNOSTICS],
  ["Mesh: agent and datapath", "mesh/datapath/diagnostics.ts", AGENT_DIAGNOSTICS],
  ["Interpreter", "lib/vm/diagnostics.ts", VM_DIAGNOSTICS],
  ["Test bed", "mesh/bed/diagnostics.ts", BED_DIAGNOSTICS],
  ["Mesh: the agent's socket", "mesh/control/api-diagnostics.ts", API_DIAGNOSTICS],
];

/** The verifier's have pages of their own. */
const REASON_CODES = [UNKNOWN_REASON, ...Object.values(REASONS).map((row) => row.code)];

const INTRODUCTION = `# Diagnostic codes

Every diagnostic has a code that stays the same while its words may change. \`C…\`, the compiler's, have a page of their own
with examples: [errors.md](errors.md). These are the others. Made from the catalogues by \`test/cli/codes.test.ts\`.
`;

function printPage(): string {
  const sections = CATALOGUES.map(([title, source, rows]) => {
    const lines = Object.entries(rows).map(
      ([code, row]) => `| ${code} | ${row.title} | ${row.remedy.replaceAll("|", "\\|")} |`,
    );
    return [
      `## ${title}`,
      "",
      `\`${source}\``,
      "",
      "| code | meaning | remedy |",
      "|------|---------|--------|",
      ...lines,
      "",
    ].join("\n");
  });
  return [INTRODUCTION, ...sections].join("\n");
}

function listSources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return path === "lib/std" ? [] : listSources(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

describe("docs/codes.md", () => {
  test("has a row for every code, and no other", async () => {
    await expect(printPage()).toMatchFileSnapshot(join(ROOT, "docs/codes.md"));
  });
});

describe("catalogues", () => {
  test("no code has two meanings", () => {
    const codes = [...CATALOGUES.flatMap(([, , rows]) => Object.keys(rows)), ...REASON_CODES];
    expect(new Set(codes).size).toBe(codes.length);
  });

  test("every code that a source file reports is in one", () => {
    const known = new Set([
      ...CATALOGUES.flatMap(([, , rows]) => Object.keys(rows)),
      ...Object.keys(COMPILER_DIAGNOSTICS),
      ...REASON_CODES,
    ]);
    const unknown = ["lib", "codegen", "loader", "testing", "cli", "mesh"].flatMap(listSources).flatMap((file) => {
      const used = readFileSync(join(ROOT, file), "utf8").matchAll(/"([A-Z]\d{3})"/g);
      return [...used].filter(([, code = ""]) => !known.has(code)).map(([, code]) => `${file}: ${code}`);
    });
    expect(unknown).toEqual([]);
  });
});

describe("docs/README.md", () => {
  test("links every page", () => {
    const page = readFileSync(join(ROOT, "docs/README.md"), "utf8");
    const linked = [...page.matchAll(/\]\(([\w-]+\.md)\)/g)].map(([, file = ""]) => file);
    const reasons = [...page.matchAll(/\]\(verifier\/([\w-]+\.md)\)/g)].map(([, file = ""]) => file);
    expect(reasons.toSorted()).toEqual(readdirSync(join(ROOT, "docs/verifier")).toSorted());
    const pages = readdirSync(join(ROOT, "docs")).filter((file) => file.endsWith(".md") && file !== "README.md");
    expect(linked.toSorted()).toEqual(pages.toSorted());
  });
});
