/**
 * A quick reader of plain YAML: one document of block and flow collections with scalars on one line each.
 *
 *   metadata:                      a block map, entries at one column
 *     name: p
 *   spec:
 *     ingress:
 *     - fromEndpoints: [{}]        a block list, its dash at the column of the key or deeper; flow collections
 *       toPorts:                   the map goes on at the column after the dash
 *
 * It is never wrong rather than complete: anything else, and anything that might be an error, makes it give up, and the library
 * reads the text. So it has no errors of its own. Not known here: anchors, aliases, tags, block scalars, scalars over several
 * lines, values that are left out, keys given twice, tabs, numbers but decimal ones, directives, a second document.
 */
import type { YamlList, YamlMap, YamlNode, YamlPair, YamlScalar } from "./node.ts";

/** Deeper is for the library to judge. */
const MAX_DEPTH = 64;
/** Of a key on one line, YAML 1.2 §7.4.2 says 1024; well below it. */
const MAX_KEY = 512;

/** What no plain YAML has anywhere: tabs, carriage returns and other controls, marks of byte order, odd line ends. */
// oxlint-disable-next-line no-control-regex
const ODD = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]/;
const START = /^---[ ]*(?:#.*)?\n/;

const SPACE = 0x20;
const LINE_END = 0x0a;
const HASH = 0x23;
const DASH = 0x2d;
const COLON = 0x3a;
const COMMA = 0x2c;
const DOUBLE = 0x22;
const SINGLE = 0x27;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
const END = -1;

/** First characters that plain scalars do not have (YAML 1.2 §5.3), and some that they rarely have. */
const INDICATORS = new Set([...",[]{}#&*!|>'\"%@`?:-=<"].map((c) => c.charCodeAt(0)));
/** Numbers, and what looks like one; `source` decides. */
const NUMBER = /^[-+.]?[\d.]/;
const DECIMAL = /^(?:0|[1-9]\d{0,14})$/;
/** More digits and dots than any number has: addresses, versions. */
const DOTTED = /^\d+\.\d+\.[\d./]+$/;
const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["True", true],
  ["TRUE", true],
  ["false", false],
  ["False", false],
  ["FALSE", false],
  ["null", null],
  ["Null", null],
  ["NULL", null],
  ["~", null],
]);

/** Thrown and caught in this file only. */
class GiveUp extends Error {}
const GIVE_UP = new GiveUp("not plain YAML");

/** The document; null: it is not plain, and says nothing about whether it is YAML. */
export function readPlainYaml(text: string): YamlNode | null {
  if (ODD.test(text)) return null;
  const [start = ""] = START.exec(text) ?? [];
  try {
    return new PlainReader(text, start.length).readDocument();
  } catch (error) {
    if (error instanceof GiveUp) return null;
    throw error;
  }
}

class PlainReader {
  private readonly text: string;
  /** Of the next character. */
  private at: number;
  /** Of the line that `at` is in. */
  private lineStart: number;
  private depth = 0;

  constructor(text: string, at: number) {
    this.text = text;
    this.at = at;
    this.lineStart = at;
  }

  readDocument(): YamlNode {
    const column = this.toContent();
    const root = this.readBlock(column);
    if (root.kind === "scalar" || this.toContent() !== END) throw GIVE_UP;
    return root;
  }

  /** To the next line that has content, at whose first character it stands then; its column, or END. */
  private toContent(): number {
    for (;;) {
      while (this.code() === SPACE) this.at++;
      const code = this.code();
      if (code === HASH) this.toLineEnd();
      else if (code === END) return END;
      else if (code !== LINE_END) return this.checkMarker();
      if (this.code() === LINE_END) this.newLine();
    }
  }

  /** `---` and `...` at a line's start are a document's bounds. */
  private checkMarker(): number {
    const column = this.at - this.lineStart;
    if (column === 0 && /^(?:---|\.\.\.)/.test(this.text.slice(this.at, this.at + 3))) throw GIVE_UP;
    return column;
  }

