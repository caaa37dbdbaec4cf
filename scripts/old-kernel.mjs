// Profiles of older kernels against such kernels: boots one in a machine of its own (qemu, all in software, so that it runs anywhere
// and takes minutes), has its verifier judge records, random programs, objects and small questions, and compares with the model.
// Prints a JSON line for each difference, then a summary line for each source.
//
//   npm run old-kernel -- --kernel BZIMAGE [--keep FILE] [--corpus RECORDS,BTF]... [--fuzz SEED,COUNT] [--probes] [--only REGEX]
//                         [--walk] [--minutes N] [OBJECT.o ...]
//   npm run old-kernel -- --kept FILE ...the same
//
// --kernel: an image with the serial console and BTF built in, as Debian's linux-image packages have it in boot/. --keep writes down
// what the kernel said; --kept compares with that again, without a machine. --corpus: as corpus:verifier takes them. --fuzz: as
// fuzz:verifier. --probes: who may call which helper, and what of contexts may be read and written. --walk prints the kernel's log
// of the cases (choose few by --only). --fixtures: random programs that tell this kernel from the newest go to that file
// (test/verifier/profiles holds the profiles against it). --profile: which profile is compared, default that of the kernel's release.
// Exit code 1 when the model accepts what the kernel rejects; 3 when qemu is missing.
import { basename, join } from "node:path";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { decodeBtf } from "../dist/lib/btf/index.js";
import { nameOf, profileOf, profileOfVersion, versionOf } from "../dist/lib/verifier/profiles/index.js";
import { isWhole, readArguments, readJson } from "./arguments.mjs";
import { ask } from "./ask-verifier.mjs";
import { bounded } from "./bounded.mjs";
import { readPacked } from "./corpus-verifier/read.mjs";
import { isCountRight, summarise } from "./corpus-verifier/summary.mjs";
import { FixtureChoice } from "./old-kernel/fixtures.mjs";
import { missingMachine, runMachine } from "./old-kernel/machine.mjs";
import { mayCall } from "./old-kernel/probes.mjs";
import { casesOf } from "./old-kernel/sources.mjs";

const USAGE =
  "npm run old-kernel -- (--kernel BZIMAGE [--keep FILE] | --kept FILE) [--profile NAME] [--corpus RECORDS,BTF]... [--fuzz SEED,COUNT] [--probes] [--only REGEX] [--walk] [--fixtures FILE] [--minutes N] [OBJECT.o ...]";
const { values: options, positionals: objects } = readArguments(
  USAGE,
  {
    options: {
      kernel: { type: "string" },
      keep: { type: "string" },
      kept: { type: "string" },
      profile: { type: "string" },
      corpus: { type: "string", multiple: true, default: [] },
      fuzz: { type: "string" },
      probes: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      walk: { type: "boolean", default: false },
      fixtures: { type: "string" },
      minutes: { type: "string", default: "60" },
    },
    allowPositionals: true,
  },
  ({ values: { kernel, kept, corpus, fuzz, minutes, profile } }) => {
    if ((kernel === undefined) === (kept === undefined)) return "one of --kernel and --kept is needed";
    if (corpus.some((pair) => pair.split(",").length !== 2)) return "--corpus takes RECORDS,BTF";
    if (fuzz !== undefined && !/^\d+,\d+$/.test(fuzz)) return `--fuzz takes SEED,COUNT, not ${fuzz}`;
    if (profile !== undefined && profileOf(profile) === null) return `there is no profile ${profile}`;
    return isWhole(minutes, 1) ? null : `--minutes takes a whole number, not ${minutes}`;
  },
);
/** A walk of a million instructions takes two seconds. */
const MOST_MS = 30_000;

const { sources, files } = readTask();
const said = options.kept === undefined ? await askKernel() : readJson(options.kept, USAGE);
if (options.keep !== undefined) writeFileSync(options.keep, JSON.stringify(said));
process.exit(options.walk ? showWalks() : compare());

// ---- the task

