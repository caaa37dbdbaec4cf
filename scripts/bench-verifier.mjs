// The verifier against the kernel's: every program that our compiler makes of programs/, and the corpus where it is.
//
//   npm run bench:verifier -- [--corpus DIR] [--rounds N] [--json FILE]
//
// For each program of ours: verdict, processed instructions and time of both verifiers in the same run, turn by turn, the least
// of all rounds, after ours walked all of them for a few seconds: the engine compiles what it has seen often. The kernel's time is that of its own log ("verification time"). DIR (default ../shared/corpus/verifier) has
// public.jsonl.xz, public-btf.jsonl.xz and vmlinux.btf.xz: each record once cold, then once warm. Without privilege the
// kernel's columns stay empty. Exit code 1 when a program of ours has another verdict or a count that is more than 5 % off.
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { compileFile, readElf } from "../dist/index.js";
import { formatTable } from "../dist/cli/table.js";
import { requestOf } from "../dist/lib/verifier/request.js";
import { profileOf } from "../dist/lib/verifier/profiles/index.js";
import { missingShim } from "../dist/loader/sys/shim.js";
import { isWhole, readArguments } from "./arguments.mjs";
import { ask } from "./ask-verifier.mjs";
import { bounded } from "./bounded.mjs";
import { readBtfs, readJsonLines, readKernelBtf } from "./corpus-verifier/read.mjs";
import { requestOfRecord } from "./corpus-verifier/record.mjs";
import { isCountRight, round } from "./corpus-verifier/summary.mjs";
import { KernelVerifier } from "./kernel-verifier/kernel.mjs";

const ROOT = resolve(import.meta.dirname, "..");
const { values: options } = readArguments(
  "npm run bench:verifier -- [--corpus DIR] [--rounds N] [--json FILE]",
  {
    options: {
      corpus: { type: "string", default: "../shared/corpus/verifier" },
      rounds: { type: "string", default: "7" },
      json: { type: "string" },
    },
  },
  ({ values: { rounds } }) => (isWhole(rounds, 1) ? null : `--rounds takes a whole number from 1 on, not ${rounds}`),
);
const ROUNDS = Number(options.rounds);
const MOST_MS = 60_000;
/** A program of 22,000 instructions gets no faster after the first 16 walks, a second. */
const WARM_MS = 4_000;
const profile = profileOf("6.18");
const kernel = missingShim() === null && process.getuid?.() === 0 ? new KernelVerifier() : null;
const kernelBtf = readKernelBtf(undefined, ".");

const programs = await benchPrograms();
const corpus = existsSync(join(options.corpus, "public.jsonl.xz")) ? benchCorpus() : null;
const result = { programs, ...totalsOf(programs), corpus };
kernel?.close();
show();
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify({ ...result, programs: programs.length }));
process.exit(result.wrong.length === 0 ? 0 : 1);

// ---- our compiler's programs

/** Objects of programs/, compiled now, and the mesh's. */
async function listObjects() {
  const folders = ["programs/examples", "programs/bench"];
  const files = folders
    .flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(folder, name)))
    .filter((name) => name.endsWith(".ts"))
    .toSorted((a, b) => a.localeCompare(b));
  const objects = [
    { file: "programs/mesh", object: readElf(readFileSync(join(ROOT, "dist/programs/mesh.o")), "mesh.o") },
  ];
  for (const file of files) {
    const { object, diagnostics } = await compileFile(join(ROOT, file));
    if (object === null) throw new Error(`${file}: ${diagnostics.map(({ message }) => message).join("; ")}`);
    objects.push({ file, object });
  }
  return objects;
}

async function benchPrograms() {
  const asked = (await listObjects()).flatMap(({ file, object }) =>
    object.programs.map(({ name }) => ({ file, request: requestOf(object, name, { kernel: kernelBtf }) })),
  );
  warmUp(asked.map(({ request }) => request));
  return asked.map(({ file, request }) => benchProgram(file, request));
}

function walk(request) {
  return bounded(() => ask(request, { kernel: profile }), MOST_MS);
}

function warmUp(requests) {
  const end = performance.now() + WARM_MS;
  while (performance.now() < end) for (const request of requests) walk(request);
}

