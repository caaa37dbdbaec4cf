/**
 * Reading a YAML document with its places: the cursor that every kind of object is read with.
 *
 * A `Value` is a node of the document and its field path. Reading never throws: what does not fit is reported with its place,
 * and a stand-in is returned so that reading goes on and finds the next fault as well. An object with a reported error is
 * refused as a whole, so no stand-in leaves this folder.
 */
import { isAlias, isMap, isScalar, isSeq, visit } from "yaml";
import type { Alias, Document, LineCounter, Node, Pair, ParsedNode, YAMLMap } from "yaml";
import { inputDiagnostic } from "./diagnostics.ts";
import type { More, InputCode, InputDiagnostic } from "./diagnostics.ts";
import type { Place } from "./types.ts";

/**
 * A value takes a character at least, and is read a few times at most: a document that has more of them than this for each
 * character has them from aliases of aliases. Short ones may have some.
 */
const VALUES_PER_CHARACTER = 8;
const SPARE_VALUES = 10_000;
const MAX_FOUND = 60;

/**
 * The fields of a mapping. `others`: what becomes of a field that is in neither list. In policies it is refused, and so is a
 * null, which is neither absent nor empty; other objects have much that the mesh has no use for.
 */
export interface FieldTable {
  readonly read: readonly string[];
  /** Known fields that cannot be honoured, with the reason. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Known fields without an effect on the mesh. */
  readonly skipped?: readonly string[];
  readonly others: "refused" | "skipped";
}

export type Fields = Readonly<Record<string, Value | undefined>>;

interface Entry {
  readonly key: string;
  readonly keyNode: Node;
  readonly value: Node | null;
}

/** A document that is being read: what was found wrong with it, and where its lines and anchors are. */
export class Reader {
  readonly diagnostics: InputDiagnostic[] = [];
  private readonly document: Document.Parsed<ParsedNode>;
  private readonly lines: LineCounter;
  private readonly text: string;
  private readonly linesBefore: number;
  private readonly file: string;
  private values = 0;
  private exhausted = false;
  private targets: Map<Alias, Node> | null = null;

  /** `lines` are of `text`, which `linesBefore` lines of the file precede. */
  constructor(
    document: Document.Parsed<ParsedNode>,
    lines: LineCounter,
    text: string,
    linesBefore: number,
    file: string,
  ) {
    this.document = document;
    this.lines = lines;
    this.text = text;
    this.linesBefore = linesBefore;
    this.file = file;
  }

  root(): Value {
    return new Value(this, this.document.contents, this.document.range[0], "");
  }

  /** How many errors there are until now. */
  get errors(): number {
    return this.diagnostics.filter((d) => d.severity === "error").length;
  }

  placeOf(offset: number, path: string): Place {
    const { line, col } = this.lines.linePos(offset);
    return { file: this.file, line: this.linesBefore + Math.max(line, 1), column: Math.max(col, 1), path };
  }

  report(code: InputCode, message: string, offset: number, path: string, more: More): void {
    if (this.exhausted) return;
    const place = this.placeOf(offset, path);
    this.diagnostics.push(inputDiagnostic(code, message, place, this.lineOf(place.line), more));
  }

  /** False once the document has grown beyond all measure; that is the last thing reported. */
  spend(offset: number, path: string): boolean {
    const most = SPARE_VALUES + VALUES_PER_CHARACTER * this.text.length;
    this.values++;
    if (this.values > most && !this.exhausted) {
      this.report("Y023", `more than ${most} values`, offset, path, {});
      this.exhausted = true;
    }
    return !this.exhausted;
  }

  /** What an alias stands for; undefined: nothing, which is reported. */
  resolve(alias: Alias, path: string): Node | undefined {
    this.targets ??= this.resolveAliases();
    const target = this.targets.get(alias);
    if (target === undefined) {
      this.report("Y001", `there is no anchor &${alias.source} before this`, alias.range?.[0] ?? 0, path, {});
    }
    return target;
  }

