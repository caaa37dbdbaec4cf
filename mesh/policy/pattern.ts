/**
 * RE2 patterns matched against whole strings in bounded time.
 *
 * re2js parses and compiles a pattern to a program of a few kinds of instructions; what is here runs that program as a lazy
 * DFA. A state is the set of instructions after a character (before assertions, which need the next character, are
 * resolved). Characters fall into classes that no instruction tells apart; state and class give the next state, made when
 * it is first needed. So a string costs one table look-up a character, and making states is the only thing that can be slow:
 * patterns exist of which every character of a hostile string makes a new one, of the whole program's size. That is what
 * the budget bounds: when the instructions looked at are more than it, the matcher gives up, which is not a match
 * (fail closed). A path of ordinary length is far from it whatever the pattern is.
 *
 * re2js' own DFA needs 1.7 s for `.*` repeated 30,000 times on 1 KB; JavaScript's RegExp 8.7 s for /^(a+)+$/ on 28 characters.
 */
import { RE2JS } from "re2js";

/** Characters of a pattern, and instructions of its program, that are accepted. A plain string may be of any length. */
const MAX_LENGTH = 16_384;
const MAX_PROGRAM = 10_000;
/** Instructions kept in states before they are forgotten: 4 bytes each. */
const MAX_KEPT = 200_000;
/** What a state costs beside its instructions, in instructions. */
const STATE_COST = 16;
/** Instructions that one request may look at while states are made: some milliseconds, and more than any accepted program. */
export const PATTERN_BUDGET = 25_000;

/** Work left for one request, shared by all its patterns. */
export interface Budget {
  left: number;
}

/** re2js' instruction codes, and its bits of assertions. */
const Op = {
  Alt: 1,
  AltMatch: 2,
  Capture: 3,
  Assert: 4,
  Fail: 5,
  Match: 6,
  Nop: 7,
  Rune: 8,
  Rune1: 9,
  Any: 10,
  AnyNotNewline: 11,
} as const;
const Assertion = { BeginLine: 1, EndLine: 2, BeginText: 4, EndText: 8, WordBoundary: 16, NoWordBoundary: 32 } as const;
const FOLD_CASE = 1;

/** The part of re2js' compiled form that is read here. */
interface Instruction {
  readonly op: number;
  readonly out: number;
  readonly arg: number;
  readonly runes: ArrayLike<number>;
}
interface Program {
  readonly inst: readonly Instruction[];
  readonly start: number;
}

interface State {
  /** Instructions reached, before assertions. */
  readonly kernel: Int32Array;
  /** Of the character before: word character, newline, or the beginning. */
  readonly before: number;
  /** By class of the next character. */
  readonly next: (State | undefined)[];
  /** At the end of the string; undefined: not asked yet. */
  accepts: boolean | undefined;
}

const Before = { Other: 0, Word: 1, Newline: 2, Start: 3 } as const;

