/**
 * The conformance corpus in the running kernel: what it loads, it must compute as the engines do, in all 64 bits.
 *
 * The case becomes a function of its own, called with a map value as memory and its length, so that its several exits
 * need no change; a main program around it stores r0 where it can be read.
 */
import { describe, expect, test } from "vitest";
import { callLocal, decode, exit, mov64, r0, r1, r2, st } from "../../lib/asm/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { runCase } from "../../lib/vm/conformance.ts";
import { ENGINE_NAMES } from "../../lib/vm/engines.ts";
import { VerifierError, canLoad, load } from "../../loader/index.ts";
import { ldvalue, map, object, program } from "../kernel/specs.ts";
import { CORPUS, readCorpus } from "./corpus.ts";
import type { CorpusCase } from "./corpus.ts";

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: the conformance corpus in the kernel: ${loadable.reason}\n`);

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const KEY = new Uint8Array(4);

/** main: r1 = memory (0 when there is none), r2 = its length; result = the case's r0. */
function wrapped(test: CorpusCase, body: readonly Insn[]): ObjectSpec {
  const memory = fromHex(test.mem);
  const maps = [map("result", "array", 4, 8, 1)];
  if (memory.length > 0) maps.push(map("memory", "array", 4, memory.length, 1));
  const main = program("main", "xdp", [
    memory.length > 0 ? ldvalue(r1, "memory") : mov64(r1, 0),
    mov64(r2, memory.length),
    // Behind the five slots that follow.
    callLocal(5),
    ldvalue(r1, "result"),
    st(8, r1, 0, r0),
    mov64(r0, 2),
    exit(),
  ]);
  return object([{ ...main, insns: [...main.insns, ...body] }], maps);
}

/** What the kernel computes, in hex; null when it does not load the program. */
async function inKernel(test: CorpusCase): Promise<string | null> {
  const body = decode(fromHex(test.insns));
  try {
    using loaded = await load(wrapped(test, body));
    if (test.mem !== "") loaded.map("memory").setRaw(KEY, fromHex(test.mem));
    loaded.program("main").testRun({ data: new Uint8Array(64) });
    const result = loaded.map("result").getRaw(KEY);
    return result === undefined ? null : Buffer.from(result).readBigUInt64LE().toString(16);
  } catch (error) {
    if (error instanceof VerifierError) return null;
    throw error;
  }
}

/** Calls a helper of the corpus's own calling rule, which the kernel has other meanings for. */
const callsHelper = (test: CorpusCase): boolean =>
  decode(fromHex(test.insns)).some((insn) => insn.kind === "call" && insn.target.kind !== "local");

describe.skipIf(CORPUS === null || !loadable.ok)("the conformance corpus in the kernel", () => {
  test("every case that it loads gives the result that the engines give", async () => {
    const seen: Record<string, string | null> = {};
    const expected: Record<string, string | null> = {};
    for (const test of readCorpus<CorpusCase>("cases.json").filter((one) => !callsHelper(one))) {
      seen[test.name] = await inKernel(test);
      expected[test.name] = test.kernel_6_18 === "pass" ? BigInt(`0x${test.expect}`).toString(16) : null;
      if (seen[test.name] === null) continue;
      for (const engine of ENGINE_NAMES)
        expect(runCase(test, engine).r0, `${test.name}, ${engine}`).toBe(seen[test.name]);
    }
    expect(seen).toEqual(expected);
    expect(Object.values(seen).filter((r) => r !== null).length).toBeGreaterThan(290);
  });
});
