/**
 * Finding the special fields of a structure: members of the kernel's own structures (by name), and pointers whose target
 * carries a type tag. Nested structures and arrays are looked into.
 *
 * A map's value and an object that programs allocate may have different ones: timers live in maps only, nodes of lists and
 * trees in objects only. Fields that the kernel does not look for there are plain bytes.
 */
import type { Btf, Member, TypeId } from "../../btf/index.ts";
import { Rejection, Unsupported } from "../outcome.ts";
import { findType, nameOf, skipModifiers, tagsOn, typeAt } from "./lookup.ts";
import { NO_FIELDS, hasField } from "./record.ts";
import type { Field, FieldKind, Record } from "./record.ts";

/** Where the structure lives. */
export type Owner = "map" | "object";

interface FieldRow {
  /** The kernel's structure. */
  readonly name: string;
  readonly kind: FieldKind;
  readonly size: number;
  readonly align: number;
  /** At most one in a structure. */
  readonly single: boolean;
  readonly owners: readonly Owner[];
}

const BOTH = ["map", "object"] as const;
const MAP = ["map"] as const;
const OBJECT = ["object"] as const;

// prettier-ignore
const ROWS: readonly FieldRow[] = [
  { name: "bpf_spin_lock",     kind: "spin_lock",     size: 4,  align: 4, single: true,  owners: BOTH },
  { name: "bpf_res_spin_lock", kind: "res_spin_lock", size: 4,  align: 4, single: true,  owners: BOTH },
  { name: "bpf_timer",         kind: "timer",         size: 16, align: 8, single: true,  owners: MAP },
  { name: "bpf_wq",            kind: "workqueue",     size: 16, align: 8, single: true,  owners: MAP },
  { name: "bpf_task_work",     kind: "task_work",     size: 8,  align: 8, single: true,  owners: MAP },
  { name: "bpf_list_head",     kind: "list_head",     size: 16, align: 8, single: false, owners: BOTH },
  { name: "bpf_list_node",     kind: "list_node",     size: 24, align: 8, single: false, owners: OBJECT },
  { name: "bpf_rb_root",       kind: "rb_root",       size: 16, align: 8, single: false, owners: BOTH },
  { name: "bpf_rb_node",       kind: "rb_node",       size: 32, align: 8, single: false, owners: OBJECT },
  { name: "bpf_refcount",      kind: "refcount",      size: 4,  align: 4, single: false, owners: BOTH },
];

/** Structures whose presence as a direct member makes an object one with special fields; a bpf_res_spin_lock alone does not. */
// prettier-ignore
const OBJECT_STRUCTS: readonly string[] = [
  "bpf_spin_lock", "bpf_list_head", "bpf_list_node", "bpf_rb_root", "bpf_rb_node", "bpf_refcount",
];

// prettier-ignore
const KPTR_TAGS: Readonly<{ [tag: string]: FieldKind }> = {
  kptr_untrusted: "kptr_unref", kptr: "kptr_ref", percpu_kptr: "kptr_percpu", uptr: "uptr",
};
const POINTER = { size: 8, align: 8 };

/** Kernel types that a map may own, by the function that the kernel ends them with: a kernel without it has none such. */
// prettier-ignore
const DESTRUCTORS: Readonly<{ [struct: string]: string }> = {
  task_struct: "bpf_task_release_dtor", cgroup: "bpf_cgroup_release_dtor", bpf_cpumask: "bpf_cpumask_release_dtor",
  bpf_crypto_ctx: "bpf_crypto_ctx_release_dtor", prog_test_ref_kfunc: "bpf_kfunc_call_test_release_dtor",
  prog_test_member: "bpf_kfunc_call_memb_release_dtor",
};

/** MAX of fields in a structure. Source: BTF_FIELDS_MAX, include/linux/bpf.h. */
const MAX_FIELDS = 11;
/** Source: MAX_RESOLVE_DEPTH, kernel/bpf/btf.c. */
const MAX_DEPTH = 32;

interface Found {
  readonly row: Pick<FieldRow, "kind" | "size">;
  readonly offset: number;
  /** kptr: target in the program's BTF; roots: type of the values. */
  readonly type: TypeId;
  readonly node: string;
}

