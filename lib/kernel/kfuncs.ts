/**
 * Functions of the kernel that programs may call by name (kfuncs): what the verifier wants in the registers, in the terms of
 * helpers.ts, and the C type that goes into an object's BTF, for loaders to find the same function in the running kernel.
 *
 * Source: docs.kernel.org/bpf/kfuncs.html and the BTF of Linux 6.18, with which test/kernel/kfuncs.test.ts compares the types.
 * Unlike helpers they have no fixed numbers and may change; more are added by adding rows.
 */
import { HELPERS } from "./helpers.ts";
import type { Helper, HelperName } from "./helpers.ts";

/** Types as they stand in these signatures: integers, and pointers to structures. */
export type CType = "void" | "int" | "long int" | "s32" | "u32" | "s64" | "u64" | `${"const " | ""}struct ${string} *`;

export interface KernelFunction extends Omit<Helper, "id"> {
  readonly returns: CType;
  readonly params: readonly (readonly [name: string, type: CType])[];
}

// prettier-ignore
export const KFUNCS = {
  /** The cgroup with an id; null when there is none. To be released. */
  bpf_cgroup_from_id:     { args: ["any"],            result: "cgroup_or_null", returns: "struct cgroup *",      params: [["cgid", "u64"]] },
  /** Its ancestor at a level, 0 being the root. To be released. */
  bpf_cgroup_ancestor:    { args: ["cgroup", "any"],  result: "cgroup_or_null", returns: "struct cgroup *",      params: [["cgrp", "struct cgroup *"], ["level", "int"]] },
  bpf_cgroup_release:     { args: ["cgroup"],         result: "void",           returns: "void",                 params: [["cgrp", "struct cgroup *"]] },
  bpf_task_under_cgroup:  { args: ["task", "cgroup"], result: "scalar",         returns: "long int",             params: [["task", "struct task_struct *"], ["ancestor", "struct cgroup *"]] },
  /** The task with a pid of the initial namespace; null when there is none. To be released. */
  bpf_task_from_pid:      { args: ["any"],            result: "task_or_null",   returns: "struct task_struct *", params: [["pid", "s32"]] },
  bpf_task_release:       { args: ["task"],           result: "void",           returns: "void",                 params: [["p", "struct task_struct *"]] },
  /** Entries of a hash map. */
  bpf_map_sum_elem_count: { args: ["map"],            result: "scalar",         returns: "s64",                  params: [["map", "const struct bpf_map *"]] },
  /** Makes that many bytes of a frame linear. */
  bpf_xdp_pull_data:      { args: ["ctx", "any"],     result: "scalar",         returns: "int",                  params: [["x", "struct xdp_md *"], ["len", "u32"]], movesPacket: true },
} as const satisfies Record<string, KernelFunction>;
export type KfuncName = keyof typeof KFUNCS;

/** What the kernel offers programs to call: helpers by number, functions by name. */
export type CallableName = HelperName | KfuncName;

export function isKfunc(name: string): name is KfuncName {
  return Object.hasOwn(KFUNCS, name);
}

/** Argument and result kinds. */
export function callable(name: CallableName): Omit<Helper, "id"> {
  return isKfunc(name) ? KFUNCS[name] : HELPERS[name];
}
