/**
 * Contexts of program types whose hooks have no structure of named fields for programs of ours: registers of the machine,
 * a tracepoint's record or arguments, a device's or sysctl's access, whatever a syscall program was run with.
 *
 * Widths as in contexts.ts. Seen on Linux 6.18 (x86-64) with a program for each offset and width, as the other contexts are;
 * test/kernel/context-access.test.ts asks the running kernel again.
 */
import type { ContextField } from "./contexts.ts";
import type { ProgramType } from "./program-types.ts";

export interface PlainContext {
  readonly type: ProgramType;
  /** The C structure, or what it is. */
  readonly name: string;
  readonly loads: readonly ContextField[];
  readonly stores: readonly ContextField[];
}

/** `count` words of 8 bytes, to be accessed in whole or at any aligned part. */
function words(name: string, offset: number, count: number, access: "whole" | "narrow"): ContextField {
  return { name, offset, size: 8 * count, kind: "uint", count, load: access, store: access };
}

/** struct pt_regs: 21 registers. */
const REGISTERS = 21;
/** Bytes of a tracepoint's record that programs see, behind its first 8. Source: PERF_MAX_TRACE_SIZE. */
const RECORD = 8192;
/** Arguments of a raw tracepoint. Source: MAX_BPF_FUNC_ARGS. */
const ARGUMENTS = 12;
/** The largest context of a syscall program. */
const SYSCALL = 65528;

const arguments_ = words("args", 0, ARGUMENTS, "narrow");
const syscall = words("ctx", 0, SYSCALL / 8, "narrow");
const position: ContextField = { name: "file_pos", offset: 4, size: 4, kind: "uint", load: "narrow" };

// prettier-ignore
const ROWS: readonly PlainContext[] = [
  { type: "kprobe",                  name: "pt_regs",                   loads: [words("regs", 0, REGISTERS, "narrow")], stores: [] },
  { type: "tracepoint",              name: "trace record",              loads: [words("record", 8, RECORD / 8 - 1, "narrow")], stores: [] },
  { type: "raw_tracepoint",          name: "bpf_raw_tracepoint_args",   loads: [arguments_], stores: [] },
  { type: "raw_tracepoint_writable", name: "writable tracepoint arguments", loads: [
    { name: "buffer", offset: 0, size: 8, kind: "pointer" },
    // Parts of the pointer, as long as they do not start where it does: bytes without a use.
    { name: "buffer_1", offset: 1, size: 1, kind: "uint" },
    { name: "buffer_2", offset: 2, size: 2, kind: "uint", load: "narrow" },
    { name: "buffer_4", offset: 4, size: 4, kind: "uint", load: "narrow" },
    words("args", 8, ARGUMENTS - 1, "narrow"),
  ], stores: [] },
  { type: "syscall",                 name: "syscall argument",          loads: [syscall], stores: [syscall] },
  { type: "perf_event", name: "bpf_perf_event_data", loads: [
    words("regs", 0, REGISTERS, "whole"),
    { name: "sample_period", offset: 168, size: 8, kind: "uint", load: "narrow" },
    { name: "addr",          offset: 176, size: 8, kind: "uint", load: "narrow" },
  ], stores: [] },
  { type: "cgroup_device", name: "bpf_cgroup_dev_ctx", loads: [
    { name: "access_type", offset: 0, size: 4, kind: "uint", load: "narrow" },
    { name: "major",       offset: 4, size: 4, kind: "uint" },
    { name: "minor",       offset: 8, size: 4, kind: "uint" },
  ], stores: [] },
  { type: "cgroup_sysctl", name: "bpf_sysctl", loads: [{ name: "write", offset: 0, size: 4, kind: "uint", load: "narrow" }, position], stores: [position] },
  { type: "netfilter", name: "bpf_nf_ctx", loads: [
    { name: "state", offset: 0, size: 8, kind: "pointer" },
    { name: "skb",   offset: 8, size: 8, kind: "pointer" },
  ], stores: [] },
];

/** The plain context of a program type, or null for a type that has another. */
export function plainContext(type: ProgramType): PlainContext | null {
  return ROWS.find((row) => row.type === type) ?? null;
}
