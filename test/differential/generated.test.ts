// Random programs: what the WebAssembly does, the compiled eBPF does, in the interpreter, the JIT and the kernel.
// EBPF_TS_PROGRAMS sets how many; EBPF_TS_SEED repeats a run.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ENGINE_NAMES } from "../../lib/vm/engines.ts";
import { canLoad } from "../../loader/index.ts";
import { compiled, kernelEngine, vmEngine, wasmEngine } from "./engines.ts";
import { generateProgram } from "./generate.ts";
import { chooseSeed, randomFrom } from "./packets.ts";

const seed = chooseSeed();
const programs = Number(process.env["EBPF_TS_PROGRAMS"] ?? 12);
const PACKETS = 20;
/** A program per instruction set version in turn. */
const CPUS = ["v3", "v4", "v2", "v1"] as const;
const loadable = canLoad();

test(
  `${programs} generated programs (seed ${seed})${loadable.ok ? "" : `; without the kernel: ${loadable.reason}`}`,
  { timeout: 60_000 + programs * 5_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-generated-"));
    try {
      for (let i = 0; i < programs; i++) {
        const random = randomFrom(seed + i);
        const source = generateProgram(random);
        const at = `EBPF_TS_SEED=${seed + i} EBPF_TS_PROGRAMS=1\n${source}`;
        const path = join(folder, `p${i}.ts`);
        writeFileSync(path, source);
        const cpu = CPUS[(seed + i) % CPUS.length];
        const object = await compiled(path, cpu).catch((error: unknown) => {
          throw new Error(`${String(error)}\n${at}`);
        });
        const reference = await wasmEngine(path, object);
        const others = [
          ...ENGINE_NAMES.map((name) => vmEngine(object, name)),
          ...(loadable.ok
            ? [
                await kernelEngine(object).catch((e: unknown) => {
                  throw new Error(`${String(e)}\n${at}`);
                }),
              ]
            : []),
        ];
        for (let n = 0; n < PACKETS; n++) {
          const packet = Uint8Array.from({ length: 64 }, () => (random() % 4 === 0 ? 0xff : random()));
          const expected = reference.run("run", packet);
          for (const engine of others) {
            const where = `${engine.name}, packet ${n}: ${Buffer.from(packet).toString("hex")}\n${at}`;
            expect(engine.run("run", packet), where).toEqual(expected);
            expect(engine.entries("results"), where).toEqual(reference.entries("results"));
          }
        }
        for (const engine of others) expect(engine.entries("counts"), at).toEqual(reference.entries("counts"));
        for (const engine of [reference, ...others]) await engine[Symbol.asyncDispose]();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
