/**
 * Type information for the kernel: one BTF per object, which maps refer to for keys and values and programs for functions
 * and source lines (the strings of the line records live in it).
 *
 * A kernel without BTF (before 4.18) gets none; the programs work, only logs and listings say less.
 */
import { encodeBtf } from "../lib/btf/index.ts";
import type { Btf, BtfType, Param } from "../lib/btf/index.ts";
import { encodeObjectInfo } from "../lib/object/index.ts";
import type { LinkedProgram, ObjectSpec, ProgramRecords } from "../lib/object/index.ts";
import { kernelError } from "./errors.ts";
import { Handle } from "./handle.ts";
import type { Owner } from "./owner.ts";
import { textOf } from "./program.ts";
import type { Image } from "./program.ts";
import { bpf, runAttr } from "./sys/calls.ts";
import { buildAttr } from "./sys/attr.ts";
import { failedWith } from "./sys/errno.ts";

/** An object's type information in the kernel, and its programs' records that point into it. */
export interface LoadedBtf {
  readonly fd: number;
  readonly records: ReadonlyMap<LinkedProgram, ProgramRecords>;
}

/** Loads the type information; null where there is none or the kernel has no use for it. Throws L006 when it is refused. */
export function loadBtf(object: ObjectSpec, programs: readonly LinkedProgram[], owner: Owner): LoadedBtf | null {
  if (object.btf.types.length <= 1 && programs.every((p) => p.lines.length === 0)) return null;
  const { btf, records } = encodeObjectInfo(forKernel(object.btf), programs);
  const fd = bpf("btf_load", { btf, btf_size: btf.length });
  if (fd >= 0) {
    const byProgram = programs.flatMap((p, i) => (records[i] === undefined ? [] : [[p, records[i]] as const]));
    return { fd: owner.take(new Handle(fd, "type information")).fd, records: new Map(byProgram) };
  }
  if (!kernelHasBtf()) return null;
  throw refusal(btf, fd);
}

/**
 * As the kernel takes it: a name for each parameter of a function, which clang leaves out where the program does; nothing of
 * linkage extern, functions become static and variables, to which nothing refers, pointers.
 */
export function forKernel({ types }: Btf): Btf {
  const protos = new Set(types.flatMap((t) => (t.kind === "func" ? [t.type] : [])));
  return {
    types: types.map((t, id): BtfType => {
      if (t.kind === "func" && t.linkage === "extern") return { ...t, linkage: "static" };
      if (t.kind === "var" && t.linkage === "extern") return { kind: "ptr", type: 0 };
      if (t.kind !== "func_proto" || !protos.has(id) || t.params.every(isNamed)) return t;
      return { ...t, params: t.params.map((p, i) => (isNamed(p) ? p : { ...p, name: `arg${i}` })) };
    }),
  };
}

/** What stands for further arguments has neither name nor type. */
function isNamed({ name, type }: Param): boolean {
  return name !== "" || type === 0;
}

const NO_RECORDS: ProgramRecords = { funcInfo: new Uint8Array(), lineInfo: new Uint8Array() };

/** What PROG_LOAD takes for one program. */
export function describe(btf: LoadedBtf, program: LinkedProgram): NonNullable<Image["btf"]> {
  return { fd: btf.fd, ...(btf.records.get(program) ?? NO_RECORDS) };
}

/** Whether the kernel takes the smallest BTF there is: one integer. */
function kernelHasBtf(): boolean {
  const btf = encodeBtf({ types: [{ kind: "void" }, { kind: "int", name: "int", size: 4, encoding: "signed" }] });
  const fd = bpf("btf_load", { btf, btf_size: btf.length });
  if (fd >= 0) new Handle(fd, "probe").close();
  return fd >= 0;
}

const FIRST_LOG = 1 << 16;
const LAST_LOG = 1 << 24;

function refusal(btf: Uint8Array, first: number): Error {
  let result = first;
  for (let size = FIRST_LOG; size <= LAST_LOG; size *= 4) {
    const log = new Uint8Array(size);
    const attr = buildAttr("btf_load", {
      btf,
      btf_size: btf.length,
      btf_log_buf: log,
      btf_log_size: size,
      btf_log_level: 1,
    });
    result = runAttr(attr);
    // The last line that is not about counts says what is wrong: "[3] STRUCT flow size=12 vlen=2 Member exceeds struct_size".
    const said = textOf(log).trim().split("\n").at(-1) ?? "";
    if (!failedWith(result, "ENOSPC"))
      return kernelError("load type information", result, { code: "L006", found: said });
  }
  return kernelError("load type information", result, { code: "L006" });
}