/** Both verifiers by turns. */
function benchProgram(file, request) {
  const ours = { ms: Infinity };
  const theirs = { us: Infinity };
  for (let i = 0; i < ROUNDS; i++) {
    const { verdict, reason, processed, ms } = walk(request);
    Object.assign(ours, { verdict, reason, processed, ms: Math.min(ours.ms, ms) });
    if (kernel === null) continue;
    const said = kernel.load(request);
    theirs.us = Math.min(theirs.us, said.microseconds);
    Object.assign(theirs, { verdict: said.verdict, reason: said.message, processed: said.processed });
  }
  return {
    file,
    program: request.name,
    ours: { ...ours, ms: round(ours.ms) },
    kernel: kernel === null ? null : theirs,
  };
}

function totalsOf(rows) {
  const judged = rows.filter(({ kernel: theirs }) => theirs !== null);
  const agreed = judged.filter(({ ours, kernel: theirs }) => ours.verdict === theirs.verdict);
  const wrong = judged.filter(
    (row) =>
      row.ours.verdict !== row.kernel.verdict || !isCountRight({ line: row.ours, processed: row.kernel.processed }),
  );
  const sum = (list, value) => list.reduce((total, row) => total + value(row), 0);
  const processed = Math.max(
    sum(agreed, (row) => row.kernel.processed),
    1,
  );
  return {
    wrong: wrong.map(({ file, program }) => `${file} ${program}`),
    usPerProcessed: {
      ours: round((1000 * sum(agreed, ({ ours }) => ours.ms)) / processed),
      kernel: round(sum(agreed, ({ kernel: theirs }) => theirs.us) / processed),
    },
  };
}

// ---- the corpus

/** Times of all records: the first walk of each, and a second one. */
function benchCorpus() {
  const file = join(options.corpus, "public.jsonl.xz");
  const types = readKernelBtf(undefined, file);
  const btfs = readBtfs(join(options.corpus, "public-btf.jsonl.xz"));
  const records = readJsonLines(file).filter(({ verdict }) => verdict !== null);
  const walks = records.flatMap((record) => {
    const { request } = requestOfRecord(record, btfs, types);
    if (request === undefined) return [];
    const [cold, warm] = [timed(request), timed(request)];
    return [{ id: record.id, cold: cold.ms, ms: warm.ms, processed: warm.processed }];
  });
  const times = walks.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const coldTimes = walks.map(({ cold }) => cold).toSorted((a, b) => a - b);
  const long = walks.filter(({ processed }) => processed >= 1000);
  const worst = walks.toSorted((a, b) => b.ms - a.ms).slice(0, 5);
  const sum = (list, column) => list.reduce((total, row) => total + row[column], 0);
  return {
    records: walks.length,
    ms: { p50: at(times, 0.5), p95: at(times, 0.95), max: times.at(-1), coldP95: at(coldTimes, 0.95) },
    usPerProcessed: {
      all: round((1000 * sum(walks, "ms")) / sum(walks, "processed")),
      longWalks: round((1000 * sum(long, "ms")) / sum(long, "processed")),
    },
    worst,
  };
}

function timed(request) {
  try {
    const { ms, processed } = walk(request);
    return { ms: round(ms), processed };
  } catch {
    return { ms: MOST_MS, processed: 0 };
  }
}

function at(sorted, share) {
  return sorted[Math.floor(sorted.length * share)];
}

// ---- what a person reads

function show() {
  const rows = programs.map(({ file, program, ours, kernel: theirs }) => [
    `${file} ${program}`,
    ours.verdict,
    theirs?.verdict ?? "",
    ours.processed,
    theirs?.processed ?? "",
    ours.ms,
    theirs === null ? "" : round(theirs.us / 1000),
  ]);
  const header = ["program", "ours", "kernel", "processed", "kernel's", "ms", "kernel's ms"];
  console.error(formatTable(header, rows));
  for (const { program, ours, kernel: theirs } of programs) {
    if (theirs !== null && ours.verdict !== theirs.verdict) {
      console.error(`${program}: ours: ${ours.reason ?? "accept"}; the kernel: ${theirs.reason ?? "accept"}`);
    }
  }
}
