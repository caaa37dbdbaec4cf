/**
 * CO-RE relocations: what a program compiled against one kernel's types has to say against another's.
 *
 * A relocation names a type of the program, a path of indices into it ("0:3:1": element 0, member 3, its member 1) and an
 * aspect that is wanted (its offset, its size, whether it exists). Names are what types of two kernels have in common, so the
 * path is read once as names in the program's BTF and walked again by name in each type of the target that is called the same.
 *
 *   const target = coreTarget(kernel);
 *   coreValue(btf, target, relocation)   // { kind: "value", before: 8n, after: 16n, … }
 *
 * Sources: include/uapi/linux/bpf.h (enum bpf_core_relo_kind), docs.kernel.org/bpf/llvm_reloc.html.
 */
import {
  essentialName,
  fieldsCompatible,
  isComposite,
  isEnum,
  kindsCompatible,
  nameOf,
  typesCompatible,
  typesMatch,
} from "./core-compat.ts";
import type { Pair } from "./core-compat.ts";
import type { CoreRelocation } from "./ext.ts";
import { resolveType, sizeOf } from "./size.ts";
import type { Btf, BtfType, TypeId } from "./types.ts";

/** What a relocation asks for, at the index that is its number. */
export const CORE_KINDS = [
  "field_byte_offset",
  "field_byte_size",
  "field_exists",
  "field_signed",
  "field_lshift_u64",
  "field_rshift_u64",
  "type_id_local",
  "type_id_target",
  "type_exists",
  "type_size",
  "enumval_exists",
  "enumval_value",
  "type_matches",
] as const;
export type CoreKind = (typeof CORE_KINDS)[number];

/** The types of a kernel and where each name stands among them. */
export interface CoreTarget {
  readonly btf: Btf;
  readonly byName: ReadonlyMap<string, readonly TypeId[]>;
}

/** The answer to one relocation. */
export type CoreValue =
  | {
      readonly kind: "value";
      /** What the compiler has written; null when it may have written anything. */
      readonly before: bigint | null;
      readonly after: bigint;
      /** Bytes that an access to the field moves; null where the relocation is no offset of a whole field. */
      readonly access: { readonly before: number; readonly after: number; readonly resizable: boolean } | null;
    }
  /** The target has no such thing: the instruction must not be reached. */
  | { readonly kind: "missing" }
  /** The relocation means nothing, or several things. */
  | { readonly kind: "unclear"; readonly why: string };

/** One for each BTF that is in use: a kernel has a hundred thousand types. */
const TARGETS = new WeakMap<Btf, CoreTarget>();

/** Makes the types of a kernel ready to be asked many times; the work is done once for a `Btf`. */
export function coreTarget(btf: Btf): CoreTarget {
  const known = TARGETS.get(btf);
  if (known !== undefined) return known;
  const target: CoreTarget = { btf, byName: namesOf(btf) };
  TARGETS.set(btf, target);
  return target;
}

function namesOf(btf: Btf): Map<string, TypeId[]> {
  const byName = new Map<string, TypeId[]>();
  btf.types.forEach((type, id) => {
    const name = essentialName(nameOf(type));
    if (name === "") return;
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [id]);
    else known.push(id);
  });
  return byName;
}

/** What the relocation of a program with the types `local` comes to. Throws B004 and B008 for damaged BTF. */
export function coreValue(local: Btf, target: CoreTarget, relocation: CoreRelocation): CoreValue {
  const kind = CORE_KINDS[relocation.kind];
  if (kind === undefined) return unclear(`it is of the unknown kind ${relocation.kind}`);
  if (kind === "type_id_local") return { kind: "value", before: null, after: BigInt(relocation.type), access: null };
  const root = local.types[relocation.type];
  if (root === undefined) return unclear(`there is no type ${relocation.type}`);
  const path = readPath(local, relocation, kind);
  if (path === null) return unclear(`its path "${relocation.access}" does not lead through its type`);
  const before = aspect(local, path, kind);
  if (before === null) return unclear(`${kind} cannot be asked of "${relocation.access}"`);
  const name = essentialName(nameOf(root));
  if (name === "") return unclear("its type has no name");
  const pair: Pair = { local, target: target.btf };
  const found = (target.byName.get(name) ?? []).flatMap((id) => {
    const type = target.btf.types[id];
    const there = type !== undefined && kindsCompatible(root, type) ? findPath(pair, path, kind, id) : null;
    return there === null ? [] : [{ path: there, value: aspect(target.btf, there, kind) }];
  });
  const [first, ...others] = found;
  if (first === undefined) return notFound(kind, before);
  const { value } = first;
  if (value === null) return unclear(`${kind} cannot be told of the target's ${name}`);
  if (others.some((other) => other.path.bits !== first.path.bits || other.value?.number !== value.number))
    return unclear(`the target has several types called ${name}, which differ`);
  return {
    kind: "value",
    before: before.certain ? before.number : null,
    after: value.number,
    access: accessOf(pair, before, value),
  };
}

