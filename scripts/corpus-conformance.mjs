// Runs ISA conformance cases on the interpreter: one JSON line per case {name, ok, r0, fault}, then a summary line.
//
//   npm run corpus:conformance -- FILE
//
// FILE is a JSON array. A record with `expect` (hex) runs with `mem` (hex) by the rule r1 = memory (0 when empty),
// r2 = its length, and is right when all 64 bits of r0 are; one without `expect` (reserved-fields.json) is a program that
// sets a field the ISA reserves, and is right when it is refused. Exit code 1 when any case is wrong.
import { readFileSync } from "node:fs";
import { runCase } from "../dist/lib/vm/conformance.js";

const file = process.argv[2];
if (file === undefined) {
  console.error("usage: npm run corpus:conformance -- FILE");
  process.exit(2);
}
const outcomes = JSON.parse(readFileSync(file, "utf8")).map(runCase);
for (const outcome of outcomes) console.log(JSON.stringify(outcome));
const passed = outcomes.filter((outcome) => outcome.ok).length;
console.log(JSON.stringify({ cases: outcomes.length, passed, failed: outcomes.length - passed }));
process.exit(passed === outcomes.length ? 0 : 1);
