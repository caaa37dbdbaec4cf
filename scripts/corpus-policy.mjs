// Judges the policy corpus: one JSON line for each wrong verdict, then a summary line.
//
//   npm run corpus:policy -- [--against engine|kernel|live] [--sample N [--seed S]] DIR
//
// --sample asks about N flows of the verdict tables, spread over all cases, and all that are written out; the seed decides
// which, and is in the summary.
// DIR holds sets (`*.json`) beside or below a fixture.json. Kinds that the mesh does not enforce are counted as unsupported.
// Exit code 1 when any verdict is wrong.
import { createHash, randomInt } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { isWhole, readArguments, readJson } from "./arguments.mjs";
import { countTableFlows, runCase, unsupportedKind } from "./corpus-policy/cases.mjs";
import { engineJudge } from "./corpus-policy/engine-judge.mjs";
import { readFixture } from "./corpus-policy/fixture.mjs";
import { kernelJudge } from "./corpus-policy/kernel-judge.mjs";
import { liveJudge } from "./corpus-policy/live-judge.mjs";

const JUDGES = { engine: engineJudge, kernel: kernelJudge, live: liveJudge };
const USAGE = `npm run corpus:policy -- [--against ${Object.keys(JUDGES).join("|")}] [--sample N [--seed S]] DIR`;
const FIXTURE = "fixture.json";

const { values, positionals } = readArguments(
  USAGE,
  {
    options: {
      against: { type: "string", default: "engine" },
      sample: { type: "string" },
      seed: { type: "string", default: String(randomInt(2 ** 31)) },
    },
    allowPositionals: true,
  },
  ({ values: { against, sample }, positionals: folders }) => {
    if (!Object.hasOwn(JUDGES, against)) return `there is no judge ${against}`;
    if (!isWhole(sample, 1)) return `--sample takes a whole number from 1 on, not ${sample}`;
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
const files = findSets(positionals[0]).map((file) => ({ file, ...readJson(file, USAGE) }));
const isAsked = values.sample === undefined ? () => () => true : chooseFlows(files, Number(values.sample), values.seed);
for (const { file, cases, ...columns } of files) {
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
    const { verdicts, right, skipped } = await judgeCase(test, columns, report);
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
await judge.close?.();
const sampled = values.sample === undefined ? {} : { seed: values.seed };
console.log(JSON.stringify({ against: judge.name, ...sampled, ...total, unsupported, sets }));
process.exit(total.wrong === 0 && total.verdicts > 0 ? 0 : 1);

/** Which flows are in the sample: each is or is not by its own text, so that it is the same whatever else is asked. */
function chooseFlows(sets, size, seed) {
  const all = sets.flatMap(({ cases = [] }) => cases.filter((test) => unsupportedKind(test) === null));
  const share = size / all.reduce((sum, test) => sum + countTableFlows(test), 0);
  return (test) => (flow) => {
    const digest = createHash("sha256")
      .update(JSON.stringify([seed, test.id, flow]))
      .digest();
    return digest.readUInt32BE() / 2 ** 32 < share;
  };
}

/** A case that cannot be run is wrong. */
async function judgeCase(test, columns, report) {
  try {
    return await runCase(test, columns, world, judge, report, isAsked(test));
  } catch (error) {
    report({ id: test.id, error: error.message });
    return { verdicts: 1, right: 0, skipped: 0 };
  }
}

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
