// Speed of the virtual machine's engines against compiled C, and through it against uBPF's JIT.
//
//   npm run bench:vm -- [--data FOLDER] [--node PATH]... [--rounds N] [--only NAME,NAME] [--cpu N] [--optimize] [--json FILE]
//
// FOLDER (default ../shared/bench/vm) has bench.json (programs with memory and expected results) and their C sources in src/.
// The sources are compiled with `gcc -O2`. Native code and the engines of every node given run by turns on one pinned CPU,
// after a warm-up (--optimize: the JIT with binaryen), and the least time of all rounds counts. The ratio to uBPF's JIT is the measured one to gcc times gcc's to
// uBPF's JIT, as recorded below.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { isWhole, readArguments, readJson, requireTool } from "./arguments.mjs";

// Time of gcc -O2 over that of uBPF's JIT, measured side by side in November 2026 (column "gcc -O2" of the baselines).
// prettier-ignore
const GCC_OVER_UBPF = {
  csum: 1.11, fnv: 0.90, jenkins: 0.40, siphash: 0.51, memcpy: 0.69, bswap: 0.95, sieve: 1.39, parse: 0.51, fib: 0.97,
  primes: 0.29, muldiv: 0.32, calls: 0.60,
};
/** Nanoseconds that a sample takes, and how long everything runs before samples count. */
const SAMPLE = 4e6;
const WARM_UP = 1.5e8;
const INTERPRETER_SAMPLE = 2e7;
/** The program of about 300 instructions whose compilation is measured, and how often. */
const COMPILED = { program: "siphash", times: 400 };
const BATCHED = "parse";

const here = fileURLToPath(new URL("./bench-vm/", import.meta.url));
const USAGE =
  "npm run bench:vm -- [--data FOLDER] [--node PATH]... [--rounds N] [--only NAME,NAME] [--cpu N] [--optimize] [--json FILE]";
const { values: options } = readArguments(
  USAGE,
  {
    options: {
      data: { type: "string", default: "../shared/bench/vm" },
      node: { type: "string", multiple: true, default: [process.execPath] },
      rounds: { type: "string", default: "25" },
      only: { type: "string" },
      cpu: { type: "string", default: "1" },
      optimize: { type: "boolean", default: false },
      json: { type: "string" },
    },
  },
  ({ values: { rounds, cpu } }) => {
    if (!isWhole(rounds, 1)) return `--rounds takes a whole number from 1 on, not ${rounds}`;
    return isWhole(cpu) ? null : `--cpu takes the number of a CPU, not ${cpu}`;
  },
);

/** A process that answers a line with a line, pinned to the CPU. */
class Worker {
  constructor(command, args) {
    this.child = spawn("taskset", ["-c", options.cpu, command, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }
  async ask(line) {
    this.child.stdin.write(`${line}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.child.spawnargs.join(" ")} ended`);
    return value;
  }
  close() {
    this.child.stdin.end();
  }
}

/** gcc's code for a program. */
class Native {
  constructor(folder, { name, mem }) {
    const [library, memory] = [join(folder, `${name}.so`), join(folder, `${name}.mem`)];
    execFileSync("gcc", ["-O2", "-shared", "-fPIC", "-o", library, join(options.data, "src", `${name}.c`)]);
    writeFileSync(memory, Buffer.from(mem, "hex"));
    this.worker = new Worker(join(folder, "native"), [library, memory]);
  }
  async run(times) {
    const [ns, r0] = (await this.worker.ask(String(times))).split(" ");
    return { ns: Number(ns), r0 };
  }
}

/** A program on an engine of a node. */
class OnEngine {
  constructor(worker, { name }) {
    this.worker = worker;
    this.name = name;
  }
  async run(times) {
    return JSON.parse(await this.worker.ask(JSON.stringify({ run: this.name, times })));
  }
}

/** How often to run so that a sample takes as long as it should, after warming up. */
async function calibrate(subject, { expect, executed }, sample) {
  let times = 1;
  for (let spent = 0, enough = 0; ;) {
    const { ns, r0, instructions } = await subject.run(times);
    if (BigInt(`0x${r0}`) !== BigInt(`0x${expect}`)) throw new Error(`wrong result ${r0}, not ${expect}`);
    if (instructions !== undefined && instructions !== executed)
      throw new Error(`counted ${instructions}, not ${executed}`);
    // A single long sample may be somebody else's doing.
    spent += ns;
    enough = ns < sample / 2 ? 0 : enough + 1;
    if (enough === 0) times *= 2;
    else if (enough > 2 && spent > WARM_UP) return times;
  }
}

const geomean = (numbers) => Math.exp(numbers.reduce((sum, x) => sum + Math.log(x), 0) / numbers.length);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

function table(head, rows) {
  const lines = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...lines.map((line) => String(line[i]).length)));
  for (const line of lines)
    console.log(
      line.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join("  "),
    );
  console.log();
}