/** Records by type; one for each owner. */
const known = new WeakMap<Btf, { readonly [owner in Owner]: Map<TypeId, Record> }>();

/**
 * The special fields of a structure (or of a section's variables). `kernel` is needed where pointers to kernel objects are
 * among them. Throws a Rejection for what the kernel refuses, Unsupported for such pointers without `kernel`.
 */
export function recordOf(btf: Btf, type: TypeId, kernel: Btf | null, owner: Owner = "object"): Record {
  let records = known.get(btf);
  if (records === undefined) known.set(btf, (records = { map: new Map(), object: new Map() }));
  const id = skipModifiers(btf, type);
  const cached = records[owner].get(id);
  if (cached !== undefined) return cached;
  const record = makeRecord(btf, id, kernel, owner);
  records[owner].set(id, record);
  try {
    resolveValues(btf, record, kernel);
  } catch (error) {
    records[owner].delete(id);
    throw error;
  }
  return record;
}

type Open<T> = { -readonly [K in keyof T]: T[K] };

/** Records of lists' values come last: a list may be of a type that leads back to it. */
function resolveValues(btf: Btf, record: Record, kernel: Btf | null): void {
  for (const field of record.fields) {
    if (!isRoot(field.kind)) continue;
    const value = recordOf(btf, field.type, kernel, "object");
    (field as Open<Field>).record = value;
    // What can be owned and owns may own nothing that owns again: no chain of owners can be closed.
    if (hasField(record, "list_node", "rb_node") && hasField(value, "list_head", "rb_root")) {
      refuse(nameOf(btf, field.type), "it is owned by what can be owned itself, and owns others");
    }
  }
}

function isRoot(kind: FieldKind): boolean {
  return kind === "list_head" || kind === "rb_root";
}

function makeRecord(btf: Btf, type: TypeId, kernel: Btf | null, owner: Owner): Record {
  const struct = typeAt(btf, type);
  if (struct.kind !== "struct" && struct.kind !== "datasec") return NO_FIELDS;
  if (owner === "object" && !hasSpecialMember(btf, type)) return NO_FIELDS;
  const search = newSearch(btf, owner, type);
  if (struct.kind === "struct") searchStruct(search, type, 0);
  else if (struct.kind === "datasec") {
    for (const variable of struct.variables) {
      const declared = typeAt(btf, variable.type);
      if (declared.kind !== "var") continue;
      const { type: container, offset, size: expected } = variable;
      searchPlace(search, declared.type, { container, index: -1, offset, expected, depth: 0 });
    }
  }
  return finish(search, kernel);
}

/** Objects are looked into only where a member of their own is special. */
function hasSpecialMember(btf: Btf, type: TypeId): boolean {
  const struct = typeAt(btf, type);
  if (struct.kind !== "struct") return false;
  return struct.members.some((member) => {
    const of = typeAt(btf, member.type);
    if (of.kind === "struct")
      return OBJECT_STRUCTS.includes(of.name) && findType(btf, "struct", of.name) === member.type;
    const kptr = kptrOf(btf, member.type, "object");
    return kptr !== null && "kind" in kptr;
  });
}

/** One structure being looked into; offsets of what is found are from its start. */
interface Search {
  readonly btf: Btf;
  readonly owner: Owner;
  readonly seen: Set<FieldKind>;
  readonly found: Found[];
  readonly struct: string;
}

function newSearch(btf: Btf, owner: Owner, type: TypeId): Search {
  return { btf, owner, seen: new Set(), found: [], struct: nameOf(btf, type) };
}

function refuse(struct: string, problem: string): never {
  throw new Rejection("special_field", null, { struct, problem });
}

function searchStruct(search: Search, type: TypeId, depth: number): void {
  const struct = typeAt(search.btf, type);
  if (struct.kind !== "struct") return;
  struct.members.forEach((member: Member, index) => {
    if (member.bitOffset % 8 !== 0) refuse(search.struct, `${member.name} does not start at a byte`);
    searchPlace(search, member.type, { container: type, index, offset: member.bitOffset / 8, expected: 0, depth });
  });
}

/** A member of a structure, or a variable of a section. */
interface Place {
  /** What its declaration tags are on: the structure and the member's number, or the variable and -1. */
  readonly container: TypeId;
  readonly index: number;
  readonly offset: number;
  /** Bytes that a variable has in its section; 0: what its type has. */
  readonly expected: number;
  /** Structures around it. */
  readonly depth: number;
}