  /** A collection whose entries start at the column where it stands. */
  private readBlock(column: number): YamlNode {
    if (++this.depth > MAX_DEPTH || column === END) throw GIVE_UP;
    const code = this.code();
    const node = this.isDash()
      ? this.readBlockList(column)
      : code === OPEN_LIST || code === OPEN_MAP
        ? this.readRootFlow(column)
        : this.readBlockMap(column);
    this.depth--;
    return node;
  }

  /** A flow collection on lines of its own; a key cannot be one here. */
  private readRootFlow(column: number): YamlNode {
    const node = this.readFlow(column - 1);
    this.endLine();
    return node;
  }

  private readBlockList(column: number): YamlList {
    const offset = this.at;
    const items: YamlNode[] = [];
    let next = column;
    while (next === column && this.isDash()) {
      this.at++;
      items.push(this.readEntry(column, this.at - 1));
      next = this.toContent();
    }
    this.checkNext(next, column);
    return { kind: "list", offset, items };
  }

  /** After a dash: a value on the line, a collection that starts on the line, or one on the next lines, which is deeper. */
  private readEntry(column: number, dash: number): YamlNode {
    this.skipSpaces();
    const code = this.code();
    if (code === LINE_END || code === HASH) {
      this.endLine();
      const next = this.toContent();
      if (next <= column) throw GIVE_UP;
      return this.readNested(next);
    }
    if (this.at === dash + 1) throw GIVE_UP;
    if (this.isDash() || this.isKey()) return this.readBlock(this.at - this.lineStart);
    return this.readInline(column);
  }

  /** What stands on lines of its own, below a key or dash. */
  private readNested(column: number): YamlNode {
    const code = this.code();
    if (this.isDash() || code === OPEN_LIST || code === OPEN_MAP || this.isKey()) return this.readBlock(column);
    throw GIVE_UP;
  }

  private readBlockMap(column: number): YamlMap {
    const offset = this.at;
    const pairs: YamlPair[] = [];
    const names = new Set<string>();
    let next = column;
    while (next === column) {
      if (!this.isKey()) throw GIVE_UP;
      const key = this.readKey(names);
      pairs.push({ key, value: this.readValue(column) });
      next = this.toContent();
    }
    this.checkNext(next, column);
    return { kind: "map", offset, pairs };
  }

  /** After the colon. */
  private readValue(column: number): YamlNode {
    this.skipSpaces();
    const code = this.code();
    if (code !== LINE_END && code !== HASH) return this.readInline(column);
    this.endLine();
    const next = this.toContent();
    // A list may have its dashes right below the key.
    if (next < column || (next === column && !this.isDash())) throw GIVE_UP;
    return this.readNested(next);
  }

  /** What comes after a collection has to be further left than it. */
  private checkNext(next: number, column: number): void {
    if (next > column) throw GIVE_UP;
  }

  /** A scalar or flow collection, and nothing after it on its line. `column`: of the block it lies in. */
  private readInline(column: number): YamlNode {
    const code = this.code();
    const node =
      code === OPEN_LIST || code === OPEN_MAP
        ? this.readFlow(column)
        : code === DOUBLE || code === SINGLE
          ? this.readQuoted()
          : this.readBlockPlain();
    this.endLine();
    if (node.kind === "scalar" && node.plain) this.checkNoContinuation(column);
    return node;
  }

  /** A plain scalar goes on in the next line when that is deeper. */
  private checkNoContinuation(column: number): void {
    const { at, lineStart } = this;
    const next = this.toContent();
    if (next > column) throw GIVE_UP;
    this.at = at;
    this.lineStart = lineStart;
  }

  /** To the end of the line, on which only a comment may be left. */
  private endLine(): void {
    const before = this.at;
    this.skipSpaces();
    const code = this.code();
    if (code === HASH && this.at > before) this.toLineEnd();
    else if (code === HASH && before > this.lineStart && this.text.charCodeAt(before - 1) === SPACE) this.toLineEnd();
    if (this.code() === LINE_END) this.newLine();
    else if (this.code() !== END) throw GIVE_UP;
  }

