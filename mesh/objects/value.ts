/**
 * Reading a YAML document with its places: the cursor that every kind of object is read with.
 *
 * A `Value` is a node of the document and its field path. Reading never throws: what does not fit is reported with its place,
 * and a stand-in is returned so that reading goes on and finds the next fault as well. An object with a reported error is
 * refused as a whole, so no stand-in leaves this folder.
 */
import { inputDiagnostic } from "./diagnostics.ts";
import type { More, InputCode, InputDiagnostic } from "./diagnostics.ts";
import type { Lines, YamlMap, YamlNode } from "./node.ts";
import type { Place } from "./types.ts";

/**
 * A value takes a character at least, and is read a few times at most: a document that has more of them than this for each
 * character has them from aliases of aliases. Short ones may have some.
 */
const VALUES_PER_CHARACTER = 8;
const SPARE_VALUES = 10_000;
/** Mappings merged into mappings that are merged. */
const MAX_MERGES = 10;
const MAX_FOUND = 60;
/** V8's SlicedString::kMinLength. */
const SHORTEST_PIECE = 13;

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
  readonly keyNode: YamlNode;
  readonly value: YamlNode;
}

/** A document that is being read: what was found wrong with it, and where its lines are. */
export class Reader {
  readonly diagnostics: InputDiagnostic[] = [];
  private readonly lines: Lines;
  private readonly linesBefore: number;
  private readonly file: string;
  private readonly mostValues: number;
  private values = 0;
  private exhausted = false;

  /** `text` and its `lines` come after `linesBefore` lines of the file. */
  constructor(text: string, lines: Lines, linesBefore: number, file: string) {
    this.lines = lines;
    this.linesBefore = linesBefore;
    this.file = file;
    this.mostValues = SPARE_VALUES + VALUES_PER_CHARACTER * text.length;
  }

  /** How many errors there are until now. */
  get errors(): number {
    return this.diagnostics.filter((d) => d.severity === "error").length;
  }

  placeOf(offset: number, path: string): Place {
    const { line, column } = this.lines.positionOf(offset);
    return { file: this.file, line: this.linesBefore + line, column, path };
  }

  report(code: InputCode, message: string, offset: number, path: string, more: More = {}): void {
    if (this.exhausted) return;
    const place = this.placeOf(offset, path);
    const text = this.lines.textOf(place.line - this.linesBefore);
    this.diagnostics.push(inputDiagnostic(code, message, place, text, more));
  }

  /** False once the document has grown beyond all measure; that is the last thing reported. */
  spend(value: Value): boolean {
    this.values++;
    if (this.values > this.mostValues && !this.exhausted) {
      value.report("Y023", `more than ${this.mostValues} values`);
      this.exhausted = true;
    }
    return !this.exhausted;
  }
}

export class Value {
  private readonly reader: Reader;
  /** Undefined: the value is missing, which has been reported; reads give stand-ins. */
  private readonly node: YamlNode | undefined;
  private readonly offset: number;
  /** What it lies in, and under which name or number there; paths are made of them when one is asked for. */
  private readonly parent: Value | null;
  private readonly step: string | number;

  /** `offset` is its place when it is missing. */
  constructor(reader: Reader, node: YamlNode | undefined, offset: number, parent: Value | null, step: string | number) {
    this.reader = reader;
    this.node = node;
    this.offset = node?.offset ?? offset;
    this.parent = parent;
    this.step = step;
  }

  get path(): string {
    return this.parent === null ? "" : joinPath(this.parent.path, this.step);
  }

  get place(): Place {
    return this.reader.placeOf(this.offset, this.path);
  }

  /** A stand-in for what is not there. */
  get isMissing(): boolean {
    return this.node === undefined;
  }

  get isMapping(): boolean {
    return this.node?.kind === "map";
  }

  get isEmptyList(): boolean {
    return this.node?.kind === "list" && this.node.items.length === 0;
  }

  get isNull(): boolean {
    return this.node?.kind === "scalar" && this.node.value === null;
  }

  report(code: InputCode, message: string, more: More = {}): void {
    if (this.node !== undefined) this.reader.report(code, message, this.offset, this.path, more);
  }

  string(): string {
    if (this.node?.kind === "scalar" && typeof this.node.value === "string") return detach(this.node.value);
    this.reportType("a string");
    return "";
  }

  boolean(): boolean {
    if (this.node?.kind === "scalar" && typeof this.node.value === "boolean") return this.node.value;
    this.reportType("true or false");
    return false;
  }

  /** A whole number from `least` to `most`. */
  integer(least: number, most: number): number {
    const value = this.node?.kind === "scalar" ? this.node.value : undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    this.reportType(`a whole number from ${least} to ${most}`);
    return least;
  }

  /** A string, or a whole number (Kubernetes' IntOrString). Numbers in another notation than decimal are none. */
  integerOrString(): number | string {
    if (this.node?.kind === "scalar") {
      const { value, source } = this.node;
      if (typeof value === "string") return detach(value);
      if (typeof value === "number" && /^(0|[1-9]\d*)$/.test(source)) return value;
    }
    this.reportType("a string or a whole number");
    return 1;
  }

