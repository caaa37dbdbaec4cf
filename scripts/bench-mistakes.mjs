// Seeded mistakes in TypeScript programs: does the explanation name the line that has to change, and what has to be done there?
//
//   npm run bench:mistakes -- [--count N] [--seed N] [--json FILE]
//
// Operators (bench-mistakes/operators.mjs) put one mistake into right programs (test/files/mistakes, programs/examples, programs/mesh,
// test/files/language). Only those count that compile and that the running kernel refuses: what the compiler finds is counted apart.
// The kernel's log and our own walk are explained by the same code; both are judged. Exit code 1 when a goal is not met.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { compileSources } from "../dist/codegen/index.js";
import { link } from "../dist/lib/asm/index.js";
import { requestOf, verify, explainLog, subjectOfProgram } from "../dist/lib/verifier/index.js";
import { profileOf } from "../dist/lib/verifier/profiles/index.js";
import { VerifierError, canLoad, load } from "../dist/loader/index.js";
import { isWhole, readArguments } from "./arguments.mjs";
import { readKernelBtf } from "./corpus-verifier/read.mjs";
import { OPERATORS } from "./bench-mistakes/operators.mjs";

const profile = profileOf("6.18");
const kernelBtf = readKernelBtf(undefined, ".");
const ROOT = new URL("../", import.meta.url);
const FOLDERS = ["test/files/mistakes", "programs/examples", "test/files/language", "programs/mesh"];
const USAGE = "npm run bench:mistakes -- [--count N] [--seed N] [--json FILE]";
const { values: options } = readArguments(
  USAGE,
  {
    options: {
      count: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
      json: { type: "string" },
    },
  },
  ({ values: { count, seed } }) => {
    if (!isWhole(count, 1)) return `--count takes a whole number from 1 on, not ${count}`;
    return isWhole(seed, 0) ? null : `--seed takes a whole number, not ${seed}`;
  },
);
/** Of one operator, so that no kind of mistake is most of them. */
const MOST = 24;

/** Right programs: name, lines, and the files that they import. */
function readPrograms() {
  return FOLDERS.flatMap((folder) => {
    const names = readdirSync(new URL(folder, ROOT)).filter((name) => name.endsWith(".ts"));
    const files = Object.fromEntries(
      names.map((name) => [name, readFileSync(new URL(`${folder}/${name}`, ROOT), "utf8")]),
    );
    return names.map((name) => ({
      file: `${folder}/${name}`,
      name,
      files,
      entry: folder.endsWith("mesh") ? "index.ts" : name,
    }));
  });
}

/** All mistakes that the operators find a place for, in an order that the seed makes. */
function mistakes(seed) {
  const random = numbersFrom(seed);
  const found = Object.entries(OPERATORS).map(([operator, apply]) => {
    const all = readPrograms().flatMap((program) => {
      const lines = program.files[program.name].split("\n");
      return apply(lines).map((mistake) => ({ operator, program, ...mistake }));
    });
    return shuffle(all, random);
  });
  // operators by turns, each up to its share
  const order = [];
  for (let round = 0; round < MOST; round++) for (const all of found) if (round < all.length) order.push(all[round]);
  return order;
}

async function measure(wanted, seed) {
  const judged = [];
  const apart = { compiler: 0, accepted: [] };
  for (const mistake of mistakes(seed)) {
    if (judged.length >= wanted) break;
    const verdict = await judge(mistake);
    if (verdict === "compiler") apart.compiler++;
    else if (verdict === "accepted") apart.accepted.push(nameOf(mistake));
    else judged.push({ mistake, ...verdict });
  }
  return report(judged, apart, wanted);
}

const nameOf = ({ operator, program, at }) => `${operator} (${program.file}:${at})`;

/** "compiler": it is refused there; "accepted": the kernel takes it, so it is no mistake; else what both explanations say. */
async function judge({ program, lines }) {
  const files = { ...program.files, [program.name]: lines.join("\n") };
  const { object } = await compileSources(files, program.entry);
  if (object === null) return "compiler";
  for (const { name } of object.programs) {
    const log = await logOf(object, name);
    if (log === null) continue;
    const kernel = explainLog(subjectOfProgram(link(object, name)), log, "");
    const own = verify(requestOf(object, name, { kernel: kernelBtf }), { kernel: profile });
    return { kernel, own };
  }
  return "accepted";
}

