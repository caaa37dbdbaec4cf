/**
 * What compiled code and the host say to each other, in the first page of memory, which no program can reach (a pointer
 * near zero is a null pointer). Numbers in memory cost less than arguments: a 64-bit argument is a bigint.
 *
 *   registers  r0 to r9, 8 bytes each: arguments and results of functions of the host; all of them when compiled code
 *              leaves off in the middle
 *   left       i64: instructions that may still be executed
 *   site       i32: where it is, an index of the program's sites
 *   depth      i32: frames above the current one
 *   mayGoto    i32: turns that may_goto still allows
 *   frames     i32 each: the address of the stack of each frame
 *   limit      i64: what `left` starts at in each run of a batch
 *   total      i64: instructions executed in the runs of a batch that have ended
 *   index      i32: which run of a batch is going on
 *   inlined    for each activation around an inlined one: i32 where the call returns to, and r6 to r9
 *   arguments  a ring of u32 pairs: r1 and r2 of the runs of a batch
 *   results    a ring of i64: their r0
 */
import { RING } from "../engine.ts";
import type { Outer } from "../cpu.ts";
import type { Memory } from "../memory.ts";

// prettier-ignore
export const STATE = {
  registers: 0x100, left: 0x160, site: 0x168, depth: 0x16c, mayGoto: 0x170, frames: 0x180,
  limit: 0x1a0, total: 0x1a8, index: 0x1b0,
  inlined: { start: 0x200, size: 40 }, arguments: 0x1000, results: 0x5000,
} as const;

/** The state as the host sees it, one for each memory. */
export class State {
  private static readonly known = new WeakMap<Memory, State>();
  /** Runs that are going on, one within the other. */
  private runs = 0;
  readonly registers: BigUint64Array;
  /** Pairs of r1 and r2. */
  readonly arguments: Uint32Array;
  readonly results: BigUint64Array;
  private readonly counter: BigInt64Array;
  private readonly memory: BigInt64Array;
  private readonly batch: BigInt64Array;
  private readonly words: Int32Array;

  static of(memory: Memory): State {
    const state = State.known.get(memory) ?? new State(memory);
    State.known.set(memory, state);
    return state;
  }

  private constructor(memory: Memory) {
    const { buffer } = memory.wasm;
    this.registers = new BigUint64Array(buffer, STATE.registers, 11);
    this.memory = new BigInt64Array(buffer, 0, STATE.arguments / 8);
    this.counter = new BigInt64Array(buffer, STATE.left, 1);
    this.batch = new BigInt64Array(buffer, STATE.limit, 2);
    this.words = new Int32Array(buffer, 0, STATE.arguments / 4);
    this.arguments = new Uint32Array(buffer, STATE.arguments, 2 * RING);
    this.results = new BigUint64Array(buffer, STATE.results, RING);
  }

  get left(): number {
    return Number(this.counter[0]);
  }
  set left(value: number) {
    this.counter[0] = BigInt(value);
  }
  get site(): number {
    return this.word(STATE.site);
  }
  get depth(): number {
    return this.word(STATE.depth);
  }
  set depth(value: number) {
    this.words[STATE.depth / 4] = value;
  }
  get mayGoto(): number {
    return this.word(STATE.mayGoto);
  }
  set mayGoto(value: number) {
    this.words[STATE.mayGoto / 4] = value;
  }
  /** Addresses of the frames' stacks, a word each. */
  setFrames(addresses: Int32Array): void {
    this.words.set(addresses, STATE.frames / 4);
  }

  /**
   * Enters a run or a batch: when it is within another one, which may be of another engine on this memory, gives what
   * brings the state back afterwards.
   */
  enter(): (() => void) | null {
    if (this.runs++ === 0) return null;
    const [words, ring, results] = [this.words.slice(), this.arguments.slice(), this.results.slice()];
    return () => {
      this.words.set(words);
      this.arguments.set(ring);
      this.results.set(results);
    };
  }
  exit(restore: (() => void) | null): void {
    this.runs--;
    restore?.();
  }

  /** Of a batch. */
  get index(): number {
    return this.word(STATE.index);
  }
  set limit(value: number) {
    this.batch[0] = BigInt(value);
  }
  get total(): number {
    return Number(this.batch[1]);
  }
  set total(value: number) {
    this.batch[1] = BigInt(value);
  }

  /** Activations around the inlined one that was left, the outermost first. */
  inlined(count: number): Outer[] {
    const { start, size } = STATE.inlined;
    return Array.from({ length: count }, (_, i) => {
      const at = start + size * i;
      return { returnTo: this.word(at), saved: this.memory.slice(at / 8 + 1, at / 8 + 5) };
    });
  }

  private word(at: number): number {
    return this.words[at / 4] ?? 0;
  }
}