/** The sources, and the files that they need: [name, bytes], unpacked and without folders. */
function readTask() {
  const found = { sources: [], files: [] };
  const add = (name, bytes) => {
    found.files.push([name, bytes]);
    return name;
  };
  for (const [index, pair] of options.corpus.entries()) {
    const [records, btfs] = pair.split(",");
    const plain = (file) => add(`${index}-${basename(file).replace(/\.xz$/, "")}`, readPacked(file));
    found.sources.push({ kind: "corpus", name: basename(records), records: plain(records), btfs: plain(btfs) });
  }
  if (options.fuzz !== undefined) {
    const [seed, count] = options.fuzz.split(",").map(Number);
    found.sources.push({ kind: "fuzz", name: `fuzz ${options.fuzz}`, seed, count });
  }
  const names = objects.map((file) => add(basename(file), readFileSync(file)));
  if (names.length > 0) found.sources.push({ kind: "objects", name: "objects", files: names });
  if (options.probes) {
    for (const kind of ["helpers", "contexts"]) found.sources.push({ kind, name: kind });
  }
  return found;
}

// ---- the kernel

/** {release, types (base64), cpus, verdicts: {id: verdict}}. */
async function askKernel() {
  const missing = missingMachine();
  if (missing !== null) {
    console.error(missing);
    process.exit(3);
  }
  const answer = { release: null, types: null, cpus: 0, verdicts: {} };
  let ended = false;
  const heard = ({ kind, verdicts, ...facts }) => {
    if (kind === "kernel") Object.assign(answer, facts);
    else if (kind === "end") ended = true;
    else for (const { id, ...verdict } of verdicts) answer.verdicts[id] = verdict;
    console.error(`${answer.release}: ${Object.keys(answer.verdicts).length} verdicts`);
  };
  const task = { sources, only: options.only, walk: options.walk };
  const machine = await runMachine(options.kernel, [["task.json", Buffer.from(JSON.stringify(task))], ...files], {
    heard,
    minutes: Number(options.minutes),
  });
  if (!ended) {
    console.error(`the kernel did not come to the end:\n${machine.slice(-20).join("\n")}`);
    if (answer.release === null) process.exit(2);
  }
  return answer;
}

// ---- the comparison

function compare() {
  const version = versionOf(said.release);
  const base = profileOf(options.profile ?? nameOf(version)) ?? profileOfVersion(version);
  const kernel = { ...base, limits: { ...base.limits, processors: said.cpus } };
  const types = decodeBtf(Uint8Array.from(Buffer.from(said.types, "base64")), "the kernel's types");
  const folder = mkdtempSync(join(tmpdir(), "old-kernel-"));
  const choice = new FixtureChoice(base, said.release);
  let wrong = 0;
  try {
    for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
    for (const source of sources) {
      const judged = [];
      for (const { id, request, unsupported } of casesOf(source, folder, { types, version })) {
        const theirs = said.verdicts[id];
        if (unsupported !== undefined || theirs === undefined || !new RegExp(options.only).test(id)) continue;
        const outcome = judge(source, id, request, theirs, kernel);
        judged.push(outcome);
        if (options.fixtures !== undefined && source.kind === "fuzz") choice.offer(id, request, theirs, outcome.line);
      }
      const { falseAccepts, falseRejects, crashes, ms: _, usPerProcessed: __, ...summary } = summarise(judged);
      wrong += falseAccepts.length;
      console.log(
        JSON.stringify({
          kernel: said.release,
          profile: base.name,
          source: source.name,
          falseAccepts: falseAccepts.length,
          falseRejects: falseRejects.length,
          crashes: crashes.length,
          ...summary,
        }),
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  if (options.fixtures !== undefined) console.error(`${choice.write(options.fixtures)} fixtures of ${base.name}`);
  return wrong === 0 ? 0 : 1;
}

/** As `summarise` takes it; a difference is printed. */
function judge(source, id, request, theirs, kernel) {
  const ours = bounded(() => ask(request, { kernel }), MOST_MS);
  const isProbe = source.kind === "helpers";
  const line = { id, ...ours, ...(isProbe ? { verdict: mayCall.model(ours) } : {}) };
  const verdict = isProbe ? mayCall.kernel(theirs) : theirs.verdict;
  const outcome = { line, kernel: verdict, processed: isProbe ? null : theirs.processed };
  const differs =
    line.verdict === "unsupported" ? false : line.verdict !== verdict || (!isProbe && !isCountRight(outcome));
  if (differs) {
    const { message, processed } = theirs;
    console.log(JSON.stringify({ id, kernel: { verdict, message, processed }, ours: line }));
  }
  return outcome;
}

function showWalks() {
  for (const [id, { verdict, walk }] of Object.entries(said.verdicts)) console.log(`${id}: ${verdict}\n${walk}`);
  return 0;
}