  list(): readonly Value[] {
    if (this.node?.kind !== "list") {
      this.reportType("a list");
      return [];
    }
    const items: Value[] = [];
    for (const [index, item] of this.node.items.entries()) {
      if (!this.reader.spend(this)) return [];
      items.push(this.below(item, this.offset, index));
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
      const reason = table.refused !== undefined && Object.hasOwn(table.refused, key) ? table.refused[key] : undefined;
      if (table.read.includes(key)) {
        const field = this.below(value, keyNode.offset, key);
        if (!field.isNull) {
          found[key] = field;
        } else if (table.others === "refused") {
          this.below(keyNode, 0, key).report("Y004", "null is neither absent nor empty", NULL_FIELD);
          found[key] = this.below(undefined, keyNode.offset, key);
        }
      } else if (reason !== undefined) {
        const found = `field ${key}`;
        this.below(keyNode, 0, key).report("Y007", `this cannot be honoured: ${reason}`, { found });
      } else if (table.others === "refused" && table.skipped?.includes(key) !== true) {
        const expected = `one of ${table.read.join(", ")}`;
        this.below(keyNode, 0, key).report("Y003", `unknown field ${key}`, { expected, found: key });
      }
    }
    return found;
  }

  /** The field, or a stand-in when it is missing, which is reported at this mapping. */
  required(fields: Fields, name: string): Value {
    const field = fields[name];
    if (field !== undefined) return field;
    if (this.isMapping) {
      const path = joinPath(this.path, name);
      this.reader.report("Y005", "the field is missing", this.offset, path, { expected: `field ${name}` });
    }
    return this.below(undefined, this.offset, name);
  }

  /** A mapping of names to values, as labels are: all keys. */
  map(): readonly (readonly [key: string, value: Value, key: Value])[] {
    return this.entries().map(({ key, keyNode, value }) => {
      return [detach(key), this.below(value, keyNode.offset, key), this.below(keyNode, 0, key)] as const;
    });
  }

  private below(node: YamlNode | undefined, offset: number, step: string | number): Value {
    return new Value(this.reader, node, offset, this, step);
  }

  /** Names differ: both readers of YAML see to that. */
  private entries(): readonly Entry[] {
    if (this.node?.kind !== "map") {
      this.reportType("a mapping");
      return [];
    }
    const entries: Entry[] = [];
    this.collect(this.node, entries, 0);
    return entries;
  }

  /** Merge keys (`<<: *base`) add what the mapping itself has not. */
  private collect(map: YamlMap, entries: Entry[], depth: number): void {
    const merged: YamlNode[] = [];
    for (const { key, value } of map.pairs) {
      if (!this.reader.spend(this)) return;
      if (key.kind !== "scalar") {
        const more = { expected: "a string", found: describe(key) };
        this.reader.report("Y004", "a field's name is text", key.offset, this.path, more);
      } else if (key.value === "<<" && key.plain) {
        merged.push(value);
      } else {
        const name = typeof key.value === "string" ? key.value : key.source;
        if (depth === 0 || entries.every((entry) => entry.key !== name)) {
          entries.push({ key: name, keyNode: key, value });
        }
      }
    }
    for (const source of merged) this.merge(source, entries, depth);
  }

  private merge(source: YamlNode, entries: Entry[], depth: number): void {
    for (const map of source.kind === "list" ? source.items : [source]) {
      if (map.kind === "map" && depth < MAX_MERGES) this.collect(map, entries, depth + 1);
      else this.report("Y004", "<< takes a mapping", { expected: "an alias of a mapping", found: describe(map) });
    }
  }

  private reportType(expected: string): void {
    if (this.node !== undefined)
      this.report("Y004", `this is not ${expected}`, { expected, found: describe(this.node) });
  }
}

const NULL_FIELD: More = { expected: "a value", found: "null", remedy: "remove the field, or write [] or {}" };

/** `a.b`, and `a["b/c"]` for names that are no words. */
function joinPath(path: string, step: string | number): string {
  if (typeof step === "number") return `${path}[${step}]`;
  if (!/^[\w-]+$/.test(step)) return `${path}[${JSON.stringify(step)}]`;
  return path === "" ? step : `${path}.${step}`;
}

/** The same text on its own: a piece of a string keeps all of it in memory, which here is the whole file. Short ones V8 copies. */
function detach(text: string): string {
  return text.length < SHORTEST_PIECE ? text : Buffer.from(text, "utf8").toString("utf8");
}

function describe(node: YamlNode): string {
  if (node.kind !== "scalar") return node.kind === "map" ? "a mapping" : "a list";
  if (node.value === null) return "null";
  const text = typeof node.value === "string" ? JSON.stringify(node.value) : node.source;
  const short = text.length > MAX_FOUND ? `${text.slice(0, MAX_FOUND)}…` : text;
  return `${typeof node.value} ${short}`;
}
