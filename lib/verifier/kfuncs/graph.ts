/**
 * Lists and trees of objects that programs allocate. The root is a field of a map's value or of an object, beside the lock that
 * guards it; a node is a field of what is put in. What lies in one is no longer the program's own: pointers to it are good
 * only as long as the lock is held (non-owning references).
 */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { inTreeCallback } from "../calls/index.ts";
import { smallConstant } from "../scalar/index.ts";
import { FLAG, change, changeRegs, pointer } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { enterCallback, releaseById } from "../step/index.ts";
import { NO_FIELDS, hasField, recordOf, sameOrEmbedded } from "../types/index.ts";
import type { Field, FieldKind, Record } from "../types/index.ts";
import type { CallFacts } from "./facts.ts";

/** The kernel's names of the fields. */
const NAMES: Partial<Readonly<{ [kind in FieldKind]: string }>> = {
  list_head: "bpf_list_head",
  list_node: "bpf_list_node",
  rb_root: "bpf_rb_root",
  rb_node: "bpf_rb_node",
};

/** The special fields of what a register points to. */
export function recordOfReg(env: Env, reg: Reg): Record {
  if (reg.kind === "map_value") return reg.map?.record ?? NO_FIELDS;
  if (reg.kind !== "object" || reg.btf === null || (reg.flags & FLAG.alloc) === 0) return NO_FIELDS;
  return recordOf(reg.btf, reg.type, env.request.kernel);
}

/** Exactly an owned object, as `alloc` or a per-CPU one: no other flags. */
function isObject(reg: Reg): boolean {
  return reg.kind === "object" && reg.flags === FLAG.alloc;
}

export function useRoot(env: Env, facts: CallFacts, kind: "list_head" | "rb_root", reg: Reg, register: number): void {
  const argument = register - 1;
  if (!(reg.kind === "map_value" && reg.flags === 0) && !isObject(reg))
    reject(env, "object_drop", { argument, what: "a map's value or an object" });
  if (reg.kind === "object" && reg.ref === 0) reject(env, "object_drop", { argument });
  const field = fieldHere(env, kind, reg, register);
  checkLocked(env, reg, field);
  facts.root = field;
}

function fieldHere(env: Env, kind: FieldKind, reg: Reg, register: number): Field {
  const name = NAMES[kind] ?? kind;
  const variable = smallConstant(reg.num);
  if (variable === null) return reject(env, "collection_field", { register, field: name, offset: "unknown" });
  const offset = reg.off + variable;
  const field = recordOfReg(env, reg).fields.find((one) => one.kind === kind && one.offset === offset);
  return field ?? reject(env, "collection_field", { register, field: name, offset });
}

/** The lock beside the root is held: that of the same value or object. */
function checkLocked(env: Env, reg: Reg, field: Field): void {
  const { held, activeLocks } = env.state;
  const name = NAMES[field.kind] ?? field.kind;
  const lock = recordOfReg(env, reg).fields.find((one) => one.kind === "spin_lock");
  if (activeLocks === 0) reject(env, "collection_lock", { field: name, offset: lock?.offset ?? -1 });
  const of = reg.kind === "map_value" ? reg.map : reg.btf;
  const isHeld = held.some(
    ({ kind, id, of: other }) => kind !== "reference" && kind !== "irq" && id === reg.id && other === of,
  );
  if (!isHeld) reject(env, "collection_allocation");
}

/** A node that is put in, searched from, or taken out. */
export function useNode(env: Env, facts: CallFacts, kind: "list_node" | "rb_node", reg: Reg, register: number): void {
  const argument = register - 1;
  const { name } = facts.prototype;
  if (kind === "list_node" || name === "bpf_rbtree_add_impl") {
    if (!isObject(reg) || reg.ref === 0) reject(env, "object_drop", { argument });
  } else {
    if ((reg.flags & FLAG.non_own_ref) === 0 && reg.ref === 0)
      reject(env, "tree_remove", { what: "it is not in a tree" });
    if (inTreeCallback(env)) reject(env, "tree_remove", { what: "not in the tree's callback" });
  }
  const node = fieldHere(env, kind, reg, register);
  const { root } = facts;
  if (root === null || root.btf === null || reg.btf === null) return reject(env, "collection_node");
  if (!sameOrEmbedded(reg.btf, reg.type, 0, root.btf, root.type, true))
    reject(env, "collection_node", { what: "the list or tree holds another type" });
  if (node.offset !== root.node)
    reject(env, "collection_node", { what: `it is at offset ${node.offset}, and should be at ${root.node}` });
  facts.object = { btf: reg.btf, type: reg.type };
}

/** What a list or tree gives: a pointer to the node within its object. */
export function nodeOf(root: Field): Reg {
  return pointer("object", FLAG.alloc, { btf: root.btf, type: root.type, off: root.node });
}

/** A pointer that is good while the lock is held; of counted objects longer, as RCU frees them. */
export function withoutOwner(env: Env, reg: Reg): Reg {
  const isCounted = hasField(recordOfReg(env, reg), "refcount");
  return change(reg, { ref: 0, flags: reg.flags | FLAG.non_own_ref | (isCounted ? FLAG.rcu : 0) });
}

/** What was put into a list or tree belongs to it now. */
export function giveToCollection(env: Env, ref: number): void {
  changeRegs(env.state, (reg) => (reg.ref === ref ? withoutOwner(env, reg) : reg));
  if (!releaseById(env.state, ref)) reject(env, "argument_not_released");
}

/** The comparison of a tree gets two nodes of it. */
export function walkComparison(env: Env, { subprogram, root }: CallFacts): void {
  if (root === null) return;
  const node = withoutOwner(env, nodeOf(root));
  enterCallback(env, subprogram, { setup: () => [node, node], returns: [0, 1] });
}
