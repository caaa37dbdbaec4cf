/**
 * Walking into a structure: what lies at an offset, member by member, through nested structures, unions, arrays and a
 * flexible array at the end. This decides what a load through a pointer to a kernel object gives.
 *
 * The order of the checks is the kernel's (Linux 6.18): a struct that starts where the access does is entered before its
 * size is looked at, a pointer has to be loaded whole, numbers may be loaded in pieces or together as long as the member
 * (an array counts as one) reaches.
 */
import type { Btf, BtfType, TypeId } from "../../btf/index.ts";
import { skipModifiers, typeAt } from "./lookup.ts";

/** What an access of some bytes at an offset of a type meets. */
export type Walk =
  | { readonly kind: "number" }
  /** A pointer to a structure. `union`: reached through a union, which says nothing of which member is valid. */
  | {
      readonly kind: "pointer";
      readonly type: TypeId;
      readonly tag: string | null;
      readonly field: string;
      readonly union: boolean;
    }
  /** A pointer to something that is no structure. */
  | { readonly kind: "other_pointer" }
  | { readonly kind: "problem"; readonly problem: string };

/** As `Walk`, but stops at a structure that starts at the offset. */
export type Step = Walk | { readonly kind: "struct"; readonly type: TypeId };

const NUMBER: Walk = { kind: "number" };
const OTHER: Walk = { kind: "other_pointer" };

function problem(text: string): Walk {
  return { kind: "problem", problem: text };
}

/** Walks of a BTF by type, offset, size; two maps, for walks that may and may not go into flexible arrays. */
const walks = new WeakMap<Btf, readonly [Map<number, Walk>, Map<number, Walk>]>();

/** What an access to `size` bytes at `off` of a structure meets. `flexible`: beyond the end is a flexible array's element. */
export function walk(btf: Btf, type: TypeId, off: number, size: number, flexible: boolean): Walk {
  let both = walks.get(btf);
  if (both === undefined) walks.set(btf, (both = [new Map(), new Map()]));
  const known = both[flexible ? 1 : 0];
  // Offsets of loads and registers are far below 2^28, types below 2^20: the key is exact.
  const key = (type * 2 ** 28 + off) * 16 + size;
  let found = known.get(key);
  if (found === undefined) known.set(key, (found = walkDown(btf, type, off, size, flexible)));
  return found;
}

function walkDown(btf: Btf, type: TypeId, off: number, size: number, flexible: boolean): Walk {
  const path: Path = { union: false };
  let at = type;
  let from = off;
  // Each turn enters a structure that lies inside of the one before.
  for (let depth = 0; depth < 64; depth++) {
    const next = step(btf, at, from, size, flexible, path);
    if (next.kind !== "struct") return next;
    at = next.type;
    from = 0;
  }
  return problem("the structure is nested too deep");
}

/** The structures that a pointer to `type` may stand for at `off`: what starts there, outermost first. */
export function structsAt(btf: Btf, type: TypeId, off: number, flexible: boolean): readonly TypeId[] {
  const found: TypeId[] = [];
  let at = type;
  let from = off;
  for (let depth = 0; depth < 64; depth++) {
    const next = step(btf, at, from, 1, flexible, { union: false });
    if (next.kind !== "struct") break;
    found.push(next.type);
    at = next.type;
    from = 0;
  }
  return found;
}

interface Path {
  union: boolean;
}

type Composite = Extract<BtfType, { readonly members: unknown }>;

function isComposite(type: BtfType): type is Composite {
  return type.kind === "struct" || type.kind === "union";
}

