/** docs/mesh-observe.md lists what the tables have: a row too few fails here, with the text that is missing. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { DROP_REASONS } from "../../../mesh/observe/drop-reasons.ts";
import { FILTER_FIELDS } from "../../../mesh/observe/filter.ts";
import { COUNTED, DURATION, SCRAPED } from "../../../mesh/observe/metrics.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/mesh-observe.md"), "utf8");

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => "---"), ...rows]
    .map((row) => `| ${row.map((c) => c.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");
const code = (text: string): string => `\`${text}\``;

test.each([
  [
    "filters",
    table(
      ["filter", "value", ""],
      FILTER_FIELDS.map((f) => [code(f.key), f.value, f.help]),
    ),
  ],
  [
    "drop reasons",
    table(
      ["number", "text", "Hubble's name", "when"],
      DROP_REASONS.map((r) => [String(r.number), r.text, code(r.hubble), r.meaning]),
    ),
  ],
  [
    "metrics",
    table(
      ["metric", "labels", ""],
      [...SCRAPED, ...Object.values(COUNTED), DURATION].map((m) => [code(m.name), m.labels.join(", "), m.help]),
    ),
  ],
])("%s", (_name, text) => {
  expect(PAGE).toContain(text);
});
