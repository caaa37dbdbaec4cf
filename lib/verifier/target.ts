/**
 * What a program attaches to, by its section's name: the part behind the slash names a function, a trace point, an iterator
 * or an LSM hook of the kernel.
 *
 * Source: docs.kernel.org/bpf/libbpf/program_types.html; the prefixes are those of the kernel's own names for each kind.
 */
import type { Btf } from "../btf/index.ts";
import type { AttachType } from "../kernel/index.ts";
import type { ProgramSpec } from "../object/index.ts";
import type { AttachTarget } from "./request.ts";

/** A type of the kernel by kind and name. */
export interface TargetName {
  readonly kind: "func" | "typedef";
  readonly name: string;
}

const NAMING: Partial<Record<AttachType, readonly [kind: TargetName["kind"], prefix: string]>> = {
  trace_raw_tp: ["typedef", "btf_trace_"],
  trace_fentry: ["func", ""],
  trace_fexit: ["func", ""],
  modify_return: ["func", ""],
  trace_iter: ["func", "bpf_iter_"],
  lsm_mac: ["func", "bpf_lsm_"],
  lsm_cgroup: ["func", "bpf_lsm_"],
};

/** The type that stands for a program's target; null for a hook without one, or a section that does not say. */
export function targetName({ section, attach }: Pick<ProgramSpec, "section" | "attach">): TargetName | null {
  const slash = section.indexOf("/");
  const naming = attach === null || slash < 0 ? undefined : NAMING[attach];
  return naming === undefined ? null : { kind: naming[0], name: naming[1] + section.slice(slash + 1) };
}

/** The target in the kernel's types; null where there is none, or none of that name. */
export function findTarget(program: Pick<ProgramSpec, "section" | "attach">, kernel: Btf): AttachTarget | null {
  const wanted = targetName(program);
  if (wanted === null) return null;
  const type = kernel.types.findIndex((t) => t.kind === wanted.kind && t.name === wanted.name);
  return type < 0 ? null : { type, member: null };
}