/** The kernel's log of a program that it refuses. */
async function logOf(object, name) {
  try {
    (await load({ ...object, programs: object.programs.filter((program) => program.name === name) })).close();
    return null;
  } catch (error) {
    if (error instanceof VerifierError) return error.log;
    throw error;
  }
}

function isRightLine({ at, program }, error) {
  return error.at.kind === "source" && [at].flat().includes(error.at.line) && error.at.file.endsWith(program.name);
}

function isRightRemedy({ codes, remedy }, error) {
  return codes.includes(error.code) && remedy.test(error.suggestion);
}

function report(judged, apart, wanted) {
  const share = (list) => (judged.length === 0 ? 0 : (100 * list.length) / judged.length);
  const line = judged.filter(({ mistake, kernel }) => isRightLine(mistake, kernel));
  const remedy = judged.filter(({ mistake, kernel }) => isRightRemedy(mistake, kernel));
  const known = judged.filter(({ own }) => own.verdict !== "unsupported");
  const refused = known.filter(({ own }) => own.verdict === "reject");
  const ownShare = (list) => (refused.length === 0 ? 0 : (100 * list.length) / refused.length);
  const ownLine = refused.filter(({ mistake, own }) => isRightLine(mistake, own.error));
  const ownRemedy = refused.filter(({ mistake, own }) => isRightRemedy(mistake, own.error));
  const rows = [
    {
      figure: "mistakes that the kernel refuses",
      value: judged.length,
      unit: "",
      goal: `${wanted}`,
      met: judged.length >= wanted,
    },
    row("right line, from the kernel's log", share(line), 95),
    row("right remedy, from the kernel's log", share(remedy), 90),
    {
      figure: "our walk refuses them, too",
      value: refused.length,
      unit: "",
      goal: `${known.length}`,
      met: refused.length === known.length,
    },
    { figure: "our walk does not know a part", value: judged.length - known.length, unit: "" },
    row("right line, from our walk", ownShare(ownLine), 95),
    row("right remedy, from our walk", ownShare(ownRemedy), 90),
    { figure: "refused by the compiler already", value: apart.compiler, unit: "" },
  ];
  const wrong = judged.flatMap(({ mistake, kernel, own }) => {
    const notes = [];
    const say = (who, error) => {
      const place = error.at.kind === "source" ? `${error.at.file}:${error.at.line}` : "nowhere";
      if (!isRightLine(mistake, error))
        notes.push(`${nameOf(mistake)}: ${who} says ${place}: ${error.code} ${error.reason}`);
      else if (!isRightRemedy(mistake, error))
        notes.push(`${nameOf(mistake)}: ${who} says ${error.code}: ${error.suggestion}`);
    };
    say("the log", kernel);
    if (own.verdict === "reject") say("our walk", own.error);
    if (own.verdict === "accept") notes.push(`${nameOf(mistake)}: our walk ACCEPTS`);
    return notes;
  });
  return { rows, notes: [...wrong, ...apart.accepted.map((name) => `no mistake for the kernel: ${name}`)] };
}

const row = (figure, value, goal) => ({ figure, value, unit: "%", goal: `${goal} %`, met: value >= goal });

/** mulberry32 */
function numbersFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return (x ^ (x >>> 14)) >>> 0;
  };
}

function shuffle(list, random) {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = random() % (i + 1);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

const loadable = canLoad();
if (!loadable.ok) {
  console.error(`needs the kernel: ${loadable.reason}`);
  process.exit(3);
}
const { rows, notes } = await measure(Number(options.count), Number(options.seed));
const width = Math.max(...rows.map(({ figure }) => figure.length));
for (const { figure, value, unit, goal = null, met = null } of rows) {
  const judged = goal === null ? "" : `   goal ${goal}: ${met ? "met" : "NOT MET"}`;
  console.log(
    `${figure.padEnd(width)}  ${String(Math.round(value * 10) / 10).padStart(6)} ${unit.padEnd(1)}${judged}`.trimEnd(),
  );
}
for (const note of notes) console.log(note);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify({ rows, notes }, null, 2)}\n`);
process.exit(rows.every(({ met = null }) => met !== false) ? 0 : 1);
