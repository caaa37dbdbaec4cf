/**
 * The table of kernel functions' flags against the running kernel: each function is called with nothing but zeros, as a program
 * that may not sleep and as one that may, and the kernel says which of its rules comes first.
 */
import { describe, expect, test } from "vitest";
import { callKfunc, encode, exit, mov64, r0, r1, r2, r3, r4, r5 } from "../../../lib/asm/index.ts";
import type { ProgramType } from "../../../lib/kernel/index.ts";
import { KF, flagsOf } from "../../../lib/verifier/kfuncs/flags.ts";
import { noKernel } from "../../kernel/bed.ts";
import { requestOf } from "../request.ts";
import { askKernel, kernelTypes } from "./ask.ts";

const SLEEPABLE = 1 << 4;
const ZEROS = [r1, r2, r3, r4, r5].map((register) => mov64(register, 0));

/** The log of a call; null where no program of the types may make it. */
function called(id: number, types: readonly ProgramType[], flags: number): string | null {
  const code = encode([...ZEROS, callKfunc(id), mov64(r0, 0), exit()]);
  for (const type of types) {
    const log = askKernel(requestOf("exit", { type, flags, code }))?.log ?? "";
    if (!log.includes("is not allowed")) return log;
  }
  return null;
}

describe.skipIf(noKernel)("flags of kernel functions", () => {
  const kernel = noKernel ? { types: [] } : kernelTypes();
  const functions = kernel.types.flatMap((tag) => {
    const func = tag.kind === "decl_tag" && tag.name === "bpf_kfunc" ? kernel.types[tag.type] : undefined;
    return tag.kind === "decl_tag" && func?.kind === "func" ? [{ id: tag.type, name: func.name }] : [];
  });

  test("say what the kernel says", () => {
    const wrong: string[] = [];
    for (const { id, name } of functions) {
      const awake = called(id, ["sched_cls", "xdp", "tracepoint", "cgroup_skb"], 0);
      const asleep = called(id, ["syscall"], SLEEPABLE);
      const flags = flagsOf(name);
      // Nobody here may call it, or the kernel has a word of its own before it looks at anything.
      if (awake === null || /device-bound|__bpf_trap/.test(awake)) continue;
      if (flags === null) {
        wrong.push(`${name}: not in the table`);
        continue;
      }
      const sleeps = awake.includes("must be sleepable");
      if (sleeps !== ((flags & KF.sleepable) !== 0)) wrong.push(`${name}: sleeps is ${sleeps}`);
      const log = sleeps ? asleep : awake;
      const refusesNull = log?.includes("Possibly NULL pointer passed to trusted") === true;
      const wantsProven = (flags & (KF.trusted | KF.rcu | KF.release)) !== 0;
      if (log !== null && refusesNull && !wantsProven) wrong.push(`${name}: takes no null`);
      if (log !== null && wantsProven && !refusesNull && /\bR1=0\b/.test(log) && log.includes("processed 6 insns"))
        wrong.push(`${name}: ${log.split("\n").findLast((line) => /^(arg|R\d)/.test(line)) ?? "takes null"}`);
    }
    expect(wrong).toEqual([]);
  });
});