  /** All at once: `Alias.resolve` walks the whole document for each. */
  private resolveAliases(): Map<Alias, Node> {
    const anchors = new Map<string, Node>();
    const targets = new Map<Alias, Node>();
    visit(this.document, {
      Node: (_key, node) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target !== undefined) targets.set(node, target);
        } else if (node.anchor !== undefined) {
          anchors.set(node.anchor, node);
        }
      },
    });
    return targets;
  }

  private lineOf(line: number): string {
    const start = this.lines.lineStarts[line - this.linesBefore - 1] ?? 0;
    const end = this.text.indexOf("\n", start);
    return this.text.slice(start, end === -1 ? undefined : end).replace(/\r$/, "");
  }
}

export class Value {
  readonly path: string;
  private readonly reader: Reader;
  /** Undefined: the value is missing, which has been reported; reads give stand-ins. */
  private readonly node: Node | null | undefined;
  private readonly offset: number;

  constructor(reader: Reader, node: Node | null | undefined, offset: number, path: string) {
    this.reader = reader;
    this.offset = node?.range?.[0] ?? offset;
    this.path = path;
    this.node = isAlias(node) ? reader.resolve(node, path) : node;
  }

  get place(): Place {
    return this.reader.placeOf(this.offset, this.path);
  }

  /** A stand-in for what is not there. */
  get isMissing(): boolean {
    return this.node === undefined;
  }

  get isMapping(): boolean {
    return isMap(this.node);
  }

  get isEmptyList(): boolean {
    return isSeq(this.node) && this.node.items.length === 0;
  }

  get isNull(): boolean {
    return this.node === null || (isScalar(this.node) && this.node.value === null);
  }

  report(code: InputCode, message: string, more: More = {}): void {
    if (this.node === undefined) return;
    this.reader.report(code, message, this.offset, this.path, more);
  }

  string(): string {
    if (isScalar(this.node) && typeof this.node.value === "string") return this.node.value;
    this.reportType("a string");
    return "";
  }

  boolean(): boolean {
    if (isScalar(this.node) && typeof this.node.value === "boolean") return this.node.value;
    this.reportType("true or false");
    return false;
  }

  /** A whole number from `least` to `most`. */
  integer(least: number, most: number): number {
    const value = isScalar(this.node) ? this.node.value : undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    this.reportType(`a whole number from ${least} to ${most}`);
    return least;
  }

  /** A string, or a whole number (Kubernetes' IntOrString). Numbers in another notation than decimal are none. */
  integerOrString(): number | string {
    if (isScalar(this.node)) {
      const { value, source } = this.node;
      if (typeof value === "string") return value;
      if (typeof value === "number" && /^(0|[1-9]\d*)$/.test(source ?? "")) return value;
    }
    this.reportType("a string or a whole number");
    return 1;
  }

  list(): readonly Value[] {
    if (!isSeq(this.node)) {
      this.reportType("a list");
      return [];
    }
    const items: Value[] = [];
    for (const [index, item] of this.node.items.entries()) {
      if (!this.reader.spend(this.offset, this.path)) return [];
      items.push(new Value(this.reader, item as Node | null, this.offset, `${this.path}[${index}]`));
    }
    return items;
  }

  strings(): readonly string[] {
    return this.list().map((item) => item.string());
  }

