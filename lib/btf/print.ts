/**
 * BTF types as C, for people: `dis`, documentation, error messages.
 *
 * A C declaration is read inside out, so it is built that way: `declare` wraps the text made so far (the name first) into
 * what the type adds, and goes on to the type that this one refers to.
 */
import { resolveType } from "./size.ts";
import type { Btf, BtfType, Member, TypeId } from "./types.ts";

/** Nameless types nested deeper than this are cut short: only damaged BTF has them. */
const MAX_DEPTH = 32;

/** A type as C writes it without a name: `const struct flow_key *`. */
export function typeName(btf: Btf, id: TypeId): string {
  return declare(btf, id, "", 0);
}

/** The declaration of `name` with this type: `unsigned int (*ports)[4]`. */
export function printDeclaration(btf: Btf, id: TypeId, name: string): string {
  return declare(btf, id, name, 0);
}

/**
 * C declarations of the named types, functions and variables, each ended by a newline; those that `roots` need when it is
 * given, else all. What is needed by value comes first, what is behind a pointer is declared forward.
 */
export function printC(btf: Btf, roots: Iterable<TypeId> = btf.types.keys()): string {
  const printer = new Printer(btf);
  for (const id of roots) printer.print(id);
  return printer.lines.map((line) => `${line}\n`).join("");
}

class Printer {
  readonly lines: string[] = [];
  private readonly btf: Btf;
  private readonly begun = new Set<TypeId>();
  private readonly declared = new Set<string>();

  constructor(btf: Btf) {
    this.btf = btf;
  }

  print(id: TypeId): void {
    const type = this.btf.types[id];
    if (type === undefined || this.begun.has(id)) return;
    this.begun.add(id);
    switch (type.kind) {
      case "struct":
      case "union":
        for (const member of type.members) this.print(member.type);
        this.define(id, type);
        return;
      case "enum":
      case "enum64":
        return this.define(id, type);
      case "fwd":
        return this.forward(`${type.union ? "union" : "struct"} ${type.name}`);
      case "ptr":
        return this.printTarget(type.type);
      case "array":
        return this.print(type.element);
      case "typedef":
        this.print(type.type);
        this.lines.push(`typedef ${declare(this.btf, type.type, type.name, 0)};`);
        return;
      case "func_proto":
        for (const { type: param } of type.params) this.print(param);
        return this.print(type.result);
      case "func":
      case "var": {
        this.print(type.type);
        const prefix = { static: "static ", global: "", extern: "extern " }[type.linkage];
        this.lines.push(`${prefix}${declare(this.btf, type.type, type.name, 0)};`);
        return;
      }
      case "datasec":
        this.lines.push(`/* section ${type.name}, ${type.size} bytes */`);
        for (const variable of type.variables) this.print(variable.type);
        return;
      case "volatile":
      case "const":
      case "restrict":
      case "type_tag":
        return this.print(type.type);
      default:
        return;
    }
  }

  /** What a pointer points to need only be declared when it is a named structure. */
  private printTarget(id: TypeId): void {
    const { type } = resolveType(this.btf, id);
    const direct = this.btf.types[id]?.kind !== "typedef";
    if (direct && (type.kind === "struct" || type.kind === "union") && type.name !== "") {
      return this.forward(`${type.kind} ${type.name}`);
    }
    this.print(id);
  }

  private forward(tag: string): void {
    if (this.declared.has(tag)) return;
    this.declared.add(tag);
    this.lines.push(`${tag};`);
  }

  private define(id: TypeId, type: Extract<BtfType, { kind: "struct" | "union" | "enum" | "enum64" }>): void {
    if (type.name === "" && !(type.kind === "enum" || type.kind === "enum64")) return;
    this.declared.add(`${type.kind} ${type.name}`);
    this.lines.push(`${body(this.btf, id, type, 0)};`);
  }
}

