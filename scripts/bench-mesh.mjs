// The mesh's figures against their goals.
//
//   npm run bench:mesh -- [SECTION]... [--cpu N] [--quick] [--json FILE]
//
// A section is a file of scripts/bench-mesh: it exports `title` and `run({ cpu, quick })`, which gives rows
// `{ figure, value, unit, goal, met }` (`goal` and `met` null for what is only reported) and notes on what was measured.
// Ratios of one run are worth quoting, absolute times depend on the machine. Without SECTION: all of them.
import { readdirSync, writeFileSync } from "node:fs";
import { isWhole, readArguments } from "./arguments.mjs";

const FOLDER = new URL("./bench-mesh/", import.meta.url);
const SECTIONS = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".mjs"))
  .map((name) => name.slice(0, -".mjs".length))
  .toSorted();
const USAGE = `npm run bench:mesh -- [${SECTIONS.join("|")}]... [--cpu N] [--quick] [--json FILE]`;

const { values: options, positionals: wanted } = readArguments(
  USAGE,
  {
    allowPositionals: true,
    options: {
      cpu: { type: "string", default: "1" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  },
  ({ values: { cpu }, positionals }) => {
    const unknown = positionals.find((name) => !SECTIONS.includes(name));
    if (unknown !== undefined) return `there is no section ${unknown}`;
    return isWhole(cpu) ? null : `--cpu takes the number of a CPU, not ${cpu}`;
  },
);

function print(title, { rows, notes = [] }) {
  console.log(`\n${title}`);
  const width = Math.max(...rows.map(({ figure }) => figure.length));
  for (const { figure, value, unit, goal = null, met = null } of rows) {
    const number = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : String(value);
    const judged = goal === null ? "" : `   goal ${goal}: ${met ? "met" : "NOT MET"}`;
    console.log(`  ${figure.padEnd(width)}  ${number.padStart(9)} ${unit.padEnd(6)}${judged}`.trimEnd());
  }
  for (const note of notes) console.log(`  ${note}`);
}

const results = {};
for (const name of wanted.length === 0 ? SECTIONS : wanted) {
  const { title, run } = await import(new URL(`${name}.mjs`, FOLDER));
  results[name] = await run({ cpu: Number(options.cpu), quick: options.quick });
  print(title, results[name]);
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