  /** Is there a key, up to its colon, on this line? */
  private isKey(): boolean {
    const { at } = this;
    const code = this.code();
    let found = false;
    if (code === DOUBLE || code === SINGLE) {
      this.readQuoted();
      found = this.code() === COLON && this.isSpaceAt(this.at + 1);
    } else if (!INDICATORS.has(code)) {
      this.readPlainSource(false);
      found = this.code() === COLON;
    }
    this.at = at;
    return found;
  }

  private readKey(names: Set<string>): YamlScalar {
    const start = this.at;
    const key = this.code() === DOUBLE || this.code() === SINGLE ? this.readQuoted() : this.readPlain(false);
    // `key :` is a key too, and rare.
    if (this.code() !== COLON || this.at - start > MAX_KEY) throw GIVE_UP;
    this.at++;
    this.checkName(key, names);
    return key;
  }

  /** Names are text here, and different. */
  private checkName({ value, plain }: YamlScalar, names: Set<string>): void {
    if (typeof value !== "string" || names.has(value) || (plain && value === "<<")) throw GIVE_UP;
    names.add(value);
  }

  private readBlockPlain(): YamlScalar {
    const scalar = this.readPlain(false);
    if (this.code() === COLON) throw GIVE_UP;
    return scalar;
  }

  private readPlain(inFlow: boolean): YamlScalar {
    const offset = this.at;
    if (INDICATORS.has(this.code())) throw GIVE_UP;
    const source = this.readPlainSource(inFlow);
    return { kind: "scalar", offset, value: valueOf(source), source, plain: true };
  }

  /** Up to `: `, ` #` or the line's end, and in flow collections up to their punctuation; without spaces at its end. */
  private readPlainSource(inFlow: boolean): string {
    const start = this.at;
    let end = start;
    for (; ; this.at++) {
      const code = this.code();
      if (code === END || code === LINE_END) break;
      if (code === COLON && (this.isSpaceAt(this.at + 1) || (inFlow && isFlowMark(this.text.charCodeAt(this.at + 1)))))
        break;
      if (code === HASH && this.at > end) break;
      if (inFlow && isFlowMark(code)) break;
      if (code !== SPACE) end = this.at + 1;
    }
    // A colon after spaces, and in flow collections a question that is left to the library.
    if (this.code() === COLON && this.at > end) throw GIVE_UP;
    this.at = end;
    if (end === start) throw GIVE_UP;
    return this.text.slice(start, end);
  }

  private readQuoted(): YamlScalar {
    return this.code() === DOUBLE ? this.readDouble() : this.readSingle();
  }

  /** With the escapes that JSON has as well. */
  private readDouble(): YamlScalar {
    const offset = this.at;
    let escaped = false;
    for (this.at++; this.code() !== DOUBLE; this.at++) {
      if (this.code() === END || this.code() === LINE_END) throw GIVE_UP;
      if (this.code() === 0x5c) {
        escaped = true;
        this.at++;
      }
    }
    this.at++;
    const source = this.text.slice(offset + 1, this.at - 1);
    return { kind: "scalar", offset, value: escaped ? unescape(source) : source, source, plain: false };
  }

  private readSingle(): YamlScalar {
    const offset = this.at;
    for (this.at++; ; this.at++) {
      const code = this.code();
      if (code === END || code === LINE_END) throw GIVE_UP;
      if (code === SINGLE && this.text.charCodeAt(this.at + 1) === SINGLE) this.at++;
      else if (code === SINGLE) break;
    }
    this.at++;
    const source = this.text.slice(offset + 1, this.at - 1).replaceAll("''", "'");
    return { kind: "scalar", offset, value: source, source, plain: false };
  }

  /** A flow collection; lines that it goes on in are deeper than the block that it lies in, at `column`. */
  private readFlow(column: number): YamlNode {
    if (++this.depth > MAX_DEPTH) throw GIVE_UP;
    const node = this.code() === OPEN_LIST ? this.readFlowList(column) : this.readFlowMap(column);
    this.depth--;
    return node;
  }

