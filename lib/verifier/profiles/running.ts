/**
 * The profile of the running kernel, made of its own types: they name the helpers, maps and program types that it was built
 * with, and the functions that programs may call. Its release says which rules its verifier has, unless the functions show that
 * the distribution took the verifier of a newer one.
 */
import type { Btf, BtfType } from "../../btf/index.ts";
import { ATTACH_TYPES, HELPER_NAMES, KERNEL_FUNCTIONS, MAP_TYPES, PROGRAM_TYPES } from "../../kernel/index.ts";
import type { AnyHelperName, AttachType, MapType, ProgramType } from "../../kernel/index.ts";
import { helperSince } from "./helpers.ts";
import { kfuncSince } from "./kfuncs.ts";
import type { Feature } from "./overrides.ts";
import { makeProfile } from "./profile.ts";
import type { KernelProfile } from "./profile.ts";
import { versionOf } from "./releases.ts";
import { attachTypeSince, mapTypeSince, programTypeSince } from "./types.ts";

/** Functions that come with the verifier itself whatever else is built in: each shows that a kernel has at least that release's. */
// prettier-ignore
const MARKS = [
  "bpf_obj_new_impl", "bpf_iter_num_new", "bpf_dynptr_adjust", "bpf_throw", "bpf_preempt_disable", "bpf_iter_bits_new",
  "bpf_local_irq_save", "bpf_dynptr_copy", "bpf_dynptr_memset", "bpf_strcasecmp",
] as const;

/**
 * `btf`: the kernel's (`/sys/kernel/btf/vmlinux`); `release`: as uname gives it (`6.18.44`); `possible`: the machine's CPUs as
 * `/sys/devices/system/cpu/possible` lists them, null where that is not known. Throws a RangeError for a strange release.
 */
export function runningProfile(btf: Btf, release: string, possible: string | null = null): KernelProfile {
  const said = versionOf(release);
  if (said === null) throw new RangeError(`${release} is no release of Linux`);
  const functions = new Set(btf.types.flatMap((type) => (type.kind === "func" ? [type.name] : [])));
  const version = Math.max(said, ...MARKS.filter((name) => functions.has(name)).map(kfuncSince));
  const has: Feature[] = [];
  const lacks: Feature[] = [];
  const compare = (feature: Feature, since: number, there: boolean): void => {
    if (there && since > version) has.push(feature);
    if (!there && since <= version) lacks.push(feature);
  };
  for (const name of KERNEL_FUNCTIONS) compare(`kfunc ${name}`, kfuncSince(name), functions.has(name));
  for (const [name, there] of namesOf(btf, "bpf_func_id", "BPF_FUNC_", HELPER_NAMES))
    compare(`helper ${name}`, helperSince(name as AnyHelperName), there);
  for (const [name, there] of namesOf(btf, "bpf_map_type", "BPF_MAP_TYPE_", Object.keys(MAP_TYPES)))
    compare(`map ${name}`, mapTypeSince(name as MapType), there);
  for (const [name, there] of namesOf(btf, "bpf_prog_type", "BPF_PROG_TYPE_", Object.keys(PROGRAM_TYPES)))
    compare(`program ${name}`, programTypeSince(name as ProgramType), there);
  for (const [name, there] of namesOf(btf, "bpf_attach_type", "BPF_", Object.keys(ATTACH_TYPES)))
    compare(`attach ${name}`, attachTypeSince("unspec", name as AttachType), there);
  const profile = makeProfile(`running (${release})`, version, { has, lacks });
  const processors = possible === null ? null : processorsOf(possible);
  return processors === null ? profile : { ...profile, limits: { ...profile.limits, processors } };
}

/**
 * How many numbers of CPUs the kernel reckons with (its `nr_cpu_ids`): one more than the last of a list such as `0-3,8`, not how
 * many there are. Null for what is no list.
 */
function processorsOf(possible: string): number | null {
  const last = /(?:^|[-,])(\d+)\s*$/.exec(possible)?.[1];
  return last === undefined ? null : Number(last) + 1;
}

/** Which of our names an enumeration of the kernel has. None are told where the enumeration is not in the types. */
function namesOf(
  btf: Btf,
  enumeration: string,
  prefix: string,
  names: readonly string[],
): (readonly [name: string, there: boolean])[] {
  const members = btf.types.find(
    (type): type is Extract<BtfType, { kind: "enum" }> => type.kind === "enum" && type.name === enumeration,
  );
  if (members === undefined) return [];
  const kernel = new Set(members.values.map(({ name }) => name.toLowerCase()));
  return names
    .filter((name) => name !== "unspec")
    .map((name) => [name, kernel.has(`${prefix}${name}`.toLowerCase())] as const);
}
