/**
 * What a program asks of a kernel: everything in it that some release does not have, with the release that brought it.
 * The check before the walk and the portability table are both made of this list.
 */
import type { Btf, BtfType } from "../../btf/index.ts";
import type { Insn } from "../../isa/index.ts";
import { HELPER_NAMES } from "../../kernel/index.ts";
import type { AnyHelperName, MapType } from "../../kernel/index.ts";
import type { VerifierMap } from "../program/maps.ts";
import type { LoadRequest } from "../request.ts";
import type { FieldKind } from "../types/record.ts";
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
    case "program":
      return kernel.hasProgramType(type, null);
    default:
      return kernel.hasProgramType(type, attach);
  }
}

/** What the program needs as a whole: its type, where it attaches, its maps, the kinds of types that describe them. */
export function needsOfProgram(request: LoadRequest, { maps }: Parts): Need[] {
  const { type, attach, btf } = request;
  const needs: Need[] = [{ feature: `program ${type}`, since: programTypeSince(type), slot: null }];
  if (attach !== null) needs.push({ feature: `attach ${attach}`, since: attachTypeSince(type, attach), slot: null });
  const rules = new Set<RuleName>();
  for (const [index, { map }] of maps.entries()) {
    const { type: mapType, keySize } = map.spec;
    const slot = firstUseOf(request, index);
    needs.push({ feature: `map ${mapType}`, since: mapTypeSince(mapType), slot });
    if (HASHES.includes(mapType) && keySize > LARGEST_OLD_KEY)
      needs.push({ feature: "rule large_keys", since: RULES.large_keys, slot });
    rulesOfTypes(map.btf, rules);
  }
  rulesOfTypes(btf, rules);
  for (const rule of rules) needs.push({ feature: `rule ${rule}`, since: RULES[rule], slot: null });
  return needs;
}

function firstUseOf({ mapReferences }: LoadRequest, map: number): number | null {
  let first: number | null = null;
  for (const [slot, reference] of mapReferences) {
    if (reference.map === map && (first === null || slot < first)) first = slot;
  }
  return first;
}

const HASHES: readonly MapType[] = ["hash", "lru_hash", "percpu_hash", "lru_percpu_hash", "hash_of_maps"];
/** Keys had to fit on the stack. */
const LARGEST_OLD_KEY = 512;

/** Rules by types that stand for them: found once, since objects have thousands of types. */
const rulesFound = new WeakMap<Btf, ReadonlySet<RuleName>>();

/** Kinds of types that not every kernel takes, in the program's types or a map's. */
function rulesOfTypes(btf: Btf | null, rules: Set<RuleName>): void {
  if (btf === null) return;
  let found = rulesFound.get(btf);
  if (found === undefined) rulesFound.set(btf, (found = new Set(btf.types.flatMap((type) => ruleOfType(type) ?? []))));
  for (const rule of found) rules.add(rule);
}

function ruleOfType(type: BtfType): RuleName | null {
  switch (type.kind) {
    case "float":
      return "float_types";
    case "decl_tag":
      return "declaration_tags";
    case "type_tag":
      return "type_tags";
    case "enum64":
      return "wide_enums";
    case "enum":
      return type.signed ? "wide_enums" : null;
    default:
      return null;
  }
}

/** Whether a kernel knows that a field of a map's value is special. To those that do not it is bytes. */
export function knowsField(kernel: KernelProfile, kind: FieldKind): boolean {
  const rule = FIELD_RULES[kind];
  return rule === undefined || kernel.has(rule);
}

/** Fields of map values that the verifier had to learn about. */
const FIELD_RULES: Readonly<Partial<Record<FieldKind, RuleName>>> = {
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

/**
 * Whether kernels that lack an instruction look at it only when a path gets there: to them it is an old one with a field that is
 * reserved. An opcode that they do not know is refused wherever it stands.
 */
export function isOldOpcode(insn: Insn, kernel: KernelProfile): boolean {
  switch (insn.kind) {
    case "alu":
    case "movsx":
    case "addr_space_cast":
      return true;
    // Before there were other atomics than add, what the immediate may be was looked at everywhere.
    case "load_acquire":
    case "store_release":
      return kernel.has("atomics");
    default:
      return false;
  }
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
