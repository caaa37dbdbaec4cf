/**
 * Liveness of stack slots: which slots may still be read. Not known before the walk, as pointers to the stack may go anywhere,
 * so the walk says which slots each instruction reads and surely writes, and live slots follow from that by data flow.
 *
 * Facts are kept by chain of callers and instruction: a function that is called from two places, or with other callers above
 * it, may touch other slots of its callers. Reads only grow; slots that are surely written only shrink. An instance of a
 * function is solved again when its facts changed, at the end of a path and when a function returns, and what it does to
 * slots of its callers becomes facts of the call in the caller's instance.
 */
import type { Env } from "../env.ts";
import type { Program, Subprogram } from "../program/program.ts";
import type { Frame, State } from "../state/index.ts";

/** Words per instruction of a frame's facts; each mask of 64 slots takes two. */
const READ = 0;
const WRITTEN = 2;
const WRITTEN_LATER = 4;
const LIVE = 6;
const WORDS = 8;

/** A function as called by one chain of callers. */
class Instance {
  readonly subprogram: Subprogram;
  readonly caller: Instance | null;
  readonly callSite: number;
  readonly depth: number;
  /** By frame number: facts of that frame's slots by instruction; null when none is touched. */
  readonly frames: (Int32Array | null)[];
  /** 1 for instructions whose writes are known. */
  readonly writesKnown: Uint8Array;
  readonly callees = new Map<number, Instance>();
  /** Slots whose own facts changed since the instance was solved. */
  readonly changed: number[] = [];
  /** A slot is no longer surely written: what is written later has to be found anew. */
  shrunk = false;

  constructor(subprogram: Subprogram, caller: Instance | null, callSite: number) {
    this.subprogram = subprogram;
    this.caller = caller;
    this.callSite = callSite;
    this.depth = caller === null ? 0 : caller.depth + 1;
    this.frames = Array.from<Int32Array | null>({ length: this.depth + 1 }).fill(null);
    this.writesKnown = new Uint8Array(subprogram.end - subprogram.start);
  }

  factsOf(frame: number): Int32Array {
    return (this.frames[frame] ??= new Int32Array(this.writesKnown.length * WORDS));
  }

  /** Slots 0 to 31 of a frame that are live before an instruction, or 32 to 63 (`half` 1): a bit each. */
  liveAt(frame: number, at: number, half: number): number {
    const facts = this.frames[frame];
    return facts === null || facts === undefined
      ? 0
      : (facts[(at - this.subprogram.start) * WORDS + LIVE + half] as number);
  }
}

export class StackLiveness {
  readonly #program: Program;
  readonly #roots = new Map<number, Instance>();
  /** The instance of the frame being walked, looked up again when the frame is another. */
  #frame: Frame | null = null;
  #instance: Instance | null = null;
  /** The instruction whose writes are being collected, -1 for none; and the slots of each frame that it wrote. */
  #writing = -1;
  readonly #written = new Int32Array(2 * MAX_FRAMES);

  constructor(program: Program) {
    this.#program = program;
  }