function step(btf: Btf, type: TypeId, off: number, size: number, flexible: boolean, path: Path): Step {
  let struct = typeAt(btf, skipModifiers(btf, type));
  let at = off;
  for (let depth = 0; depth < 64; depth++) {
    if (!isComposite(struct)) return problem("the object's type is no structure");
    // A union with one member only is a spelling of that member.
    if (struct.kind === "union" && struct.members.length !== 1) path.union = true;
    if (at + size > struct.size) {
      const element = flexible ? flexibleElement(btf, struct, at) : null;
      if (element === null)
        return problem(`${size} bytes at offset ${at} are beyond struct ${struct.name} of ${struct.size}`);
      const of = typeAt(btf, element.type);
      if (of.kind === "int") return NUMBER;
      if (!isComposite(of) || of.size === 0)
        return problem(`${size} bytes at offset ${at} are beyond struct ${struct.name}`);
      at = (at - element.offset) % of.size;
      struct = of;
      continue;
    }
    const member = findMember(btf, struct, at, size);
    if (member === null) return problem(`struct ${struct.name} has no field at offset ${at}`);
    if (member === "number") return NUMBER;
    if (isComposite(member.of)) {
      if (at === member.offset) return { kind: "struct", type: member.type };
      at -= member.offset;
      struct = member.of;
      continue;
    }
    if (member.of.kind === "ptr") {
      if (member.size !== size || at !== member.offset) {
        return problem(`the pointer ${member.name} of struct ${struct.name} cannot be loaded in part`);
      }
      const target = skipModifiers(btf, member.of.type);
      if (!isComposite(typeAt(btf, target))) return OTHER;
      return { kind: "pointer", type: target, tag: tagOf(btf, member.of.type), field: member.name, union: path.union };
    }
    if (at + size > member.end && !path.union) {
      return problem(`${size} bytes at offset ${at} go beyond the field ${member.name} of struct ${struct.name}`);
    }
    return NUMBER;
  }
  return problem("the structure is nested too deep");
}

/** The tag that counts on a pointer's target: the outermost. */
function tagOf(btf: Btf, target: TypeId): string | null {
  const type = typeAt(btf, target);
  return type.kind === "type_tag" && type.attribute !== true ? type.name : null;
}

/** The element type and start of a flexible array at the end, when `off` is inside of it. */
function flexibleElement(btf: Btf, struct: Composite, off: number): { type: TypeId; offset: number } | null {
  const last = struct.members.at(-1);
  if (last === undefined) return null;
  const array = typeAt(btf, skipModifiers(btf, last.type));
  if (array.kind !== "array" || array.count !== 0) return null;
  const offset = last.bitOffset >>> 3;
  return off < offset ? null : { type: skipModifiers(btf, array.element), offset };
}

interface Found {
  readonly name: string;
  /** Of the element, where the member is an array. */
  readonly type: TypeId;
  readonly of: BtfType;
  readonly offset: number;
  readonly size: number;
  /** End of the whole member. */
  readonly end: number;
}

function findMember(btf: Btf, struct: Composite, off: number, size: number): Found | "number" | null {
  for (const member of struct.members) {
    const offset = member.bitOffset >>> 3;
    if (off + size <= offset) return null;
    if (member.bitfieldSize !== undefined) {
      const end = Math.ceil((member.bitOffset + member.bitfieldSize) / 8);
      if (off <= offset && end <= off + size) return "number";
      continue;
    }
    if (off < offset) return null;
    const whole = resolveSize(btf, member.type);
    if (whole === null) return null;
    const end = offset + whole.size;
    if (off >= end || (whole.array && whole.size === 0)) continue;
    const element = whole.array ? whole.size / whole.count : whole.size;
    const first = whole.array ? offset + Math.floor((off - offset) / element) * element : offset;
    return {
      name: member.name,
      type: whole.element,
      of: typeAt(btf, whole.element),
      offset: first,
      size: element,
      end,
    };
  }
  return null;
}

interface Sized {
  readonly size: number;
  readonly array: boolean;
  readonly element: TypeId;
  readonly count: number;
}

/** Size of a type, arrays of arrays flattened; null for a type without one. */
export function resolveSize(btf: Btf, id: TypeId): Sized | null {
  let count = 1;
  let array = false;
  let at = skipModifiers(btf, id);
  for (let depth = 0; depth < 32; depth++) {
    const type = typeAt(btf, at);
    switch (type.kind) {
      case "array":
        array = true;
        count *= type.count;
        at = skipModifiers(btf, type.element);
        break;
      case "ptr":
        return { size: 8 * count, array, element: at, count };
      case "int":
      case "struct":
      case "union":
      case "enum":
      case "enum64":
      case "float":
        return { size: type.size * count, array, element: at, count };
      default:
        return null;
    }
  }
  return null;
}