/** A place's type with arrays taken off, and how many elements they have together. */
interface Element {
  readonly type: TypeId;
  readonly count: number;
}

/** Looks for special fields at a place of a type. */
function searchPlace(search: Search, type: TypeId, place: Place): void {
  const element = elementOf(search, type);
  if (element.count === 0) return;
  const of = typeAt(search.btf, element.type);
  if (of.kind !== "struct") return addPointer(search, element, place);
  const row = ROWS.find((r) => r.name === of.name && r.owners.includes(search.owner));
  if (row === undefined) searchNested(search, element, of.size, place);
  else addStruct(search, row, of.size, element, place);
}

function elementOf(search: Search, type: TypeId): Element {
  let count = 1;
  let at = type;
  for (let level = 0; level < MAX_DEPTH; level++) {
    const array = typeAt(search.btf, at);
    if (array.kind !== "array") return { type: at, count };
    count *= array.count;
    at = array.element;
  }
  return refuse(search.struct, "arrays are nested too deep");
}

/** A variable that is not as large as its type says has no fields. */
function isWhole({ expected }: Place, size: number): boolean {
  return expected === 0 || expected === size;
}

/** A structure's own members are aligned, and told apart, in it: not in what it is part of. */
function searchNested(search: Search, { type, count }: Element, size: number, place: Place): void {
  if (!isWhole(place, size * count)) return;
  if (place.depth + 1 >= MAX_DEPTH) refuse(search.struct, "structures are nested too deep");
  const inner = newSearch(search.btf, search.owner, type);
  searchStruct(inner, type, place.depth + 1);
  const found = inner.found.map((one) => ({ ...one, offset: place.offset + one.offset }));
  addAll(search, found, count, size);
}

/** One of the kernel's own structures; where it has not the kernel's size or alignment it is plain bytes. */
function addStruct(search: Search, row: FieldRow, size: number, { count }: Element, place: Place): void {
  if (row.single) {
    if (search.seen.has(row.kind)) refuse(search.struct, `it has more than one ${row.name}`);
    search.seen.add(row.kind);
  }
  const { offset, container, index } = place;
  if (!isWhole(place, row.size * count) || offset % row.align !== 0 || size !== row.size) return;
  const value = isRoot(row.kind) ? valueOf(search, container, index, row.name) : { type: 0, node: "" };
  addAll(search, [{ row, offset, ...value }], count, size);
}

/** A pointer whose target has a tag. */
function addPointer(search: Search, { type, count }: Element, place: Place): void {
  if (!isWhole(place, POINTER.size * count) || place.offset % POINTER.align !== 0) return;
  const kptr = kptrOf(search.btf, type, search.owner);
  if (kptr === null) return;
  if ("problem" in kptr) refuse(search.struct, kptr.problem);
  const row = { kind: kptr.kind, size: POINTER.size };
  addAll(search, [{ row, offset: place.offset, type: kptr.type, node: "" }], count, POINTER.size);
}

/** What one element has, and the elements behind it. Locks and nodes cannot be repeated. */
function addAll(search: Search, found: readonly Found[], count: number, size: number): void {
  if (count > 1) {
    for (const { row } of found) {
      if (row.kind.startsWith("kptr") || row.kind === "uptr" || isRoot(row.kind)) continue;
      refuse(search.struct, `an array of ${row.kind} is not possible`);
    }
  }
  if (search.found.length + found.length * count > MAX_FIELDS) {
    refuse(search.struct, `it has more than ${MAX_FIELDS} special fields`);
  }
  for (let i = 0; i < count; i++) {
    for (const one of found) search.found.push({ ...one, offset: one.offset + i * size });
  }
}

/** `contains:TYPE:MEMBER` of a list or tree. */
function valueOf(search: Search, container: TypeId, index: number, kind: string): { type: TypeId; node: string } {
  const tags = tagsOn(search.btf, container, index).filter((tag) => tag.startsWith("contains:"));
  const [tag] = tags;
  if (tag === undefined || tags.length > 1) refuse(search.struct, `a ${kind} needs one tag contains:TYPE:MEMBER`);
  const text = tag.slice("contains:".length);
  const colon = text.indexOf(":");
  const node = colon < 0 ? "" : text.slice(colon + 1);
  const type = colon < 0 ? null : findType(search.btf, "struct", text.slice(0, colon));
  if (type === null || node === "") refuse(search.struct, `the tag ${tag} of a ${kind} names no structure and member`);
  return { type, node };
}

