// Random programs for our hooks, right ones and mutated ones, judged by the verifier of this package and by the running kernel's
// (needs root). Prints a JSON line for each difference, made as small as it stays one, then a summary line.
//
//   npm run fuzz:verifier -- [--seed N] [--count N] [--from N] [--as root|no-perfmon|unprivileged] [--counts] [--run]
//                            [--fixtures DIR] [--show N]
//
// --as: who loads them, default root. As no-perfmon the process gives CAP_PERFMON away, as unprivileged CAP_BPF, too (then only
// hooks that anybody may load, where kernel.unprivileged_bpf_disabled is 0): both judges guard against speculation then.
// The same seed gives the same programs; --from starts at that one. --counts: a count of processed instructions that is more than
// 5 % off the kernel's is a difference, too. --fixtures: where to write the differences (test/verifier/fixtures replays them).
// --run: what is accepted, and a packet is enough for, runs in the virtual machine, too (as root only): faults, and numbers that the
// walk did not foresee, are printed and counted as `misbehaved`.
// --show: how many differences of each kind are made small and shown, default 10. Ctrl-C ends the run with its summary.
// Exit code 1 when the verdicts differ or the verifier crashes.
import { randomInt } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { possibleCpus } from "../dist/loader/map.js";
import { missingShim } from "../dist/loader/sys/shim.js";
import { profileOf } from "../dist/lib/verifier/profiles/index.js";
import { isWhole, readArguments } from "./arguments.mjs";
import { ask } from "./ask-verifier.mjs";
import { bounded } from "./bounded.mjs";
import { readKernelBtf } from "./corpus-verifier/read.mjs";
import { isCountRight, round } from "./corpus-verifier/summary.mjs";
import { bytesOf } from "./fuzz-verifier/code.mjs";
import { toFixture } from "./fuzz-verifier/fixture.mjs";
import { minimise } from "./fuzz-verifier/minimise.mjs";
import { FIRST_DESCRIPTOR, LOADERS, isRestarted, missingFor, restart } from "./fuzz-verifier/privileges.mjs";
import { programOf } from "./fuzz-verifier/program.mjs";
import { Random } from "./fuzz-verifier/random.mjs";
import { RUNNABLE, misbehaviour } from "./fuzz-verifier/run.mjs";
import { ALL_MAPS, requestFor } from "./fuzz-verifier/world.mjs";
import { KernelVerifier } from "./kernel-verifier/kernel.mjs";

const USAGE =
  "npm run fuzz:verifier -- [--seed N] [--count N] [--from N] [--as LOADER] [--counts] [--run] [--fixtures DIR] [--show N]";
const { values } = readArguments(
  USAGE,
  {
    options: {
      seed: { type: "string", default: String(randomInt(2 ** 31)) },
      count: { type: "string", default: "10000" },
      from: { type: "string", default: "0" },
      show: { type: "string", default: "10" },
      as: { type: "string", default: "root" },
      counts: { type: "boolean", default: false },
      run: { type: "boolean", default: false },
      fixtures: { type: "string" },
    },
  },
  ({ values: options }) => {
    const wrong = ["seed", "count", "from", "show"].find((name) => !isWhole(options[name]));
    if (!Object.hasOwn(LOADERS, options.as)) return `--as takes ${Object.keys(LOADERS).join(", ")}, not ${options.as}`;
    return wrong === undefined ? null : `--${wrong} takes a whole number, not ${options[wrong]}`;
  },
);
const [seed, count, from, show] = ["seed", "count", "from", "show"].map((name) => Number(values[name]));

const RUN_SEED = 0x9ac7;
/** A walk of a million instructions takes two seconds. */
const MOST_MS = 60_000;
const TURN_MS = 200;
const PROGRESS_MS = 2000;
const FILE_NAMES = {
  falseAccepts: "false-accept",
  falseRejects: "false-reject",
  countsWrong: "count",
  crashes: "crash",
};
/** The kernel of the model's profile. */
const KERNEL = "6.18";

const loader = LOADERS[values.as];
const missing =
  missingShim() ?? (process.getuid?.() === 0 ? missingFor(values.as) : "only root may load programs and give that up");
if (missing !== null) {
  console.error(`the kernel cannot be asked: ${missing}`);
  process.exit(3);
}
const kernel = new KernelVerifier();
if (loader.drops.length > 0 && !isRestarted()) process.exit(restart(values.as, kernel.prepare(ALL_MAPS)));
if (isRestarted()) kernel.adopt(ALL_MAPS, FIRST_DESCRIPTOR);
console.error(`seed ${seed}, programs ${from} to ${from + count - 1}, loaded as ${values.as}`);

/** As the profile, with as many CPUs as there are here: the kernel knows of a CPU's number how large it can be. */
const profile = { ...profileOf(KERNEL), limits: { ...profileOf(KERNEL).limits, processors: possibleCpus() } };
const kernelBtf = readKernelBtf(undefined, ".");
const kernelIds = new Map(
  kernelBtf?.types.flatMap((type, id) => (type.kind === "func" ? [[type.name, id]] : [])) ?? [],
);
const nameOf = (id) => kernelBtf?.types[id]?.name ?? null;
// prettier-ignore
const total = {
  programs: 0, accepted: 0, agreed: 0, falseAccepts: 0, falseRejects: 0, crashes: 0, misbehaved: 0, countsRight: 0, countsWrong: 0, unsupported: {},
};
const work = { processed: 0, ours: 0, kernel: 0 };
const shown = {};
let stopped = false;
/** Differences to be shown when the turn is over. */
const found = [];
/** The program that is being judged. */
let at = from;
process.on("SIGINT", () => (stopped = true));

