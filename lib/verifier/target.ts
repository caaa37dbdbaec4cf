/**
 * What a program attaches to, by its section's name: the part behind the slash names a function, a trace point, an iterator
 * or an LSM hook of the kernel.
 *
 * Source: docs.kernel.org/bpf/libbpf/program_types.html; the prefixes are those of the kernel's own names for each kind.
 */
import { essentialName } from "../btf/index.ts";
import type { Btf } from "../btf/index.ts";
import type { AttachType } from "../kernel/index.ts";
import type { ObjectSpec, ProgramSpec } from "../object/index.ts";
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

/**
 * The member of the kernel's structure that a struct_ops map of the object says the program implements; null for a program that
 * implements none, or one that the kernel does not have. Of the structure's name what follows `___` does not count.
 */
export function findMember(object: ObjectSpec, { type, name }: ProgramSpec, kernel: Btf): AttachTarget | null {
  if (type !== "struct_ops") return null;
  for (const map of object.maps) {
    const entry = map.type === "struct_ops" ? map.entries?.find((e) => e.name === name) : undefined;
    const declared = object.btf.types[map.valueType];
    if (entry === undefined || declared?.kind !== "struct") continue;
    const struct = essentialName(declared.name);
    const found = kernel.types.findIndex((t) => t.kind === "struct" && t.name === struct);
    const members = kernel.types[found];
    const wanted = declared.members[entry.index]?.name;
    const member = members?.kind === "struct" ? members.members.findIndex((m) => m.name === wanted) : -1;
    if (member >= 0) return { type: found, member };
  }
  return null;
}