  private readFlowList(column: number): YamlList {
    const offset = this.at++;
    const items: YamlNode[] = [];
    while (this.toFlowContent(column) !== CLOSE_LIST) {
      if (items.length > 0) this.readComma(column);
      items.push(this.readFlowValue(column));
      const code = this.toFlowContent(column);
      if (code !== COMMA && code !== CLOSE_LIST) throw GIVE_UP;
    }
    this.at++;
    return { kind: "list", offset, items };
  }

  private readFlowMap(column: number): YamlMap {
    const offset = this.at++;
    const pairs: YamlPair[] = [];
    const names = new Set<string>();
    while (this.toFlowContent(column) !== CLOSE_MAP) {
      if (pairs.length > 0) this.readComma(column);
      const key = this.readFlowKey(names);
      this.toFlowContent(column);
      pairs.push({ key, value: this.readFlowValue(column) });
      const code = this.toFlowContent(column);
      if (code !== COMMA && code !== CLOSE_MAP) throw GIVE_UP;
    }
    this.at++;
    return { kind: "map", offset, pairs };
  }

  /** A comma has something after it. */
  private readComma(column: number): void {
    if (this.code() !== COMMA) throw GIVE_UP;
    this.at++;
    const code = this.toFlowContent(column);
    if (code === COMMA || code === CLOSE_LIST || code === CLOSE_MAP) throw GIVE_UP;
  }

  private readFlowKey(names: Set<string>): YamlScalar {
    const start = this.at;
    const quoted = this.code() === DOUBLE || this.code() === SINGLE;
    const key = quoted ? this.readQuoted() : this.readPlain(true);
    // JSON has no space after the colon.
    const hasColon = this.code() === COLON && (quoted || this.isSpaceAt(this.at + 1));
    if (!hasColon || this.at - start > MAX_KEY) throw GIVE_UP;
    this.at++;
    this.checkName(key, names);
    return key;
  }

  private readFlowValue(column: number): YamlNode {
    const code = this.code();
    if (code === OPEN_LIST || code === OPEN_MAP) return this.readFlow(column);
    if (code === DOUBLE || code === SINGLE) return this.readQuoted();
    return this.readPlain(true);
  }

  /** Over spaces, comments and lines to the next character that counts, which it gives. */
  private toFlowContent(column: number): number {
    const lineBefore = this.lineStart;
    for (;;) {
      this.skipSpaces();
      const code = this.code();
      if (code === LINE_END) this.newLine();
      else if (code === HASH && this.text.charCodeAt(this.at - 1) === SPACE) this.toLineEnd();
      else if (code === END || code === HASH) throw GIVE_UP;
      else break;
    }
    if (this.lineStart !== lineBefore && this.at - this.lineStart <= column) throw GIVE_UP;
    return this.code();
  }

  private isDash(): boolean {
    return this.code() === DASH && this.isSpaceAt(this.at + 1);
  }

  private isSpaceAt(at: number): boolean {
    const code = at < this.text.length ? this.text.charCodeAt(at) : LINE_END;
    return code === SPACE || code === LINE_END;
  }

  private skipSpaces(): void {
    while (this.code() === SPACE) this.at++;
  }

  private toLineEnd(): void {
    const end = this.text.indexOf("\n", this.at);
    this.at = end === -1 ? this.text.length : end;
  }

  private newLine(): void {
    this.at++;
    this.lineStart = this.at;
  }

  /** Of the next character; END after the last. */
  private code(): number {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : END;
  }
}

function isFlowMark(code: number): boolean {
  return code === COMMA || code === OPEN_LIST || code === CLOSE_LIST || code === OPEN_MAP || code === CLOSE_MAP;
}

/** Of a plain scalar, by the core schema; what might be a number in another notation is not for here. */
function valueOf(source: string): YamlScalar["value"] {
  const word = WORDS.get(source);
  if (word !== undefined) return word;
  if (!NUMBER.test(source) || DOTTED.test(source)) return source;
  if (DECIMAL.test(source)) return Number(source);
  throw GIVE_UP;
}

function unescape(source: string): string {
  try {
    return JSON.parse(`"${source}"`) as string;
  } catch {
    throw GIVE_UP;
  }
}
