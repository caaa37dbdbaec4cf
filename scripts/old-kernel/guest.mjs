// Runs in the machine of an older kernel: has it judge all cases of the task and says the answers over the serial line: first the
// kernel's release, its types and how many CPUs it may have, then verdicts, many a message, then the end.
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { decodeBtf } from "../../dist/lib/btf/index.js";
import { versionOf } from "../../dist/lib/verifier/profiles/index.js";
import { possibleCpus } from "../../dist/loader/map.js";
import { KernelVerifier } from "../kernel-verifier/kernel.mjs";
import { lineOf } from "./line.mjs";
import { casesOf } from "./sources.mjs";

const BATCH = 500;
const KERNEL_TYPES = "/sys/kernel/btf/vmlinux";
/** The level of a log with all instructions walked. */
const WALK = 2;
/** Maps are not kept for longer than so many cases. */
const CLOSE_AFTER = 100;

const folder = process.argv[2];
const { sources, only, walk } = JSON.parse(readFileSync(join(folder, "task.json"), "utf8"));
const pattern = new RegExp(only);
const bytes = readFileSync(KERNEL_TYPES);
const types = decodeBtf(Uint8Array.from(bytes), KERNEL_TYPES);
const version = versionOf(release());
const kernel = new KernelVerifier();
say({ kind: "kernel", release: release(), types: bytes.toString("base64"), cpus: possibleCpus() });

let verdicts = [];
for (const source of sources) {
  for (const { id, request, unsupported } of casesOf(source, folder, { types, version })) {
    if (unsupported !== undefined || !pattern.test(id)) continue;
    verdicts.push({ id, ...judge(request) });
    if (verdicts.length % CLOSE_AFTER === 0) kernel.close();
    if (verdicts.length === BATCH) flush();
  }
}
flush();
say({ kind: "end" });

/** A map or type that the kernel does not make is a program that it does not load. */
function judge(request) {
  try {
    return { ...kernel.load(request), ...(walk ? { walk: kernel.load(request, WALK).log } : {}) };
  } catch (error) {
    return { verdict: "reject", errno: null, message: `before the load: ${error.message}`, processed: 0 };
  }
}

function flush() {
  say({ kind: "verdicts", verdicts });
  verdicts = [];
}

function say(message) {
  process.stdout.write(lineOf(message));
}
