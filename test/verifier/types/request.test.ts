/** What a program may be loaded as, on which kernel: before any instruction is looked at, or by its first load. */
import { describe, expect, test } from "vitest";
import type { Btf, BtfType } from "../../../lib/btf/index.ts";
import { verify } from "../../../lib/verifier/index.ts";
import type { MapSpec } from "../../../lib/object/index.ts";
import type { LoadRequest } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { requestOf } from "../request.ts";

/** A kernel with one function, one variable, one tracepoint and one hook. */
const types: BtfType[] = [
  { kind: "void" },
  { kind: "int", name: "int", size: 4, encoding: "signed" },
  { kind: "struct", name: "task_struct", size: 16, members: [{ name: "pid", type: 1, bitOffset: 0 }] },
  { kind: "ptr", type: 2 },
  { kind: "func_proto", result: 1, params: [{ name: "task", type: 3 }] },
  { kind: "func", name: "do_work", type: 4, linkage: "static" },
  { kind: "func", name: "security_work", type: 4, linkage: "static" },
  { kind: "func", name: "do_exit", type: 4, linkage: "static" },
  { kind: "func", name: "bpf_lsm_task_kill", type: 4, linkage: "static" },
  { kind: "var", name: "runqueues", type: 1, linkage: "global" },
  { kind: "ptr", type: 0 },
  {
    kind: "func_proto",
    result: 0,
    params: [
      { name: "", type: 10 },
      { name: "", type: 3 },
    ],
  },
  { kind: "ptr", type: 11 },
  { kind: "typedef", name: "btf_trace_work", type: 12 },
];
const kernel: Btf = { types };
const idOf = (name: string): number => types.findIndex((type) => "name" in type && type.name === name);
const SLEEPABLE = 16;

type Row = readonly [name: string, more: Partial<LoadRequest>, code: string, answer: string];
const target = (name: string) => ({ type: idOf(name), member: null });
const READ = "r2 = *(u64 *)(r1 + 0)\nr0 = *(u32 *)(r2 + 0)\nr0 = 0\nexit";

// prettier-ignore
const ROWS: readonly Row[] = [
  ["a tracepoint",                    { type: "tracing", attach: "trace_raw_tp", target: target("btf_trace_work") }, READ, "accept"],
  ["a function",                      { type: "tracing", attach: "trace_fentry", target: target("do_work") }, READ, "accept"],
  ["a tracepoint as a function",      { type: "tracing", attach: "trace_fentry", target: target("btf_trace_work") }, READ, "attach_target"],
  ["a function as a tracepoint",      { type: "tracing", attach: "trace_raw_tp", target: target("do_work") }, READ, "attach_target"],
  ["no target",                       { type: "tracing", attach: "trace_raw_tp" }, READ, "attach_target"],
  ["a target that is not for it",     { type: "xdp", target: target("do_work") }, "r0 = 0\nexit", "program_type"],
  ["behind what never returns",       { type: "tracing", attach: "trace_fexit", target: target("do_exit") }, READ, "attach_target"],
  ["before what never returns",       { type: "tracing", attach: "trace_fentry", target: target("do_exit") }, READ, "accept"],
  ["a result other than 0",           { type: "tracing", attach: "trace_fentry", target: target("do_work") }, "r0 = 1\nexit", "return_range"],
  ["the result of a function",        { type: "tracing", attach: "trace_fexit", target: target("do_work") }, "r1 = *(u64 *)(r1 + 8)\nr0 = 0\nexit", "accept"],
  ["the result before it is there",   { type: "tracing", attach: "trace_fentry", target: target("do_work") }, "r1 = *(u64 *)(r1 + 8)\nr0 = 0\nexit", "argument_access"],
  ["the result of a security hook changed", { type: "tracing", attach: "modify_return", target: target("security_work") }, "r0 = -1\nexit", "accept"],
  ["that of another function",        { type: "tracing", attach: "modify_return", target: target("do_work") }, "r0 = -1\nexit", "unsupported"],
  ["an LSM hook",                     { type: "lsm", attach: "lsm_mac", target: target("bpf_lsm_task_kill") }, "r0 = -1\nexit", "accept"],
  ["an LSM hook that allows more than all", { type: "lsm", attach: "lsm_mac", target: target("bpf_lsm_task_kill") }, "r0 = 1\nexit", "return_range"],
  ["a function that is no LSM hook",  { type: "lsm", attach: "lsm_mac", target: target("do_work") }, "r0 = 0\nexit", "attach_target"],
  ["an LSM hook for a group",         { type: "lsm", attach: "lsm_cgroup", target: target("bpf_lsm_task_kill") }, "r0 = 1\nexit", "accept"],
  ["an LSM hook that sleeps",         { type: "lsm", attach: "lsm_mac", flags: SLEEPABLE, target: target("bpf_lsm_task_kill") }, "r0 = 0\nexit", "unsupported"],
  ["a tracepoint that sleeps",        { type: "tracing", attach: "trace_raw_tp", flags: SLEEPABLE, target: target("btf_trace_work") }, READ, "attach_sleepable"],
  ["flags that are none",             { flags: 1 << 8 }, "r0 = 0\nexit", "program_type"],
  ["contradictory ranges are forgotten", {}, "call 7\nr0 &= 1\nif w0 < w0 goto +0\nr0 = 0\nexit", "accept"],
  ["but for tests of the kernel",     { flags: 1 << 7 }, "call 7\nr0 &= 1\nif w0 < w0 goto +0\nr0 = 0\nexit", "kernel_bug"],
  ["a syscall program that does not", { type: "syscall" }, "r0 = 0\nexit", "attach_sleepable"],
  ["a replacement of a function",     { type: "ext" }, "r0 = 0\nexit", "unsupported"],
  ["a lookup without its attach type", { type: "sk_lookup" }, "r0 = 1\nexit", "program_type"],
  ["an object without the license",   { type: "tracing", attach: "trace_raw_tp", target: target("btf_trace_work"), license: "MIT" }, READ, "object_needs_gpl"],
  ["a member that nobody names",      { type: "struct_ops" }, "r0 = 0\nexit", "unsupported"],
  ["a target that cannot be looked up", { type: "tracing", attach: "trace_fentry", kernel: null }, READ, "unsupported"],
  ["types of the kernel not known",   { type: "tracing", attach: "trace_raw_tp", target: target("btf_trace_work"), kernel: null }, READ, "unsupported"],
];