function unclear(why: string): CoreValue {
  return { kind: "unclear", why };
}

/** Questions about types and existence are answered with 0; offsets and values have no answer. */
function notFound(kind: CoreKind, before: Aspect): CoreValue {
  if (!kind.endsWith("_exists") && !kind.startsWith("type_")) return { kind: "missing" };
  return { kind: "value", before: before.certain ? before.number : null, after: 0n, access: null };
}

/** The last step of a path: member `index` of the structure `type`, or (`name` null) an element of the type `type`. */
interface Step {
  readonly type: TypeId;
  readonly index: number;
  readonly name: string | null;
}

/** A place in a type. `steps` has the named members and the elements, as a target is walked. */
interface Path {
  readonly root: TypeId;
  readonly steps: readonly Step[];
  /** From the start of the root. */
  readonly bits: number;
}

/** The program's own path; null where it leaves its type. */
function readPath(local: Btf, { type: root, access }: CoreRelocation, kind: CoreKind): Path | null {
  if (!/^\d{1,9}(:\d{1,9}){0,63}$/.test(access)) return null;
  const [first = 0, ...rest] = access.split(":").map(Number);
  if (kind.startsWith("type_")) return access === "0" ? { root, steps: [], bits: 0 } : null;
  const resolved = resolveType(local, root);
  if (kind.startsWith("enumval_")) {
    const name = isEnum(resolved.type) ? resolved.type.values[first]?.name : undefined;
    return name === undefined || rest.length > 0
      ? null
      : { root, steps: [{ type: resolved.id, index: first, name }], bits: 0 };
  }
  let path = extend({ root, steps: [], bits: 0 }, element(local, root, first));
  let at = root;
  for (const index of rest) {
    const { id, type } = resolveType(local, at);
    const member = isComposite(type) ? type.members[index] : undefined;
    if (member !== undefined) {
      const step = { type: id, index, name: member.name };
      path = extend(path, { steps: member.name === "" ? [] : [step], bits: member.bitOffset });
      at = member.type;
    } else if (type.kind === "array" && isInside(local, path, type, index)) {
      path = extend(path, element(local, type.element, index));
      at = type.element;
    } else return null;
  }
  return path;
}

type Part = Pick<Path, "steps" | "bits">;

function extend(path: Path, { steps, bits }: Part): Path {
  return { root: path.root, steps: [...path.steps, ...steps], bits: path.bits + bits };
}

/** Element `index` of an array of the type; the root counts as one. */
function element(btf: Btf, of: TypeId, index: number): Part {
  const { id } = resolveType(btf, of);
  return { steps: [{ type: id, index, name: null }], bits: index === 0 ? 0 : index * sizeOf(btf, id) * 8 };
}

/** An array without a size at the end of its structure takes any index. */
function isInside(btf: Btf, path: Path, { count }: Extract<BtfType, { kind: "array" }>, index: number): boolean {
  if (index < count) return true;
  const last = path.steps.at(-1);
  if (count > 0 || last === undefined || last.name === null) return false;
  const owner = btf.types[last.type];
  return owner !== undefined && isComposite(owner) && last.index === owner.members.length - 1;
}

/** The same place in the target's type `root`; null where there is none. */
function findPath(pair: Pair, wanted: Path, kind: CoreKind, root: TypeId): Path | null {
  const start: Path = { root, steps: [], bits: 0 };
  if (kind.startsWith("type_")) {
    const agree = kind === "type_matches" ? typesMatch : typesCompatible;
    return agree(pair, wanted.root, root) ? start : null;
  }
  if (kind.startsWith("enumval_")) return findEnumerator(pair, wanted, root);
  let path = start;
  let at = root;
  for (const [i, step] of wanted.steps.entries()) {
    const next = step.name === null ? findElement(pair, path, at, step.index, i === 0) : findMember(pair, step, at);
    if (next === null) return null;
    path = extend(path, next);
    at = next.then;
  }
  return path;
}

function findEnumerator({ target }: Pair, { steps }: Path, root: TypeId): Path | null {
  const { id, type } = resolveType(target, root);
  const name = essentialName(steps[0]?.name ?? "");
  const index = isEnum(type) ? type.values.findIndex((value) => essentialName(value.name) === name) : -1;
  return index < 0 ? null : { root, steps: [{ type: id, index, name }], bits: 0 };
}

/** A part of a path and the type that it leads to. */
type Found = Part & { readonly then: TypeId };

function findElement({ target }: Pair, path: Path, at: TypeId, index: number, isRoot: boolean): Found | null {
  if (isRoot) return { ...element(target, at, index), then: at };
  const { type } = resolveType(target, at);
  if (type.kind !== "array" || !isInside(target, path, type, index)) return null;
  return { ...element(target, type.element, index), then: type.element };
}

