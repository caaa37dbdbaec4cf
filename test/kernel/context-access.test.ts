/**
 * The access rules of contexts against the running kernel: for each program type and attach type, a program of one load and
 * a program of one store for every offset and width of the context. The verifier's verdict must be the table's.
 */
import { describe, expect, test } from "vitest";
import { exit, ldx, mov64, r0, r1, r2, st } from "../../lib/asm/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import {
  CONTEXTS,
  HOOKS,
  PROGRAM_FLAGS,
  contextAccess,
  mayLoad,
  mayStore,
  plainContext,
} from "../../lib/kernel/index.ts";
import type { ContextAccess, Hook, ProgramType } from "../../lib/kernel/index.ts";
import { load } from "../../loader/index.ts";
import { noKernel } from "./bed.ts";
import { object } from "./specs.ts";

const WIDTHS = [1, 2, 4, 8] as const;
type Width = (typeof WIDTHS)[number];

type Probe = Pick<Hook, "section" | "type" | "attach" | "flags">;

async function isAccepted({ section, type, attach, flags }: Probe, body: readonly Insn[]): Promise<boolean> {
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

/** `load 4 at 8` for each access in a range of offsets that `allowed` says yes to. */
async function list(
  from: number,
  to: number,
  allowed: (kind: string, width: Width, at: number) => boolean | Promise<boolean>,
) {
  const found: string[] = [];
  for (const kind of ["load", "store"]) {
    for (const width of WIDTHS) {
      for (let at = from; at + width <= to; at += width) {
        if (await allowed(kind, width, at)) found.push(`${kind} ${width} at ${at}`);
      }
    }
  }
  return found;
}

/** What the table and what the kernel allows between two offsets. */
async function compare(probe: Probe, access: Pick<ContextAccess, "loads" | "stores">, from: number, to: number) {
  const table = await list(from, to, (kind, width, at) => (kind === "load" ? mayLoad : mayStore)(access, at, width));
  const kernel = await list(from, to, (kind, width, at) =>
    isAccepted(probe, kind === "load" ? [ldx(width, r0, r1, at)] : [mov64(r2, 0), st(width, r1, at, r2)]),
  );
  return { table, kernel };
}

/** Padding that the verifier lets a program read: it is zero, and no field. */
const PADDING: Readonly<Record<string, readonly string[]>> = {
  sk_lookup: ["load 1 at 38", "load 1 at 39", "load 2 at 38", "load 4 at 36"],
};

const OTHER_TYPES = ["sched_act", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"] as const;

/** Program types whose contexts are no hook's, and where their contexts begin and end to be something. */
interface Plain {
  readonly type: ProgramType;
  readonly more?: Partial<Probe>;
  readonly ranges: readonly (readonly [from: number, to: number])[];
}
// prettier-ignore
const PLAIN: readonly Plain[] = [
  { type: "kprobe",         ranges: [[0, 192]] },
  { type: "tracepoint",     ranges: [[0, 40], [8168, 8216]] },
  { type: "raw_tracepoint", ranges: [[0, 112]] },
  { type: "perf_event",     ranges: [[0, 200]] },
  { type: "cgroup_device",  ranges: [[0, 24]],                more: { attach: "cgroup_device" } },
  { type: "cgroup_sysctl",  ranges: [[0, 16]],                more: { attach: "cgroup_sysctl" } },
  { type: "syscall",        ranges: [[0, 32], [16384, 16416]], more: { flags: PROGRAM_FLAGS.sleepable } },
  { type: "netfilter",      ranges: [[0, 32]],                more: { attach: "netfilter" } },
];

describe.skipIf(noKernel)("what the verifier lets a program access", () => {
  const others = OTHER_TYPES.map(
    (type) => [type, { section: type, type, attach: null, flags: 0, context: "__sk_buff" }] as const,
  );
  const unix = (["cgroup_unix_connect", "cgroup_unix_recvmsg"] as const).map((attach) => {
    return [attach, { section: attach, type: "cgroup_sock_addr", attach, flags: 0, context: "bpf_sock_addr" }] as const;
  });
  test.each([...Object.entries(HOOKS), ...others, ...unix])("%s", async (_, hook) => {
    const size = CONTEXTS[hook.context].size;
    const access = contextAccess(hook.type, hook.attach);
    if (access === null) throw new Error(`no rules for ${hook.type} at ${hook.attach}`);
    expect(access.context).toBe(hook.context);
    const { table, kernel } = await compare(hook, access, 0, size);
    const padding = PADDING[hook.type] ?? [];
    expect(kernel.filter((a) => !padding.includes(a))).toEqual(table.filter((a) => !padding.includes(a)));
  });

  test.each(PLAIN)("$type", async ({ type, more, ranges }) => {
    const access = plainContext(type);
    if (access === null) throw new Error("no rules");
    for (const [from, to] of ranges) {
      const { table, kernel } = await compare(
        { section: type, type, attach: null, flags: 0, ...more },
        access,
        from,
        to,
      );
      expect(kernel).toEqual(table);
    }
  });
});