/** What a pointer with a type tag points to, or what is wrong with the tag; null for other types. */
function kptrOf(btf: Btf, id: TypeId, owner: Owner): { kind: FieldKind; type: TypeId } | { problem: string } | null {
  let type = typeAt(btf, id);
  if (type.kind === "volatile") type = typeAt(btf, type.type);
  if (type.kind !== "ptr") return null;
  const tag = typeAt(btf, type.type);
  if (tag.kind !== "type_tag" || tag.attribute === true) return null;
  const inner = typeAt(btf, tag.type);
  if (inner.kind === "type_tag" && inner.attribute !== true) return { problem: "a pointer has more than one tag" };
  const kind = KPTR_TAGS[tag.name];
  if (kind === undefined) return { problem: `a pointer has the tag ${tag.name}` };
  if (kind === "uptr" && owner === "object") return null;
  const target = skipModifiers(btf, tag.type);
  if (typeAt(btf, target).kind !== "struct") return { problem: "a pointer with a tag does not point to a structure" };
  return { kind, type: target };
}

function finish(search: Search, kernel: Btf | null): Record {
  if (search.found.length === 0) {
    if (search.owner === "object")
      refuse(search.struct, "its special fields are not of the kernel's size, or not aligned");
    return NO_FIELDS;
  }
  let end = 0;
  const fields = search.found.map((found): Field => {
    if (found.offset < end) refuse(search.struct, "special fields overlap");
    end = found.offset + found.row.size;
    return makeField(search, found, kernel);
  });
  const has = (...kinds: FieldKind[]): boolean => hasField({ fields }, ...kinds);
  if (has("spin_lock") && has("res_spin_lock")) refuse(search.struct, "it has two kinds of locks");
  if (has("list_head", "rb_root") && !has("spin_lock", "res_spin_lock")) {
    refuse(search.struct, "a list or tree needs a bpf_spin_lock beside it");
  }
  if (!has("refcount") && has("list_node") && has("rb_node")) {
    refuse(search.struct, "a node of a list and of a tree needs a bpf_refcount");
  }
  return { fields: fields.toSorted((a, b) => a.offset - b.offset) };
}

function makeField(search: Search, { row, offset, type, node }: Found, kernel: Btf | null): Field {
  const { btf, struct } = search;
  const field = { kind: row.kind, offset, size: row.size, node: 0, record: null };
  if (isRoot(row.kind)) {
    return {
      ...field,
      btf,
      type,
      node: nodeOffset(search, type, node, row.kind === "list_head" ? "bpf_list_node" : "bpf_rb_node"),
    };
  }
  if (type === 0) return { ...field, btf: null, type: 0 };
  if (kernel === null) throw new Unsupported("kptr without the kernel's types");
  const name = nameOf(btf, type);
  const inKernel = findType(kernel, "struct", name);
  if (inKernel === null) return { ...field, btf, type };
  if (row.kind === "kptr_ref") {
    const destructor = DESTRUCTORS[name];
    if (destructor === undefined || findType(kernel, "func", destructor) === null) {
      refuse(struct, `an owned pointer to struct ${name} cannot be kept`);
    }
  }
  return { ...field, btf: kernel, type: inKernel };
}

function nodeOffset(search: Search, value: TypeId, node: string, struct: string): number {
  const type = typeAt(search.btf, value);
  const members = type.kind === "struct" ? type.members.filter((member) => member.name === node) : [];
  const [member] = members;
  if (member === undefined || members.length > 1) refuse(search.struct, `the values have no member ${node}`);
  const of = typeAt(search.btf, member.type);
  if (of.kind !== "struct" || of.name !== struct) refuse(search.struct, `${node} of the values is no ${struct}`);
  if (member.bitOffset % 64 !== 0) refuse(search.struct, `${node} of the values is not aligned`);
  return member.bitOffset / 8;
}
