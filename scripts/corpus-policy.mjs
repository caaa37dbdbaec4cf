// Judges the policy corpus: one JSON line for each wrong verdict, then a summary line.
//
//   npm run corpus:policy -- [--against engine] DIR
//
// DIR holds sets (`*.json`) beside or below a fixture.json. Kinds that the mesh does not enforce are counted as unsupported.
// Exit code 1 when any verdict is wrong.
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { readArguments, readJson } from "./arguments.mjs";
import { runCase, unsupportedKind } from "./corpus-policy/cases.mjs";
import { engineJudge } from "./corpus-policy/engine-judge.mjs";
import { readFixture } from "./corpus-policy/fixture.mjs";

const JUDGES = { engine: engineJudge };
const USAGE = `npm run corpus:policy -- [--against ${Object.keys(JUDGES).join("|")}] DIR`;
const FIXTURE = "fixture.json";

const { values, positionals } = readArguments(
  USAGE,
  { options: { against: { type: "string", default: "engine" } }, allowPositionals: true },
  ({ values: { against }, positionals: folders }) => {
    if (!Object.hasOwn(JUDGES, against)) return `there is no judge ${against}`;
    if (folders.length !== 1) return "one folder is needed";
    if (!existsSync(folders[0]) || !statSync(folders[0]).isDirectory()) return `${folders[0]} is no folder`;
    return findFixture(folders[0]) === null ? `there is no ${FIXTURE} in ${folders[0]} or above it` : null;
  },
);

const judge = JUDGES[values.against];
const world = readFixture(findFixture(positionals[0]));
const total = { cases: 0, verdicts: 0, right: 0, wrong: 0, skipped: 0 };
const unsupported = {};
const sets = {};
for (const file of findSets(positionals[0])) {
  const { cases, ...columns } = readJson(file, USAGE);
  const set = { cases: 0, verdicts: 0, right: 0 };
  for (const test of cases ?? []) {
    const kind = unsupportedKind(test);
    if (kind !== null) {
      unsupported[kind] = (unsupported[kind] ?? 0) + 1;
      continue;
    }
    let wrong = 0;
    const report = (line) => {
      wrong++;
      console.log(JSON.stringify({ set: columns.set, ...line }));
    };
    const { verdicts, right, skipped } = await runCase(test, columns, world, judge, report);
    set.cases++;
    set.verdicts += verdicts;
    set.right += right;
    total.wrong += wrong;
    total.skipped += skipped;
  }
  total.cases += set.cases;
  total.verdicts += set.verdicts;
  total.right += set.right;
  if (set.cases > 0) sets[columns.set ?? basename(file, ".json")] = set;
}
console.log(JSON.stringify({ against: judge.name, ...total, unsupported, sets }));
process.exit(total.wrong === 0 && total.verdicts > 0 ? 0 : 1);

/** In the folder, below it, or above it. */
function findFixture(folder) {
  const below = listFiles(folder).find((file) => basename(file) === FIXTURE);
  if (below !== undefined) return below;
  for (let at = resolve(folder); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, FIXTURE))) return join(at, FIXTURE);
  }
  return null;
}

function findSets(folder) {
  return listFiles(folder).filter((file) => file.endsWith(".json") && basename(file) !== FIXTURE);
}

function listFiles(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? listFiles(join(folder, entry.name)) : [join(folder, entry.name)]))
    .toSorted();
}