  /** The fields of a mapping by name; refused and unknown ones are reported. */
  fields(table: FieldTable): Fields {
    const found: Record<string, Value> = {};
    for (const { key, keyNode, value } of this.entries()) {
      const at = new Value(this.reader, keyNode, this.offset, joinPath(this.path, key));
      const reason = table.refused !== undefined && Object.hasOwn(table.refused, key) ? table.refused[key] : undefined;
      if (table.read.includes(key)) {
        const field = new Value(this.reader, value, at.offset, at.path);
        if (!field.isNull) {
          found[key] = field;
        } else if (table.others === "refused") {
          at.report("Y004", "null is neither absent nor empty", NULL_FIELD);
          found[key] = new Value(this.reader, undefined, at.offset, at.path);
        }
      } else if (reason !== undefined) {
        at.report("Y007", `this cannot be honoured: ${reason}`, { found: `field ${key}` });
      } else if (table.others === "refused" && table.skipped?.includes(key) !== true) {
        at.report("Y003", `unknown field ${key}`, { expected: `one of ${table.read.join(", ")}`, found: key });
      }
    }
    return found;
  }

  /** The field, or a stand-in when it is missing, which is reported at this mapping. */
  required(fields: Fields, name: string): Value {
    const field = fields[name];
    if (field !== undefined) return field;
    const path = joinPath(this.path, name);
    if (this.isMapping) {
      this.reader.report("Y005", "the field is missing", this.offset, path, { expected: `field ${name}` });
    }
    return new Value(this.reader, undefined, this.offset, path);
  }

  /** A mapping of names to values, as labels are: all keys. */
  map(): readonly (readonly [key: string, value: Value, key: Value])[] {
    return this.entries().map(({ key, keyNode, value }) => {
      const path = joinPath(this.path, key);
      const at = new Value(this.reader, keyNode, this.offset, path);
      return [key, new Value(this.reader, value, at.offset, path), at] as const;
    });
  }

  private entries(): readonly Entry[] {
    if (!isMap(this.node)) {
      this.reportType("a mapping");
      return [];
    }
    const entries = new Map<string, Entry>();
    this.collect(this.node, entries, 0);
    return [...entries.values()];
  }

  /** Merge keys (`<<: *base`) add what the mapping itself has not. */
  private collect(map: YAMLMap, entries: Map<string, Entry>, depth: number): void {
    const merged: Node[] = [];
    for (const { key, value } of map.items as Pair<Node | null, Node | null>[]) {
      if (!this.reader.spend(this.offset, this.path)) return;
      if (!isScalar(key)) {
        const at = new Value(this.reader, key, this.offset, this.path);
        at.report("Y004", "a field's name is text", { expected: "a string", found: describe(key) });
      } else if (key.value === "<<" && key.type === "PLAIN" && value !== null) {
        merged.push(value);
      } else {
        const name = typeof key.value === "string" ? key.value : (key.source ?? String(key.value));
        if (!entries.has(name)) entries.set(name, { key: name, keyNode: key, value });
      }
    }
    for (const source of merged) this.merge(source, entries, depth);
  }

  private merge(source: Node, entries: Map<string, Entry>, depth: number): void {
    const target = isAlias(source) ? this.reader.resolve(source, this.path) : source;
    const maps = isSeq(target) ? (target.items as Node[]) : [target];
    for (const item of maps) {
      const map = isAlias(item) ? this.reader.resolve(item, this.path) : item;
      if (isMap(map) && depth < 10) this.collect(map, entries, depth + 1);
      else this.report("Y004", "<< takes a mapping", { expected: "an alias of a mapping", found: describe(map) });
    }
  }

  private reportType(expected: string): void {
    this.report("Y004", `this is not ${expected}`, { expected, found: describe(this.node) });
  }
}

const NULL_FIELD: More = { expected: "a value", found: "null", remedy: "remove the field, or write [] or {}" };

/** `a.b`, and `a["b/c"]` for names that are no words. */
function joinPath(path: string, key: string): string {
  if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

function describe(node: Node | null | undefined): string {
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  if (!isScalar(node) || node.value === null) return "null";
  const text = typeof node.value === "string" ? JSON.stringify(node.value) : (node.source ?? typeof node.value);
  const short = text.length > MAX_FOUND ? `${text.slice(0, MAX_FOUND)}…` : text;
  return `${typeof node.value} ${short}`;
}
