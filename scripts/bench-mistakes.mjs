// Seeded mistakes in TypeScript programs: does the explanation name the line that has to change, and what has to be done there?
//
//   npm run bench:mistakes -- [--count N] [--seed N] [--only RE] [--json FILE]
//
// Operators (bench-mistakes/operators.mjs) put one mistake into right programs (test/files/mistakes, programs/examples, programs/mesh,
// test/files/language). Only those count that compile and that the running kernel refuses: what the compiler finds is counted apart.
// The kernel's log and our own walk are explained by the same code; both are judged. Each mistake is told on stderr as it is judged,
// and is a line of FILE; the last line of FILE is the figures. --only takes the mistakes whose names match. Exit code 1 when a goal is
// not met.
import { appendFileSync, writeFileSync } from "node:fs";
import { canLoad } from "../dist/loader/index.js";
import { isWhole, readArguments } from "./arguments.mjs";
import { judge } from "./bench-mistakes/judge.mjs";
import { mistakes, nameOf } from "./bench-mistakes/sources.mjs";

const USAGE = "npm run bench:mistakes -- [--count N] [--seed N] [--only RE] [--json FILE]";
const { values: options } = readArguments(
  USAGE,
  {
    options: {
      count: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: "" },
      json: { type: "string" },
    },
  },
  ({ values: { count, seed } }) => {
    if (!isWhole(count, 1)) return `--count takes a whole number from 1 on, not ${count}`;
    return isWhole(seed, 0) ? null : `--seed takes a whole number, not ${seed}`;
  },
);

/** Answers to mistakes until `wanted` are refused. */
async function measure({ wanted, seed, only }, tell) {
  const answers = [];
  let refused = 0;
  for (const mistake of mistakes(seed).filter((each) => only.test(nameOf(each)))) {
    const from = performance.now();
    const answer = { name: nameOf(mistake), ...(await judge(mistake)), ms: Math.round(performance.now() - from) };
    if (answer.verdict === "refused") refused++;
    answers.push(answer);
    tell(answer, refused);
    if (refused >= wanted) break;
  }
  return answers;
}

/** One line about an answer: what is wrong with it, or that nothing is. */
function progressOf({ name, verdict, kernel, own, ms }, refused) {
  const wrong = [];
  if (verdict === "compiler") wrong.push("refused by the compiler");
  else if (verdict === "accepted") wrong.push("no mistake for the kernel");
  else {
    if (!kernel.line || !kernel.remedy) wrong.push(`the log says ${kernel.says}`);
    if (own === null) wrong.push("our walk does not know a part");
    else if (!own.line || !own.remedy) wrong.push(`our walk says ${own.says}`);
  }
  return `${refused}/${options.count} ${name}: ${wrong.join("\n    ") || "right"} (${ms} ms)`;
}

function figuresOf(answers, wanted) {
  const refused = answers.filter(({ verdict }) => verdict === "refused");
  const told = refused.map(({ kernel }) => kernel);
  const known = refused.flatMap(({ own }) => own ?? []);
  const walked = known.filter(({ verdict }) => verdict === "reject");
  const count = (verdict) => answers.filter((answer) => answer.verdict === verdict).length;
  const atLeast = (figure, value, goal, unit = "") => ({
    figure,
    value,
    unit,
    goal: `${goal}${unit && " "}${unit}`,
    met: value >= goal,
  });
  const share = (figure, list, what, goal) =>
    atLeast(figure, list.length === 0 ? 0 : (100 * list.filter((one) => one[what]).length) / list.length, goal, "%");
  return [
    atLeast("mistakes that the kernel refuses", refused.length, wanted),
    share("right line, from the kernel's log", told, "line", 95),
    share("right remedy, from the kernel's log", told, "remedy", 90),
    atLeast("our walk refuses them, too", walked.length, known.length),
    { figure: "our walk does not know a part", value: refused.length - known.length, unit: "" },
    share("right line, from our walk", walked, "line", 95),
    share("right remedy, from our walk", walked, "remedy", 90),
    { figure: "refused by the compiler already", value: count("compiler"), unit: "" },
    { figure: "no mistake for the kernel", value: count("accepted"), unit: "" },
  ];
}

const loadable = canLoad();
if (!loadable.ok) {
  console.error(`needs the kernel: ${loadable.reason}`);
  process.exit(3);
}
const { json } = options;
if (json !== undefined) writeFileSync(json, "");
const record = (line) => json !== undefined && appendFileSync(json, `${JSON.stringify(line)}\n`);
const wanted = Number(options.count);
const asked = { wanted, seed: Number(options.seed), only: new RegExp(options.only) };
const answers = await measure(asked, (answer, refused) => {
  console.error(progressOf(answer, refused));
  record(answer);
});
const figures = figuresOf(answers, wanted);
record({ figures });
const width = Math.max(...figures.map(({ figure }) => figure.length));
for (const { figure, value, unit, goal = null, met = null } of figures) {
  const judged = goal === null ? "" : `   goal ${goal}: ${met ? "met" : "NOT MET"}`;
  console.log(
    `${figure.padEnd(width)}  ${String(Math.round(value * 10) / 10).padStart(6)} ${unit.padEnd(1)}${judged}`.trimEnd(),
  );
}
process.exit(figures.every(({ met = null }) => met !== false) ? 0 : 1);