function declare(btf: Btf, id: TypeId, inner: string, depth: number): string {
  const type = btf.types[id];
  if (type === undefined || depth > MAX_DEPTH) return join("/* ... */", inner);
  switch (type.kind) {
    case "void":
      return join("void", inner);
    case "int":
    case "float":
    case "typedef":
      return join(type.name, inner);
    case "struct":
    case "union":
    case "enum":
    case "enum64":
      return join(type.name === "" ? body(btf, id, type, depth) : `${keyword(type.kind)} ${type.name}`, inner);
    case "fwd":
      return join(`${type.union ? "union" : "struct"} ${type.name}`, inner);
    case "ptr": {
      const target = btf.types[type.type]?.kind;
      const pointer = `*${inner}`;
      return declare(
        btf,
        type.type,
        target === "array" || target === "func_proto" ? `(${pointer})` : pointer,
        depth + 1,
      );
    }
    case "volatile":
    case "const":
    case "restrict":
      return qualify(btf, type.type, type.kind, inner, depth);
    case "type_tag":
      return qualify(
        btf,
        type.type,
        `__attribute__((${type.attribute ? type.name : `btf_type_tag("${type.name}")`}))`,
        inner,
        depth,
      );
    case "array":
      return declare(btf, type.element, `${inner}[${type.count}]`, depth + 1);
    case "func_proto":
      return declare(btf, type.result, `${inner}(${parameters(btf, type, depth)})`, depth + 1);
    case "func":
    case "var":
      return declare(btf, type.type, type.name, depth + 1);
    case "datasec":
      return join(`/* section ${type.name} */`, inner);
    case "decl_tag":
      return join(`/* tag ${type.name} */`, inner);
  }
}

/** Of a pointer the qualifier belongs behind the star, of anything else in front. */
function qualify(btf: Btf, id: TypeId, qualifier: string, inner: string, depth: number): string {
  return btf.types[id]?.kind === "ptr"
    ? declare(btf, id, join(qualifier, inner), depth + 1)
    : `${qualifier} ${declare(btf, id, inner, depth + 1)}`;
}

function parameters(btf: Btf, type: Extract<BtfType, { kind: "func_proto" }>, depth: number): string {
  if (type.params.length === 0) return "void";
  return type.params
    .map((p, i) => {
      const variadic = i === type.params.length - 1 && p.type === 0 && p.name === "";
      return variadic ? "..." : declare(btf, p.type, p.name, depth + 1);
    })
    .join(", ");
}

function body(
  btf: Btf,
  id: TypeId,
  type: Extract<BtfType, { kind: "struct" | "union" | "enum" | "enum64" }>,
  depth: number,
): string {
  const indent = "\t".repeat(depth);
  const head = join(keyword(type.kind), type.name);
  if (type.kind === "enum" || type.kind === "enum64") {
    return `${head} {\n${type.values.map((v) => `${indent}\t${v.name} = ${v.value},\n`).join("")}${indent}}`;
  }
  const members = type.members.map((m) => `${indent}\t${member(btf, m, depth + 1)};\n`).join("");
  return `${head} {\n${members}${indent}}${isPacked(btf, id) ? " __attribute__((packed))" : ""}`;
}

function member(btf: Btf, m: Member, depth: number): string {
  const text = declare(btf, m.type, m.name, depth);
  return m.bitfieldSize === undefined ? text : `${text}${m.name === "" ? "" : " "}: ${m.bitfieldSize}`;
}

/** C's natural layout does not give these offsets or this size. */
function isPacked(btf: Btf, id: TypeId): boolean {
  const type = btf.types[id];
  if (type?.kind !== "struct" && type?.kind !== "union") return false;
  const alignments = type.members.map((m) => (m.bitfieldSize === undefined ? alignmentOf(btf, m.type, 0) : 1));
  if (type.size % Math.max(1, ...alignments) !== 0) return true;
  return type.members.some((m, i) => (m.bitOffset / 8) % (alignments[i] ?? 1) !== 0 && m.bitfieldSize === undefined);
}

function alignmentOf(btf: Btf, id: TypeId, depth: number): number {
  if (depth > MAX_DEPTH) return 1;
  const { type } = resolveType(btf, id);
  switch (type.kind) {
    case "int":
    case "float":
    case "enum":
    case "enum64":
      return Math.max(1, type.size);
    case "ptr":
      return 8;
    case "array":
      return alignmentOf(btf, type.element, depth + 1);
    case "struct":
    case "union":
      return type.members.reduce((most, m) => Math.max(most, alignmentOf(btf, m.type, depth + 1)), 1);
    default:
      return 1;
  }
}

function keyword(kind: "struct" | "union" | "enum" | "enum64"): string {
  return kind === "enum64" ? "enum" : kind;
}

function join(left: string, right: string): string {
  return right === "" ? left : `${left} ${right}`;
}