const bench = join(options.data, "bench.json");
const only = options.only?.split(",");
const programs = readJson(bench, USAGE).filter(({ name }) => name in GCC_OVER_UBPF && (only?.includes(name) ?? true));
for (const [tool, debian] of [
  ["gcc", "gcc"],
  ["taskset", "util-linux"],
])
  requireTool(tool, debian);
const folder = mkdtempSync(join(tmpdir(), "bench-vm-"));
const report = { gcc: execFileSync("gcc", ["--version"], { encoding: "utf8" }).split("\n")[0], nodes: {} };
const workers = [];
try {
  execFileSync("gcc", ["-O2", "-o", join(folder, "native"), join(here, "native.c"), "-ldl"]);
  const nodes = options.node.map((path) => {
    const version = execFileSync(path, ["--version"], { encoding: "utf8" }).trim();
    const worker = (engine) =>
      new Worker(path, [join(here, "engine.mjs"), bench, engine, ...(options.optimize ? ["optimize"] : [])]);
    const made = { version, jit: worker("jit"), interpreter: worker("interpreter") };
    workers.push(made.jit, made.interpreter);
    report.nodes[version] = { programs: {} };
    return made;
  });
  for (const program of programs) {
    const native = new Native(folder, program);
    const subjects = [native, ...nodes.map(({ jit }) => new OnEngine(jit, program))];
    const times = [];
    for (const subject of subjects) times.push(await calibrate(subject, program, SAMPLE));
    const least = subjects.map(() => Infinity);
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const [i, subject] of subjects.entries())
        least[i] = Math.min(least[i], (await subject.run(times[i])).ns / times[i]);
    }
    native.worker.close();
    for (const [i, { version, interpreter }] of nodes.entries()) {
      const slow = new OnEngine(interpreter, program);
      const runs = await calibrate(slow, program, INTERPRETER_SAMPLE);
      let ns = Infinity;
      for (let round = 0; round < Number(options.rounds); round++) ns = Math.min(ns, (await slow.run(runs)).ns / runs);
      const toGcc = least[i + 1] / least[0];
      report.nodes[version].programs[program.name] = {
        gcc: least[0],
        jit: least[i + 1],
        toGcc,
        toUbpf: toGcc * GCC_OVER_UBPF[program.name],
        interpreter: ns / program.executed,
      };
    }
  }
  for (const { version, jit } of nodes) {
    const result = report.nodes[version];
    const rows = Object.entries(result.programs);
    const column = (key) => rows.map(([, row]) => row[key]);
    result.toUbpf = geomean(column("toUbpf"));
    result.toGcc = geomean(column("toGcc"));
    result.interpreter = geomean(column("interpreter"));
    const { translate, engine } = JSON.parse(
      await jit.ask(JSON.stringify({ compile: COMPILED.program, times: COMPILED.times })),
    );
    const warm = translate.slice(translate.length >> 1);
    result.compile = { translate: median(warm) / 1e6, engine: median(engine.slice(engine.length >> 1)) / 1e6 };
    const batched = result.programs[BATCHED]?.jit;
    result.packets = batched === undefined ? null : 1e3 / batched;
    console.log(`Node ${version}, ${report.gcc}`);
    table(
      ["program", "gcc ns", "jit ns", "jit/gcc", "jit/uBPF", "interpreter ns/insn"],
      [
        ...rows.map(([name, row]) => [
          name,
          row.gcc.toFixed(1),
          row.jit.toFixed(1),
          row.toGcc.toFixed(2),
          row.toUbpf.toFixed(2),
          row.interpreter.toFixed(1),
        ]),
        ["geomean", "", "", result.toGcc.toFixed(3), result.toUbpf.toFixed(3), result.interpreter.toFixed(1)],
      ],
    );
    console.log(
      `compilation of ${COMPILED.program}, median: ${result.compile.translate.toFixed(2)} ms to WebAssembly, then the engine's ${result.compile.engine.toFixed(2)} ms`,
    );
    if (result.packets !== null) console.log(`${BATCHED}, batched: ${result.packets.toFixed(1)} million packets/s`);
    console.log();
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  for (const worker of workers) worker.close();
  rmSync(folder, { recursive: true, force: true });
}