function answerTo(request: LoadRequest, release = "6.18"): string {
  const profile = profileOf(release);
  if (profile === null) throw new Error(`there is no profile ${release}`);
  const { verdict, error } = verify(request, { kernel: profile });
  return verdict === "reject" ? (error?.name ?? "") : verdict;
}

/** `call` of a function of the module whose types are at 1. */
const MODULE_CALL = Uint8Array.of(0x85, 0x20, 1, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
/** `r1 = map`, `exit`. */
const MAP_LOAD = Uint8Array.of(0x18, 0x11, ...Array.from({ length: 14 }, () => 0), 0x95, 0, 0, 0, 0, 0, 0, 0);
const LOADED = { map: 0, kind: "map", offset: 0 } as const;
const ARENA: MapSpec = {
  name: "pages",
  type: "arena",
  keySize: 0,
  valueSize: 0,
  maxEntries: 1,
  flags: 1 << 10,
  keyType: 0,
  valueType: 0,
  initial: null,
  frozen: false,
  inner: null,
};

test.each([
  ["functions of kernel modules", { code: MODULE_CALL, kernel }],
  [
    "arena",
    {
      code: MAP_LOAD,
      mapReferences: new Map([[0, LOADED]]),
      maps: [{ spec: ARENA, btf: null, contents: null, inner: null }],
    },
  ],
])("unsupported: %s", (feature, more) => {
  const profile = profileOf("6.18") as KernelProfile;
  const { verdict, unsupported } = verify(requestOf("r0 = 0\nexit", more), { kernel: profile });
  expect([verdict, unsupported]).toEqual(["unsupported", feature]);
});

describe("a program may be loaded", () => {
  test.each(ROWS)("%s", (_, more, code, answer) => {
    expect(answerTo(requestOf(code, { kernel, ...more }))).toBe(answer);
  });

  test.each([
    ["a function", "do_work", "accept"],
    ["a variable", "runqueues", "unsupported"],
    ["a type", "task_struct", "kernel_symbol"],
  ])("with the address of %s of the kernel", (_, name, answer) => {
    const request = requestOf("r1 = 0 ll\nr0 = 0\nexit", { kernel });
    const code = request.code.slice();
    code[1] = (3 << 4) | 1;
    new DataView(code.buffer).setInt32(4, idOf(name), true);
    expect(answerTo({ ...request, code })).toBe(answer);
  });
});

describe("lines", () => {
  const at = (slot: number) => ({ slot, file: "a.ts", line: 1, column: 1, text: "" });
  // A 64-bit immediate has two slots.
  test.each([
    [[0, 2], "accept"],
    [[2], "accept"],
    [[1], "line_info"],
    [[2, 0], "line_info"],
    [[4], "line_info"],
  ] as const)("at slots %j", (slots, answer) => {
    expect(answerTo(requestOf("r1 = 0 ll\nr0 = 0\nexit", { lines: slots.map(at) }))).toBe(answer);
  });
});

// prettier-ignore
const OLDER: readonly (readonly [release: string, more: Partial<LoadRequest>, code: string, answer: string])[] = [
  ["5.15", { type: "cgroup_skb" }, "r0 = *(u64 *)(r1 + 184)\nr0 = 1\nexit", "context_access"],
  ["6.1",  { type: "cgroup_skb" }, "r0 = *(u64 *)(r1 + 184)\nr0 = 1\nexit", "accept"],
  ["6.1",  { type: "sock_ops", attach: "cgroup_sock_ops" }, "r0 = *(u64 *)(r1 + 216)\nr0 = 1\nexit", "context_access"],
  ["6.6",  { type: "sock_ops", attach: "cgroup_sock_ops" }, "r0 = *(u64 *)(r1 + 216)\nr0 = 1\nexit", "accept"],
  ["5.10", { type: "cgroup_sock_addr", attach: "cgroup_inet4_bind" }, "r0 = 3\nexit", "return_range"],
  ["5.15", { type: "cgroup_sock_addr", attach: "cgroup_inet4_bind" }, "r0 = 3\nexit", "accept"],
];

describe("older kernels", () => {
  test.each(OLDER)("%s: %j", (release, more, code, answer) => {
    expect(answerTo(requestOf(code, { kernel, ...more }), release)).toBe(answer);
  });
});