await run();
report();
kernel.close();
process.exit(total.falseAccepts + total.falseRejects + total.crashes + total.misbehaved === 0 ? 0 : 1);

async function run() {
  let progress = performance.now();
  for (at = from; at < from + count && !stopped;) {
    takeTurn();
    // A signal is only seen between turns.
    await nextTurn();
    if (performance.now() - progress < PROGRESS_MS) continue;
    progress = performance.now();
    const { programs, accepted, falseAccepts, falseRejects, crashes, countsWrong } = total;
    const said = `${programs} programs, the kernel took ${accepted}: ${falseAccepts} false accepts, ${falseRejects} false rejects, ${crashes} crashes, ${countsWrong} counts off`;
    process.stderr.write(process.stderr.isTTY ? `\r${said} ` : `${said}\n`);
  }
  if (process.stderr.isTTY) process.stderr.write("\n");
}

/** Some programs; one that keeps the verifier busy for ever is a crash. */
function takeTurn() {
  const end = performance.now() + TURN_MS;
  try {
    bounded(() => {
      for (; at < from + count && performance.now() < end; at++) judge(at);
    }, MOST_MS);
  } catch (error) {
    total.crashes++;
    console.log(JSON.stringify({ kind: "endless", seed, index: at, error: error.message }));
    at++;
  }
  for (const difference of found.splice(0)) present(difference);
}

function judge(index) {
  const program = programOf(seed, index, kernelIds, loader);
  const { request, theirs, ours, difference } = compare(program);
  total.programs++;
  if (theirs.verdict === "accept") total.accepted++;
  if (ours.verdict === "unsupported") {
    total.unsupported[ours.reason] = (total.unsupported[ours.reason] ?? 0) + 1;
    return;
  }
  if (theirs.verdict === ours.verdict) {
    total.agreed++;
    total[isCountRight({ line: ours, processed: theirs.processed }) ? "countsRight" : "countsWrong"]++;
    work.processed += theirs.processed;
    work.ours += ours.ms;
    work.kernel += theirs.microseconds / 1000;
    if (values.run && ours.verdict === "accept") runAccepted(index, program, request);
  } else if (difference !== null) total[difference]++;
  if (difference === null || (difference === "countsWrong" && !values.counts)) return;
  shown[difference] = (shown[difference] ?? 0) + 1;
  if (shown[difference] <= show) found.push({ index, program, kind: difference, theirs });
}

function runAccepted(index, program, request) {
  if (values.as !== "root" || !RUNNABLE.includes(program.hook.name)) return;
  const said = misbehaviour(program, request, {
    profile,
    kernel: kernelBtf,
    random: new Random(seed ^ RUN_SEED, index),
  });
  if (said === null) return;
  total.misbehaved++;
  console.log(JSON.stringify({ kind: "misbehaved", hook: program.hook.name, seed, index, said }));
}

/** Both verdicts, and what differs: the name of its column in `total`, or null. */
function compare(program) {
  const request = requestFor(program, bytesOf(program.slots), kernelBtf);
  const theirs = kernel.load(request);
  const ours = ask(request, { kernel: profile, privileges: loader.privileges });
  return { request, theirs, ours, difference: differenceOf(theirs, ours) };
}

function differenceOf(theirs, ours) {
  if (ours.verdict === "crash") return "crashes";
  if (ours.verdict === "unsupported") return null;
  if (ours.verdict !== theirs.verdict) return ours.verdict === "accept" ? "falseAccepts" : "falseRejects";
  return isCountRight({ line: ours, processed: theirs.processed }) ? null : "countsWrong";
}

/** The difference, made small; still the same kind, with the same words of the kernel where it rejects. */
function present({ index, program, kind, theirs }) {
  const words = general(theirs.message);
  const small = minimise(program, (candidate) => {
    const result = bounded(() => compare(candidate), MOST_MS);
    return result.difference === kind && (kind !== "falseAccepts" || general(result.theirs.message) === words);
  });
  const { request, theirs: now, ours } = compare(small);
  const { ms: _, ...said } = ours;
  const fixture = toFixture(
    request,
    { found: { seed, index }, privileges: loader.privileges, kernel: now, ours: said },
    nameOf,
  );
  console.log(
    JSON.stringify({
      kind,
      hook: program.hook.name,
      ...fixture.found,
      kernel: fixture.kernel,
      ours: said,
      code: fixture.request.code,
    }),
  );
  if (values.fixtures === undefined) return;
  mkdirSync(values.fixtures, { recursive: true });
  const file = join(
    values.fixtures,
    `${[FILE_NAMES[kind], ...(values.as === "root" ? [] : [values.as]), seed, index].join("-")}.json`,
  );
  writeFileSync(file, `${JSON.stringify(fixture, null, 2)}\n`);
  console.error(`written: ${file}`);
}

/** The kernel's words without numbers. */
function general(message) {
  return message?.replaceAll(/-?\d+/g, "N") ?? null;
}

function report() {
  const judged = total.agreed + total.falseAccepts + total.falseRejects;
  const per = (ms) => round((1000 * ms) / Math.max(work.processed, 1));
  console.log(
    JSON.stringify({
      seed,
      as: values.as,
      ...total,
      supportedShare: round(judged / Math.max(total.programs, 1)),
      falseRejectShare: round(total.falseRejects / Math.max(total.programs, 1)),
      usPerProcessed: { ours: per(work.ours), kernel: per(work.kernel) },
    }),
  );
}
