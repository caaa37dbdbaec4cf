// Runs ISA conformance cases on an engine (default: the interpreter): one JSON line per case {name, ok, r0, fault}, then a summary line.
//
//   npm run corpus:conformance -- [--engine NAME] FILE
//
// FILE is a JSON array. A record with `expect` (hex) runs with `mem` (hex) by the rule r1 = memory (0 when empty),
// r2 = its length, and is right when all 64 bits of r0 are; one without `expect` (reserved-fields.json) is a program that
// sets a field the ISA reserves, and is right when it is refused. Exit code 1 when any case is wrong.
import { runCase } from "../dist/lib/vm/conformance.js";
import { ENGINE_NAMES } from "../dist/lib/vm/engines.js";
import { readArguments, readJson } from "./arguments.mjs";

const USAGE = `npm run corpus:conformance -- [--engine ${ENGINE_NAMES.join("|")}] FILE`;
const { values, positionals } = readArguments(
  USAGE,
  { options: { engine: { type: "string", default: "interpreter" } }, allowPositionals: true },
  ({ values: { engine: name }, positionals: files }) => {
    if (!ENGINE_NAMES.includes(name)) return `there is no engine ${name}`;
    return files.length === 1 ? null : "one file is needed";
  },
);
const { engine } = values;
const outcomes = readJson(positionals[0], USAGE).map((test) => runCase(test, engine));
for (const outcome of outcomes) console.log(JSON.stringify(outcome));
const passed = outcomes.filter((outcome) => outcome.ok).length;
console.log(JSON.stringify({ engine, cases: outcomes.length, passed, failed: outcomes.length - passed }));
process.exit(passed === outcomes.length ? 0 : 1);