  /** Begins an instruction: the writes of the one before are complete. */
  start(env: Env): void {
    if (this.#writing !== -1) this.#commit();
    const { slot } = env;
    if (this.#program.mayWriteStack[slot] === 1) {
      this.#use(env.state);
      this.#writing = slot;
    }
  }

  read(env: Env, frame: number, slot: number): void {
    if (slot >= 64) return;
    const instance = this.#use(env.state);
    const facts = instance.factsOf(frame);
    const word = (env.slot - instance.subprogram.start) * WORDS + (slot >> 5);
    const bit = 1 << (slot & 31);
    if (((facts[word + READ] as number) & bit) !== 0) return;
    facts[word + READ] = (facts[word + READ] as number) | bit;
    if (((facts[word + LIVE] as number) & bit) === 0) instance.changed.push(env.slot);
  }

  write(frame: number, slot: number): void {
    if (slot >= 64) return;
    const word = frame * 2 + (slot >> 5);
    this.#written[word] = (this.#written[word] as number) | (1 << (slot & 31));
  }

  /** At the end of a path, and before a function returns: solves what changed in the chain of the state's callers. */
  update(state: State): void {
    if (this.#writing !== -1) this.#commit();
    this.#frame = null;
    for (let at: Instance | null = this.#find(state, state.frames.length - 1); at !== null; at = at.caller) {
      if (at.changed.length > 0) this.#solve(at);
    }
  }

  /** Asks which slots are live at the slot of a stored state. */
  query(state: State): LiveSlots {
    return new LiveSlots(this.#program, state, this.#find(state, state.frames.length - 1));
  }

  #use(state: State): Instance {
    const frame = state.frames[state.frames.length - 1] as Frame;
    if (frame !== this.#frame || this.#instance === null) {
      this.#frame = frame;
      this.#instance = this.#find(state, state.frames.length - 1);
    }
    return this.#instance;
  }

  #find(state: State, number: number): Instance {
    const root = state.frames[0] as Frame;
    let instance = this.#roots.get(root.subprogram);
    if (instance === undefined) {
      instance = new Instance(this.#subprogram(root), null, -1);
      this.#roots.set(root.subprogram, instance);
    }
    for (let i = 1; i <= number; i += 1) {
      const frame = state.frames[i] as Frame;
      const key = frame.callSite * MAX_SUBPROGRAMS + frame.subprogram;
      let callee: Instance | undefined = instance.callees.get(key);
      if (callee === undefined) {
        callee = new Instance(this.#subprogram(frame), instance, frame.callSite);
        instance.callees.set(key, callee);
      }
      instance = callee;
    }
    return instance;
  }

  #subprogram(frame: Frame): Subprogram {
    return this.#program.subprograms[frame.subprogram] as Subprogram;
  }

  #commit(): void {
    if (this.#instance !== null) this.#commitTo(this.#instance, this.#writing);
    this.#written.fill(0);
    this.#writing = -1;
  }

  /** Only slots that an instruction writes each time it is walked are surely written. */
  #commitTo(instance: Instance, slot: number): void {
    const at = slot - instance.subprogram.start;
    const known = instance.writesKnown[at] === 1;
    for (let frame = 0; frame <= instance.depth; frame += 1) {
      const low = this.#written[frame * 2] as number;
      const high = this.#written[frame * 2 + 1] as number;
      if ((low | high) === 0 && !known) continue;
      const facts = instance.factsOf(frame);
      narrow(instance, facts, slot, 0, low, known);
      narrow(instance, facts, slot, 1, high, known);
    }
    instance.writesKnown[at] = 1;
  }

  #solve(instance: Instance): void {
    for (const facts of instance.frames) {
      if (facts === null) continue;
      if (instance.shrunk) this.#solveAll(instance, facts);
      else for (const slot of instance.changed) this.#spread(instance, facts, slot);
    }
    instance.changed.length = 0;
    instance.shrunk = false;
    if (instance.caller !== null) this.#tellCaller(instance, instance.caller);
  }

  /** From anew: what was written later may no longer be. */
  #solveAll(instance: Instance, facts: Int32Array): void {
    for (let word = WRITTEN_LATER; word < facts.length; word += WORDS) {
      facts[word] = 0;
      facts[word + 1] = 0;
    }
    const order = this.#program.flow.postorder[instance.subprogram.index] as Int32Array;
    for (let changed = true; changed;) {
      changed = false;
      for (const slot of order) if (this.#step(instance, facts, slot)) changed = true;
    }
  }

  /** What changed at one slot, to all that lead there. */
  #spread(instance: Instance, facts: Int32Array, from: number): void {
    const { firstBefore, before } = this.#program.flow;
    const waiting = [from];
    for (let slot = waiting.pop(); slot !== undefined; slot = waiting.pop()) {
      if (!this.#step(instance, facts, slot)) continue;
      const end = firstBefore[slot + 1] as number;
      for (let i = firstBefore[slot] as number; i < end; i += 1) waiting.push(before[i] as number);
    }
  }

