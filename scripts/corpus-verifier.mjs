// Judges the verifier by a corpus of programs with a real kernel's verdicts: a JSON line for each record {id, verdict:
// accept|reject|unsupported, reason, insn, processed, ms}, then a summary line.
//
//   npm run corpus:verifier -- [--kernel-btf FILE] [--only REGEX] [--wrong] [--no-perfmon] [--quiet] NAME.jsonl.xz NAME-btf.jsonl.xz
//
// Files may be packed (the command xz must be there) or plain. --kernel-btf: the types that kernel ids in the records mean;
// default vmlinux.btf.xz beside the records, else the running kernel's. --only: ids that match. --wrong: only records that
// disagree, with the kernel's words beside ours. --no-perfmon: as one without CAP_PERFMON, against those verdicts. --quiet:
// the summary alone. A verdict `crash` is an exception of the verifier, or that it
// did not come to an end: a bug of it.
// Exit code 1 when there is a false accept, a false reject or a crash.
import { profileOf } from "../dist/lib/verifier/profiles/index.js";
import { readArguments } from "./arguments.mjs";
import { ask } from "./ask-verifier.mjs";
import { bounded } from "./bounded.mjs";
import { readBtfs, readJsonLines, readKernelBtf } from "./corpus-verifier/read.mjs";
import { requestOfRecord } from "./corpus-verifier/record.mjs";
import { isCountRight, round, summarise } from "./corpus-verifier/summary.mjs";

/** The kernel that gave the verdicts of the corpus. */
const KERNEL = "6.18";
/** A walk of a million instructions takes two seconds. */
const MOST_MS = 30_000;

const USAGE =
  "npm run corpus:verifier -- [--kernel-btf FILE] [--only REGEX] [--wrong] [--no-perfmon] [--quiet] NAME.jsonl.xz NAME-btf.jsonl.xz";
const { values, positionals } = readArguments(
  USAGE,
  {
    options: {
      "kernel-btf": { type: "string" },
      only: { type: "string" },
      wrong: { type: "boolean", default: false },
      "no-perfmon": { type: "boolean", default: false },
      quiet: { type: "boolean", default: false },
    },
    allowPositionals: true,
  },
  ({ values: { only }, positionals: files }) => {
    if (only !== undefined && !isRegex(only)) return `--only takes a regular expression, not ${only}`;
    return files.length === 2 ? null : "two files are needed: the records and their BTF";
  },
);

const [recordsFile, btfFile] = positionals;
const { records, btfs, kernelBtf } = readInputs();
const options = {
  kernel: profileOf(KERNEL),
  privileges: { bpf: true, perfmon: !values["no-perfmon"] },
};
const judged = [];
for (const record of records) {
  const outcome = judge(record);
  judged.push(outcome);
  if (values.quiet) continue;
  if (!values.wrong) console.log(JSON.stringify(outcome.line));
  else if (isWrong(outcome)) console.log(JSON.stringify({ ...outcome.line, kernel: kernelWords(record, outcome) }));
}
const summary = summarise(judged);
console.log(JSON.stringify(summary));
process.exit(summary.falseAccepts.length + summary.falseRejects.length + summary.crashes.length === 0 ? 0 : 1);

function readInputs() {
  try {
    const pattern = new RegExp(values.only ?? "");
    return {
      records: readJsonLines(recordsFile).filter(({ id }) => pattern.test(id)),
      btfs: readBtfs(btfFile),
      kernelBtf: readKernelBtf(values["kernel-btf"], recordsFile),
    };
  } catch (error) {
    console.error(error.message);
    process.exit(2);
  }
}

function judge(record) {
  const observed = values["no-perfmon"] ? (record.no_perfmon ?? null) : record;
  const kernel = observed?.verdict ?? null;
  const processed = values["no-perfmon"] ? null : (record.kernel?.insns_processed ?? null);
  return { line: answer(record), kernel, processed };
}

function answer({ id, ...record }) {
  const nothing = { insn: null, processed: 0, ms: 0 };
  try {
    const { request, unsupported } = requestOfRecord({ id, ...record }, btfs, kernelBtf);
    if (unsupported !== undefined) return { id, verdict: "unsupported", reason: unsupported, ...nothing };
    const { ms, ...said } = bounded(() => ask(request, options), MOST_MS);
    return { id, ...said, ms: round(ms) };
  } catch (error) {
    return { id, verdict: "crash", reason: String(error), ...nothing };
  }
}

/** A verdict that is not the kernel's, a crash, or a count that is more than 5 % off. */
function isWrong(outcome) {
  const { line, kernel, processed } = outcome;
  if (line.verdict === "crash") return true;
  if (kernel === null) return false;
  return line.verdict !== kernel || (processed !== null && !isCountRight(outcome));
}

function kernelWords(record, { kernel, processed }) {
  const { msg, fail_insn: insn } = values["no-perfmon"] ? record.no_perfmon : record.kernel;
  return { verdict: kernel, reason: msg ?? null, insn: insn ?? null, processed };
}

function isRegex(text) {
  try {
    return RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