/** What is wrong with a pattern, in re2js' words; null: nothing. */
export function checkPattern(pattern: string): string | null {
  try {
    if (!isLiteral(pattern)) compileProgram(pattern);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** One pattern. Throws an `Error` with re2js' message when it is not RE2 or too large. */
export class Pattern {
  readonly #literal: string | null;
  readonly #program: CompiledProgram | null;
  /** By hash of the kernel. */
  #states = new Map<number, State[]>();
  #kept = 0;
  #first: State | null = null;

  constructor(pattern: string) {
    this.#literal = isLiteral(pattern) ? pattern : null;
    this.#program = this.#literal === null ? new CompiledProgram(compileProgram(pattern)) : null;
  }

  /** Does the whole text match? Null: the budget ran out. */
  matches(text: string, budget: Budget): boolean | null {
    if (this.#program === null) return text === this.#literal;
    const program = this.#program;
    let state = (this.#first ??= this.#intern(Int32Array.of(program.start), Before.Start));
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      const found = unit < 256 ? program.classes[unit]! : program.classOf(unit);
      let next = state.next[found];
      if (next === undefined) {
        if (budget.left <= 0) return null;
        next = this.#step(state, found, budget);
        state.next[found] = next;
      }
      if (next.kernel.length === 0) return false;
      state = next;
    }
    if (state.accepts === undefined) {
      if (budget.left <= 0) return null;
      state.accepts = program.accepts(state, budget);
    }
    return state.accepts;
  }

  #step(state: State, found: number, budget: Budget): State {
    const program = this.#program!;
    const kernel = program.advance(state, found, budget);
    return this.#intern(kernel, program.kinds[found]!);
  }

  #intern(kernel: Int32Array, before: number): State {
    const hash = hashKernel(kernel, before);
    const known = this.#states.get(hash)?.find((state) => state.before === before && equals(state.kernel, kernel));
    if (known !== undefined) return known;
    if (this.#kept > MAX_KEPT) this.#forget();
    const state: State = { kernel, before, next: [], accepts: undefined };
    this.#states.set(hash, [...(this.#states.get(hash) ?? []), state]);
    this.#kept += kernel.length + STATE_COST;
    return state;
  }

  #forget(): void {
    this.#states = new Map();
    this.#kept = 0;
    this.#first = null;
  }
}

function hashKernel(kernel: Int32Array, before: number): number {
  let hash = before;
  for (const at of kernel) hash = (Math.imul(hash ^ at, 0x01000193) >>> 0) ^ (hash >>> 15);
  return hash;
}

function equals(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((at, index) => at === b[index]);
}

function compileProgram(pattern: string): Program {
  if (pattern.length > MAX_LENGTH) throw new Error(TOO_LARGE);
  const compiled = RE2JS.compile(pattern) as unknown as { readonly re2Input: { readonly prog: Program } };
  const program = compiled.re2Input.prog;
  if (program.inst.length > MAX_PROGRAM) throw new Error(TOO_LARGE);
  return program;
}

/** As re2js says it. */
const TOO_LARGE = "error parsing regexp: expression too large";

/** Without a character that means anything in RE2. */
function isLiteral(pattern: string): boolean {
  return /^[\w/\-~%:@&=,;! ]*$/.test(pattern);
}

/** The program in flat arrays, with the classes of characters that it tells apart. */
class CompiledProgram {
  readonly start: number;
  /** Class of each code unit below 256. */
  readonly classes: Uint16Array;
  /** Before.Other, Word or Newline by class. */
  readonly kinds: Uint8Array;
  readonly #ops: Uint8Array;
  readonly #out: Int32Array;
  readonly #arg: Int32Array;
  /** Ranges that an instruction takes, first and last by turns; shared between equal ones. */
  readonly #runes: (readonly number[] | undefined)[];
  /** First code unit of each class. */
  readonly #starts: readonly number[];
  /** Marks of the instructions of a closure. */
  readonly #seen: Int32Array;
  #mark = 0;

  constructor(program: Program) {
    const { inst } = program;
    this.start = program.start;
    this.#ops = Uint8Array.from(inst, (i) => i.op);
    this.#out = Int32Array.from(inst, (i) => i.out);
    this.#arg = Int32Array.from(inst, (i) => i.arg);
    this.#seen = new Int32Array(inst.length);
    const shared = new Map<string, readonly number[]>();
    this.#runes = inst.map((i) => readRunes(i, shared));
    this.#starts = findBoundaries(shared.values());
    this.classes = Uint16Array.from({ length: 256 }, (_, unit) => this.classOf(unit));
    this.kinds = Uint8Array.from(this.#starts, kindOf);
  }

  classOf(unit: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= unit) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The instructions behind one character of a class. */
  advance(state: State, found: number, budget: Budget): Int32Array {
    const unit = this.#starts[found]!;
    const closed = this.#close(state, this.kinds[found]!, false, budget);
    const mark = ++this.#mark;
    const reached: number[] = [];
    for (const at of closed) {
      const runes = this.#runes[at];
      const out = this.#out[at]!;
      if (runes === undefined || this.#seen[out] === mark || !includes(runes, unit)) continue;
      this.#seen[out] = mark;
      reached.push(out);
    }
    budget.left -= STATE_COST;
    return Int32Array.from(reached).sort();
  }

  accepts(state: State, budget: Budget): boolean {
    return this.#close(state, Before.Other, true, budget).some((at) => this.#ops[at] === Op.Match);
  }

  /** What is reached without a character, given what comes before and behind. */
  #close(state: State, behind: number, end: boolean, budget: Budget): number[] {
    const holds = assertionsBetween(state.before, behind, end);
    const mark = ++this.#mark;
    const closed: number[] = [];
    const pending = Array.from(state.kernel);
    let at: number | undefined;
    while ((at = pending.pop()) !== undefined) {
      if (this.#seen[at] === mark) continue;
      this.#seen[at] = mark;
      budget.left--;
      switch (this.#ops[at]) {
        case Op.Alt:
        case Op.AltMatch:
          pending.push(this.#arg[at]!, this.#out[at]!);
          break;
        case Op.Capture:
        case Op.Nop:
          pending.push(this.#out[at]!);
          break;
        case Op.Assert:
          if ((this.#arg[at]! & ~holds) === 0) pending.push(this.#out[at]!);
          break;
        case Op.Fail:
          break;
        default:
          closed.push(at);
      }
    }
    return closed;
  }
}

/** Inclusive ranges of code units that an instruction consumes; undefined: it consumes nothing. */
function readRunes(instruction: Instruction, shared: Map<string, readonly number[]>): readonly number[] | undefined {
  const ranges = rangesOf(instruction);
  if (ranges === undefined) return undefined;
  const key = ranges.join();
  const known = shared.get(key);
  if (known !== undefined) return known;
  shared.set(key, ranges);
  return ranges;
}

function rangesOf({ op, arg, runes }: Instruction): readonly number[] | undefined {
  switch (op) {
    case Op.Any:
      return [0, 0x10ffff];
    case Op.AnyNotNewline:
      return [0, 9, 11, 0x10ffff];
    case Op.Rune1:
    case Op.Rune: {
      const list = Array.from(runes);
      if (list.length !== 1) return list;
      const only = list[0]!;
      return (arg & FOLD_CASE) === 0 ? [only, only] : foldedRanges(only);
    }
    default:
      return undefined;
  }
}

/** A letter that stands for all its cases: all characters that its program takes. */
function foldedRanges(rune: number): readonly number[] {
  const text = String.fromCodePoint(rune);
  const cases = new Set([text, text.toLowerCase(), text.toUpperCase()]);
  // The two folds of Unicode that reach ASCII letters: KELVIN SIGN and LATIN SMALL LETTER LONG S.
  if (/k/i.test(text)) cases.add("\u212a");
  if (/s/i.test(text)) cases.add("\u017f");
  return [...cases]
    .map((one) => one.codePointAt(0)!)
    .toSorted((a, b) => a - b)
    .flatMap((one) => [one, one]);
}

function includes(ranges: readonly number[], unit: number): boolean {
  for (let at = 0; at < ranges.length; at += 2) {
    if (unit < ranges[at]!) return false;
    if (unit <= ranges[at + 1]!) return true;
  }
  return false;
}

/** Word characters and the newline are told apart too, for assertions. */
const KIND_BOUNDARIES = [0, 10, 11, 0x30, 0x3a, 0x41, 0x5b, 0x5f, 0x60, 0x61, 0x7b];

function findBoundaries(sets: Iterable<readonly number[]>): readonly number[] {
  const starts = new Set(KIND_BOUNDARIES);
  for (const ranges of sets) {
    for (let at = 0; at < ranges.length; at += 2) {
      starts.add(ranges[at]!);
      starts.add(ranges[at + 1]! + 1);
    }
  }
  return [...starts].filter((unit) => unit <= 0xffff).toSorted((a, b) => a - b);
}

function kindOf(unit: number): number {
  if (unit === 10) return Before.Newline;
  return /\w/.test(String.fromCharCode(unit)) ? Before.Word : Before.Other;
}

function assertionsBetween(before: number, behind: number, end: boolean): number {
  let holds = 0;
  if (before === Before.Start) holds |= Assertion.BeginText | Assertion.BeginLine;
  if (before === Before.Newline) holds |= Assertion.BeginLine;
  if (end) holds |= Assertion.EndText | Assertion.EndLine;
  if (!end && behind === Before.Newline) holds |= Assertion.EndLine;
  const wordBehind = !end && behind === Before.Word;
  return holds | ((before === Before.Word) === wordBehind ? Assertion.NoWordBoundary : Assertion.WordBoundary);
}
