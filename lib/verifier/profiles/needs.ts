/**
 * What a program asks of a kernel: everything in it that some release does not have, with the release that brought it.
 * The check before the walk and the portability table are both made of this list.
 */
import type { Insn } from "../../isa/index.ts";
import { HELPER_NAMES } from "../../kernel/index.ts";
import type { AnyHelperName } from "../../kernel/index.ts";
import type { VerifierMap } from "../program/maps.ts";
import type { LoadRequest } from "../request.ts";
import { helperSinceThere } from "./helpers.ts";
import { kfuncSinceThere } from "./kfuncs.ts";
import type { Feature } from "./overrides.ts";
import type { KernelProfile } from "./profile.ts";
import { RULES } from "./rules.ts";
import type { RuleName } from "./rules.ts";
import { attachTypeSince, mapTypeSince, programTypeSince } from "./types.ts";

export interface Need {
  readonly feature: Feature;
  /** major * 1000 + minor; 5010 for all that is older. */
  readonly since: number;
  /** The first instruction that needs it; null for the program as a whole. */
  readonly slot: number | null;
}

/** As far as they are known without walking. */
export interface Parts {
  readonly insns: readonly (Insn | null)[];
  readonly maps: readonly VerifierMap[];
}

/** Whether a kernel has what is needed. Helpers and kernel functions count for the program's type. */
export function isMet(kernel: KernelProfile, { feature }: Need, { type, attach }: LoadRequest): boolean {
  const [kind, name = ""] = feature.split(" ");
  switch (kind) {
    case "helper":
      return kernel.mayCall(name as AnyHelperName, type, attach);
    case "kfunc":
      return kernel.mayCallKernel(name, type);
    case "map":
      return kernel.hasMapType(name as VerifierMap["map"]["spec"]["type"]);
    case "rule":
      return kernel.has(name as RuleName);
    default:
      return kernel.hasProgramType(type, attach);
  }
}

/** What the program needs as a whole: its type, where it attaches, its maps and what is in them. */
export function needsOfProgram(request: LoadRequest, { maps }: Parts): Need[] {
  const { type, attach } = request;
  const needs: Need[] = [{ feature: `program ${type}`, since: programTypeSince(type), slot: null }];
  if (attach !== null) needs.push({ feature: `attach ${attach}`, since: attachTypeSince(type, attach), slot: null });
  for (const [index, { map, record }] of maps.entries()) {
    const slot = firstUseOf(request, index);
    needs.push({ feature: `map ${map.spec.type}`, since: mapTypeSince(map.spec.type), slot });
    for (const field of record.fields) {
      const rule = FIELD_RULES[field.kind];
      if (rule !== undefined) needs.push({ feature: `rule ${rule}`, since: RULES[rule], slot });
    }
  }
  return needs;
}

function firstUseOf({ mapReferences }: LoadRequest, map: number): number | null {
  let first: number | null = null;
  for (const [slot, reference] of mapReferences) {
    if (reference.map === map && (first === null || slot < first)) first = slot;
  }
  return first;
}

/** Fields of map values that the verifier had to learn about. */
const FIELD_RULES: Readonly<Partial<Record<VerifierMap["record"]["fields"][number]["kind"], RuleName>>> = {
  timer: "timers",
  kptr_unref: "kernel_pointers",
  kptr_ref: "kernel_pointers",
  kptr_percpu: "percpu_objects",
  list_head: "graphs",
  list_node: "graphs",
  rb_root: "trees",
  rb_node: "trees",
  refcount: "refcounts",
  workqueue: "workqueues",
  uptr: "user_pointers",
  res_spin_lock: "resilient_locks",
  task_work: "task_work",
};

/** What an instruction needs beyond what every kernel knows; null for nothing. */
export function needOfInsn(insn: Insn, slot: number, { type, attach, kernel }: LoadRequest): Need | null {
  const rule = ruleOf(insn);
  if (rule !== null) return { feature: `rule ${rule}`, since: RULES[rule], slot };
  if (insn.kind !== "call") return null;
  if (insn.target.kind === "helper") {
    const name = HELPER_NAMES[insn.target.id];
    if (name === undefined || name === "unspec") return null;
    return { feature: `helper ${name}`, since: helperSinceThere(name, type, attach), slot };
  }
  if (insn.target.kind !== "kfunc") return null;
  const callee = kernel?.types[insn.target.btfId];
  const name = callee?.kind === "func" ? callee.name : `#${insn.target.btfId}`;
  return { feature: `kfunc ${name}`, since: kfuncSinceThere(name, type), slot };
}

/** The part of the instruction set that an instruction belongs to, where that came with some release. */
function ruleOf(insn: Insn): RuleName | null {
  switch (insn.kind) {
    case "alu":
      return insn.op === "sdiv" || insn.op === "smod" ? "isa_v4" : null;
    case "movsx":
      return "isa_v4";
    case "swap":
      return insn.op === "bswap" ? "isa_v4" : null;
    case "load":
      return insn.signed ? "isa_v4" : null;
    case "jump":
      return insn.long ? "isa_v4" : null;
    case "atomic":
      return insn.op === "add" ? null : "atomics";
    case "load_acquire":
    case "store_release":
      return "load_acquire";
    case "may_goto":
      return "may_goto";
    case "addr_space_cast":
      return "address_spaces";
    case "load_imm64":
      return insn.pseudo === "func" ? "callbacks" : null;
    default:
      return null;
  }
}