  /** One instruction of the data flow; true when something changed. */
  #step(instance: Instance, facts: Int32Array, slot: number): boolean {
    const { flow } = this.#program;
    const next = flow.next[slot] as number;
    const target = flow.target[slot] as number;
    if (next < 0 && target < 0) return false;
    const { start } = instance.subprogram;
    const at = (slot - start) * WORDS;
    const a = ((next < 0 ? target : next) - start) * WORDS;
    const b = ((target < 0 ? next : target) - start) * WORDS;
    let changed = false;
    for (let half = 0; half < 2; half += 1) {
      const after = (facts[a + LIVE + half] as number) | (facts[b + LIVE + half] as number);
      const written = facts[at + WRITTEN + half] as number;
      const live = (after & ~written) | (facts[at + READ + half] as number);
      const later = (facts[a + WRITTEN_LATER + half] as number) & (facts[b + WRITTEN_LATER + half] as number);
      const surely = later | written;
      if (live === facts[at + LIVE + half] && surely === facts[at + WRITTEN_LATER + half]) continue;
      facts[at + LIVE + half] = live;
      facts[at + WRITTEN_LATER + half] = surely;
      changed = true;
    }
    return changed;
  }

  /** What a function does to slots of its callers, from its first instruction on, is what the call does. */
  #tellCaller(instance: Instance, caller: Instance): void {
    const at = (instance.callSite - caller.subprogram.start) * WORDS;
    this.#written.fill(0);
    for (let frame = 0; frame < instance.depth; frame += 1) {
      const facts = instance.frames[frame];
      if (facts === null || facts === undefined) continue;
      const outer = caller.factsOf(frame);
      for (let half = 0; half < 2; half += 1) {
        this.#written[frame * 2 + half] = facts[WRITTEN_LATER + half] as number;
        const read = (outer[at + READ + half] as number) | (facts[LIVE + half] as number);
        if ((read & ~(outer[at + LIVE + half] as number) & ~(outer[at + READ + half] as number)) !== 0) {
          caller.changed.push(instance.callSite);
        }
        outer[at + READ + half] = read;
      }
    }
    this.#commitTo(caller, instance.callSite);
    this.#written.fill(0);
  }
}

/** Notes which slots of one half of a frame an instruction wrote this time. */
// prettier-ignore
function narrow(instance: Instance, facts: Int32Array, slot: number, half: number, mask: number, known: boolean): void {
  const word = (slot - instance.subprogram.start) * WORDS + WRITTEN + half;
  const old = facts[word] as number;
  const written = known ? old & mask : mask;
  if (written === old) return;
  facts[word] = written;
  instance.changed.push(slot);
  if ((old & ~written) !== 0) instance.shrunk = true;
}

const MAX_FRAMES = 8;
const MAX_SUBPROGRAMS = 1 << 16;

/** Live slots as seen from one stored state. */
export class LiveSlots {
  readonly #program: Program;
  readonly #state: State;
  readonly #instance: Instance;

  constructor(program: Program, state: State, instance: Instance) {
    this.#program = program;
    this.#state = state;
    this.#instance = instance;
  }

  /** Which of the 32 slots of a frame from `from` on may be read by what is executed now, or by a caller once it has returned. */
  among(frame: number, from: number): number {
    const half = from >> 5;
    let slots = this.#instance.liveAt(frame, this.#state.slot, half);
    for (let at = this.#instance; at.depth > frame && at.caller !== null; at = at.caller) {
      // The callee of a call with a callback may be run again, so what counts is what is read from the call on.
      const next = this.#program.callsCallback[at.callSite] === 1 ? at.callSite : at.callSite + 1;
      slots |= at.caller.liveAt(frame, next, half);
    }
    return slots;
  }
}

/** The current instruction may read a slot of a frame. */
export function markStackRead(env: Env, frame: number, slot: number): void {
  env.pruning.liveness.read(env, frame, slot);
}

/** The current instruction surely writes all eight bytes of a slot. */
export function markStackWrite(env: Env, frame: number, slot: number): void {
  env.pruning.liveness.write(frame, slot);
}

/** Before a function of the program returns to its caller. */
export function leaveFrame(env: Env): void {
  env.pruning.liveness.update(env.state);
}
