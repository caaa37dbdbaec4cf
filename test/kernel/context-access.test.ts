/**
 * The access rules of contexts against the running kernel: for each program type and attach type, a program of one load and
 * a program of one store for every offset and width of the context. The verifier's verdict must be the table's.
 */
import { describe, expect, test } from "vitest";
import { exit, ldx, mov64, r0, r1, r2, st } from "../../lib/asm/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { CONTEXTS, HOOKS, contextAccess, mayLoad, mayStore } from "../../lib/kernel/index.ts";
import type { Hook } from "../../lib/kernel/index.ts";
import { load } from "../../loader/index.ts";
import { noKernel } from "./bed.ts";
import { object } from "./specs.ts";

const WIDTHS = [1, 2, 4, 8] as const;
type Width = (typeof WIDTHS)[number];

async function isAccepted({ section, type, attach, flags }: Hook, body: readonly Insn[]): Promise<boolean> {
  const main = {
    insns: [...body, mov64(r0, 1), exit()],
    relocations: [],
    lines: [],
    btfId: 0,
    linkage: "global",
  } as const;
  const spec = object([{ ...main, name: "probe", section, type, attach, flags }], [], { types: [{ kind: "void" }] });
  try {
    (await load(spec)).close();
    return true;
  } catch {
    return false;
  }
}

/** `load 4 at 8` for each access that `allowed` says yes to. */
async function list(size: number, allowed: (kind: string, width: Width, at: number) => boolean | Promise<boolean>) {
  const found: string[] = [];
  for (const kind of ["load", "store"]) {
    for (const width of WIDTHS) {
      for (let at = 0; at + width <= size; at += width) {
        if (await allowed(kind, width, at)) found.push(`${kind} ${width} at ${at}`);
      }
    }
  }
  return found;
}

/** Padding that the verifier lets a program read: it is zero, and no field. */
const PADDING: Readonly<Record<string, readonly string[]>> = {
  sk_lookup: ["load 1 at 38", "load 1 at 39", "load 2 at 38", "load 4 at 36"],
};

describe.skipIf(noKernel)("what the verifier lets a program access", () => {
  test.each(Object.entries(HOOKS))("%s", async (_, hook) => {
    const size = CONTEXTS[hook.context].size;
    const access = contextAccess(hook.type, hook.attach);
    if (access === null) throw new Error(`no rules for ${hook.type} at ${hook.attach}`);
    expect(access.context).toBe(hook.context);
    const table = await list(size, (kind, width, at) => (kind === "load" ? mayLoad : mayStore)(access, at, width));
    const kernel = await list(size, (kind, width, at) =>
      isAccepted(hook, kind === "load" ? [ldx(width, r0, r1, at)] : [mov64(r2, 0), st(width, r1, at, r2)]),
    );
    const padding = PADDING[hook.type] ?? [];
    expect(kernel.filter((a) => !padding.includes(a))).toEqual(table.filter((a) => !padding.includes(a)));
  });
});
