// Runs programs on an engine as often as each line of the input says, and prints what it took: one JSON object per line.
//
//   {run: NAME, times: N}       runs of a bench program: {ns, r0, instructions}
//   {compile: NAME, times: N}   translations to WebAssembly, and the engine's own compilation: {translate: [ns], engine: [ns]}
//
// Usage: node engine.mjs BENCH-FILE ENGINE [optimize]
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { decode } from "../../dist/lib/asm/index.js";
import { createEngine } from "../../dist/lib/vm/engines.js";
import { loadOptimizer } from "../../dist/lib/vm/index.js";
import { compileProgram } from "../../dist/lib/vm/jit/compile.js";
import { Memory } from "../../dist/lib/vm/memory.js";

const [file, name, optimize] = process.argv.slice(2);
const optimizer = optimize === undefined ? null : await loadOptimizer();
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const nothing = {
  helper: () => null,
  kfunc: () => null,
  pseudo: () => null,
  tailCall: () => null,
  loadPacket: () => null,
  arrayAt: () => null,
};
const LIMIT = 1e12;

const programs = new Map(
  JSON.parse(readFileSync(file, "utf8")).map((record) => [
    record.name,
    { ...record, insns: decode(bytesOf(record.insns)) },
  ]),
);
const prepared = new Map();

function prepare({ insns, mem }) {
  const memory = new Memory();
  const bytes = bytesOf(mem);
  const region = memory.map("memory", bytes.length);
  region.bytes.set(bytes);
  const extras = { observer: null, optimizer };
  const executable = createEngine(name, memory, extras).prepare({ name: "program", lines: [], insns }, nothing);
  const ring = { args: Uint32Array.of(region.start, bytes.length), results: new BigUint64Array(1) };
  // Compiles.
  executable.runBatch(ring, 1, LIMIT);
  return { executable, ring };
}

function run(program, times) {
  const { executable, ring } = prepared.get(program) ?? prepare(programs.get(program));
  prepared.set(program, { executable, ring });
  const from = process.hrtime.bigint();
  const { instructions, fault } = executable.runBatch(ring, times, LIMIT);
  const ns = Number(process.hrtime.bigint() - from);
  if (fault !== null) throw new Error(fault.message);
  return { ns, r0: ring.results[0].toString(16), instructions: instructions / times };
}

let nonce = 0;

/** The bytes with a custom section that makes them new to the engine, which knows modules by their bytes. */
function renewed(bytes) {
  const text = String(nonce++).padStart(8, "0");
  return new Uint8Array([...bytes, 0, 10, 1, 0x6e, ...Buffer.from(text)]);
}

function compile(program, times) {
  const { insns } = programs.get(program);
  const references = {
    hasHelper: () => false,
    hasKfunc: () => false,
    loaded: () => null,
    arrayOf: () => null,
    entries: new Set(),
  };
  const timed = (work) => {
    const from = process.hrtime.bigint();
    const value = work();
    return [Number(process.hrtime.bigint() - from), value];
  };
  const translate = [];
  const engine = [];
  for (let i = 0; i < times; i++) {
    const [ns, { bytes }] = timed(() => compileProgram(insns, references));
    const fresh = renewed(bytes);
    translate.push(ns);
    engine.push(timed(() => new WebAssembly.Module(fresh))[0]);
  }
  return { translate, engine };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { run: ran, compile: compiled, times } = JSON.parse(line);
  console.log(JSON.stringify(compiled === undefined ? run(ran, times) : compile(compiled, times)));
}