/** The member that is called as the program's, also in members without a name. */
function findMember(pair: Pair, step: Step, at: TypeId, depth = 0): Found | null {
  const { id, type } = resolveType(pair.target, at);
  const owner = pair.local.types[step.type];
  const mine = owner !== undefined && isComposite(owner) ? owner.members[step.index] : undefined;
  if (mine === undefined || !isComposite(type) || depth > MAX_NESTING) return null;
  for (const [index, member] of type.members.entries()) {
    if (member.name === "") {
      const inner = findMember(pair, step, member.type, depth + 1);
      if (inner !== null) return { ...inner, bits: inner.bits + member.bitOffset };
    } else if (member.name === step.name) {
      if (!fieldsCompatible(pair, mine.type, member.type)) return null;
      return { steps: [{ type: id, index, name: member.name }], bits: member.bitOffset, then: member.type };
    }
  }
  return null;
}

/** Structures without a name in one another; more is a type that contains itself. */
const MAX_NESTING = 32;

/** A number asked of a place. */
interface Aspect {
  readonly number: bigint;
  /** Every compiler comes to this number for these types. */
  readonly certain: boolean;
  /** The type of a whole field whose offset is asked for. */
  readonly field: TypeId | null;
}

/** What `kind` asks for, of a place that is there; null where it cannot be asked. */
function aspect(btf: Btf, path: Path, kind: CoreKind): Aspect | null {
  const say = (number: number | bigint, certain = true): Aspect => ({ number: BigInt(number), certain, field: null });
  switch (kind) {
    case "field_exists":
    case "type_exists":
    case "type_matches":
    case "enumval_exists":
      return say(1);
    case "type_id_local":
    case "type_id_target":
      return say(path.root, false);
    case "type_size":
      return say(sizeOf(btf, path.root));
    case "enumval_value": {
      const step = path.steps[0];
      const type = step === undefined ? undefined : btf.types[step.type];
      const value = type !== undefined && isEnum(type) ? type.values[step?.index ?? 0]?.value : undefined;
      return value === undefined ? null : say(value);
    }
    default:
      return fieldAspect(btf, path, kind);
  }
}

function fieldAspect(
  btf: Btf,
  { steps, bits }: Path,
  kind: Exclude<CoreKind, `type_${string}` | `enumval_${string}` | "field_exists">,
): Aspect | null {
  const step = steps.at(-1);
  const owner = step === undefined ? undefined : btf.types[step.type];
  if (step === undefined || owner === undefined) return null;
  const member = step.name !== null && isComposite(owner) ? owner.members[step.index] : undefined;
  const id = member?.type ?? step.type;
  const width = member?.bitfieldSize ?? 0;
  const isBits = width > 0;
  const say = (number: number, certain = !isBits): Aspect => ({ number: BigInt(number), certain, field: null });
  if (member === undefined && kind !== "field_byte_offset" && kind !== "field_byte_size") return null;
  const unit = isBits ? unitOf(sizeOf(btf, id), bits, width) : { offset: bits >> 3, size: sizeOf(btf, id) };
  if (unit === null) return null;
  switch (kind) {
    case "field_byte_offset":
      return { ...say(unit.offset), field: isBits ? null : elementOf(btf, id) };
    case "field_byte_size":
      return say(unit.size);
    case "field_signed":
      return say(isSigned(resolveType(btf, id).type) ? 1 : 0, true);
    case "field_lshift_u64":
      return say(64 - (bits + (isBits ? width : unit.size * 8) - unit.offset * 8));
    case "field_rshift_u64":
      return say(64 - (isBits ? width : unit.size * 8), true);
  }
}

/** The smallest aligned integer, of the declared size or wider, that holds the whole bitfield; null where 8 bytes do not. */
function unitOf(declared: number, bits: number, width: number): { offset: number; size: number } | null {
  for (let size = declared; size >= 1 && size <= 8; size *= 2) {
    const offset = Math.floor(bits / 8 / size) * size;
    if (bits + width - offset * 8 <= size * 8) return { offset, size };
  }
  return null;
}

function isSigned(type: BtfType): boolean {
  return isEnum(type) ? type.signed : type.kind === "int" && type.encoding === "signed";
}

/** What an access to a field moves: of an array one element. */
function elementOf(btf: Btf, id: TypeId): TypeId {
  let at = resolveType(btf, id);
  for (let depth = 0; at.type.kind === "array" && depth < MAX_NESTING; depth++) at = resolveType(btf, at.type.element);
  return at.id;
}

/** Pointers and unsigned integers may be of another size in the target: what is read is widened with zeros. */
function accessOf(pair: Pair, before: Aspect, after: Aspect): Extract<CoreValue, { kind: "value" }>["access"] {
  if (before.field === null || after.field === null) return null;
  const [mine, other] = [pair.local.types[before.field], pair.target.types[after.field]];
  const isUnsigned = (type: BtfType | undefined): boolean => type?.kind === "int" && type.encoding !== "signed";
  return {
    before: sizeOf(pair.local, before.field),
    after: sizeOf(pair.target, after.field),
    resizable: (mine?.kind === "ptr" && other?.kind === "ptr") || (isUnsigned(mine) && isUnsigned(other)),
  };
}
