/**
 * Random programs, instruction by instruction, that the kernel's verifier accepts by construction: the generator keeps to
 * roles of registers that it can prove, as a compiler would, and is free in everything else.
 *
 *   main       r6 context, r7 packet (64 bytes of it proven), r8 its end, r9 a scalar or a map value, r0 to r5 scalars
 *   functions  r6 to r9 scalars; called by main and by those before them; a callback gets main's stack in r2
 *   stack      [-64, 0) always holds scalars; below are room for keys, a loop counter, and a spilled packet pointer
 *
 * `live` holds the registers that have a scalar now: a helper takes r1 to r5 away, arms of a branch leave what both have.
 * Programs write what they compute into the packet and into maps. `mutate` changes one instruction of a finished program;
 * what comes out may be anything.
 */
// prettier-ignore
import {
  alu32, alu64, assemble, atomic, call, callLocal, exit, ja, jmp, jmp32, label, lddw, ldsx, ldx, loadAcquire, mayGoto, mov64, movsx32,
  movsx64, neg32, neg64, r0, r1, r10, r2, r3, r4, r5, r6, r7, r8, r9, st, storeRelease, swap,
} from "../../lib/asm/index.ts";
import type { Item, Register } from "../../lib/asm/index.ts";
import type { Btf } from "../../lib/btf/index.ts";
import { slotsOf } from "../../lib/isa/index.ts";
import type { AluOp, AtomicOp, Insn, JumpOp, Size } from "../../lib/isa/index.ts";
import { HOOKS, MAP_FLAGS } from "../../lib/kernel/index.ts";
import type { FunctionSpec, ObjectSpec, Relocation } from "../../lib/object/index.ts";
import { map } from "../kernel/specs.ts";

/** A reference that the linker fills in: a map, its value, or a function to be called or passed. */
type Reference =
  | { readonly map: string; readonly dst: Register; readonly offset?: number }
  | { readonly func: string; readonly dst?: Register };
type Part = Item | Reference;

/** Sizes of the maps below, and how packets must look: at least this long. */
export const PACKET_BYTES = 64;
const VALUE_BYTES = 64;
const ENTRIES = 4;
/** Offsets from r10: scalars up to 0, a key to hand over, the counter of a loop, a spilled pointer. */
const STACK = -64;
const SCRATCH = -80;
const COUNTER = -88;
const SPILL = -96;
const MOST_TURNS = 6;
const CALLBACK_TURNS = 9;

// prettier-ignore
const MAPS = [
  map("array", "array", 4, VALUE_BYTES, ENTRIES),
  map("hash", "hash", 8, 16, 8),
  map("globals", "array", 4, VALUE_BYTES, 1),
  map("ring", "ringbuf", 0, 0, 4096 * 16),
  map("queue", "queue", 0, 8, 4),
  map("stack", "stack", 0, 8, 4),
  map("trie", "lpm_trie", 8, 8, 6, { flags: MAP_FLAGS.no_prealloc }),
  map("next", "prog_array", 4, 4, 2),
];

const ALU: readonly AluOp[] = ["add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "mod", "xor", "mov", "arsh"];
const ALU_V4: readonly AluOp[] = [...ALU, "sdiv", "smod"];
const JUMPS: readonly JumpOp[] = ["eq", "gt", "ge", "set", "ne", "sgt", "sge", "lt", "le", "slt", "sle"];
// prettier-ignore
const ATOMICS: readonly AtomicOp[] = ["add", "or", "and", "xor", "fetch_add", "fetch_or", "fetch_and", "fetch_xor", "xchg", "cmpxchg"];
/**
 * What gives back the old value. Not on the stack: Linux 6.18's verifier does not follow a value that such an operation
 * fetched back to the slot that it was in, takes two states for one that are not, and removes code that is reached
 * (test/kernel/fetch-precision.test.ts).
 */
const FETCHES: ReadonlySet<AtomicOp> = new Set(["fetch_add", "fetch_or", "fetch_and", "fetch_xor", "xchg", "cmpxchg"]);
const SIZES: readonly Size[] = [1, 2, 4, 8];
const SCALARS = [r0, r1, r2, r3, r4, r5] as const;

type Random = () => number;

/** A program of the hook `xdp` or `tc`, called `main`; sometimes with another, `other`, to be put into `next` at 0. */
export function randomProgram(random: Random): ObjectSpec {
  const hook = random() % 2 === 0 ? "xdp" : "tc";
  const functions = Array.from({ length: random() % 3 }, (_, i) => `f${i}`);
  const subprograms = [
    ...functions.map((name, i) => new Generator(random, hook, functions.slice(i + 1)).subprogram(name)),
    new Generator(random, hook, []).callback("callback"),
  ];
  const { section, type, attach } = HOOKS[hook];
  const programs = ["main", "other"].map((name) => ({
    ...new Generator(random, hook, functions).program(name),
    section,
    type,
    attach,
    flags: 0,
  }));
  return { license: "Dual MIT/GPL", programs, subprograms, maps: MAPS, btf: TYPES };
}

/** The same object with one instruction of `main` changed. */
export function mutate(object: ObjectSpec, random: Random): ObjectSpec {
  const programs = object.programs.map((program) => {
    if (program.name !== "main") return program;
    const insns = [...program.insns];
    const at = random() % insns.length;
    insns[at] = changed(insns[at]!, random);
    return { ...program, insns };
  });
  return { ...object, programs };
}

function changed(insn: Insn, random: Random): Insn {
  const register = (random() % 10) as 0 | 1;
  switch (insn.kind) {
    case "alu":
      return pick(random, [
        { ...insn, dst: register },
        { ...insn, src: { reg: register } },
        { ...insn, op: pick(random, ALU_V4) },
        { ...insn, width: insn.width === 32 ? 64 : 32 },
      ]);
    case "jump_if":
      return pick(random, [
        { ...insn, delta: insn.delta + (random() % 7) - 3 },
        { ...insn, op: pick(random, JUMPS) },
        { ...insn, dst: register },
      ]);
    case "jump":
      return { ...insn, delta: insn.delta + (random() % 5) - 2 };
    case "load":
    case "store":
    case "atomic":
      return pick(random, [
        { ...insn, off: insn.off + pick(random, [-4096, -72, -8, -1, 1, 8, 40, 72, 4096]) },
        { ...insn, base: register },
      ]);
    case "call":
      return insn.target.kind === "helper" ? { ...insn, target: { kind: "helper", id: random() % 30 } } : insn;
    // References are the linker's, and two slots long.
    case "load_imm64":
      return insn;
    case "exit":
      return ja((random() % 9) - 5);
    default:
      return alu64("add", { reg: register }, random() % 100);
  }
}

class Generator {
  private readonly random: Random;
  private readonly hook: "xdp" | "tc";
  /** Functions that may be called. */
  private readonly callable: readonly string[];
  private parts: Part[] = [];
  private live = new Set<Register>();
  /** The packet is there: r6 to r8 are as in main. */
  private packet = false;
  /** r9 holds a map value of that many bytes; 0: it is a scalar or nothing. */
  private value = 0;
  private labels = 0;
  private looping = false;
  /** The stack is filled; a callback has none. */
  private stack = false;

  constructor(random: Random, hook: "xdp" | "tc", callable: readonly string[]) {
    this.random = random;
    this.hook = hook;
    this.callable = callable;
  }

  program(name: string): FunctionSpec {
    this.packet = true;
    this.emit(mov64(r6, r1), mov64(r0, 0));
    this.loadPacket();
    this.fillStack();
    for (const [i, register] of SCALARS.entries()) this.scalar(register, ldx(8, register, r7, 8 * i));
    this.scalar(r9, mov64(r9, this.imm()));
    this.block(4 + this.below(14), 2);
    for (const register of [...SCALARS, r9]) {
      if (this.live.has(register)) this.emit(st(8, r7, 8 * this.below(8), register));
    }
    this.leave();
    this.emit(label("out"), exit());
    return this.finish(name, BTF_MAIN);
  }

  /** A function of the scalars r1 to r3. */
  subprogram(name: string): FunctionSpec {
    this.fillStack();
    for (const register of [r1, r2, r3]) this.live.add(register);
    for (const register of [r6, r7, r8, r9]) this.scalar(register, mov64(register, pick(this.random, [r1, r2, r3])));
    this.block(2 + this.below(5), 1);
    this.emit(mov64(r0, pick(this.random, [...this.live])), exit());
    return this.finish(name, name === "f0" ? BTF_F0 : BTF_F1);
  }

  /** A callback of bpf_loop: r1 the turn, r2 eight bytes of the caller's stack; goes on while it returns 0. */
  callback(name: string): FunctionSpec {
    this.emit(mov64(r9, r2));
    this.live.add(r1);
    this.scalar(r3, ldx(8, r3, r9, 0));
    this.block(1 + this.below(3), 0);
    const result = pick(this.random, [...this.live]);
    this.emit(st(8, r9, 0, result), mov64(r0, result), alu64("rsh", r0, 63), exit());
    return this.finish(name, BTF_CALLBACK);
  }

  private finish(name: string, btfId: number): FunctionSpec {
    const items: Item[] = [];
    const relocations: Relocation[] = [];
    let slot = 0;
    for (const part of this.parts) {
      if ("map" in part) {
        const { offset } = part;
        relocations.push(
          offset === undefined
            ? { kind: "map", slot, map: part.map }
            : { kind: "map_value", slot, map: part.map, offset },
        );
        items.push(lddw(part.dst, 0n));
        slot += 2;
      } else if ("func" in part) {
        relocations.push({ kind: part.dst === undefined ? "call" : "func", slot, func: part.func });
        items.push(part.dst === undefined ? callLocal(0) : lddw(part.dst, 0n, "func"));
        slot += part.dst === undefined ? 1 : 2;
      } else {
        items.push(part);
        if (!("label" in part)) slot += "at" in part ? 1 : slotsOf(part);
      }
    }
    return {
      name,
      insns: assemble(items),
      relocations,
      lines: [],
      btfId,
      linkage: btfId === BTF_MAIN ? "global" : "static",
    };
  }

  // ---- small words

  private below(n: number): number {
    return this.random() % n;
  }
  private chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
  private emit(...parts: Part[]): void {
    this.parts.push(...parts);
  }
  private label(): string {
    return `l${this.labels++}`;
  }
  private scalar(register: Register, ...parts: Part[]): void {
    this.emit(...parts);
    this.live.add(register);
    if (register === r9) this.value = 0;
  }
  private imm(): number {
    const n = this.random() | 0;
    return pick(this.random, [n, n >> 16, n >> 24, 0, 1, -1, 2, 255, 0x7fff_ffff, -0x8000_0000]);
  }
  /** A scalar to read. */
  private source(): Register {
    return pick(this.random, [...this.live]);
  }
  /** A register to put a scalar into, or null where none is free. */
  private target(): Register {
    const free: Register[] = this.packet ? [...SCALARS] : [...SCALARS, r6, r7, r8];
    // r9 is given away where it is a scalar; in a callback it stays the caller's stack.
    if (this.live.has(r9)) free.push(r9);
    return pick(this.random, free);
  }
  /** After a call r1 to r5 hold nothing; r0 is what it returned. */
  private called(): void {
    for (const register of [r1, r2, r3, r4, r5]) this.live.delete(register);
    this.live.add(r0);
  }

  // ---- the frame of a program

  private loadPacket(): void {
    const [data, end] = this.hook === "xdp" ? [0, 4] : [76, 80];
    this.emit(ldx(4, r7, r6, data), ldx(4, r8, r6, end));
    this.emit(mov64(r1, r7), alu64("add", r1, PACKET_BYTES), jmp("gt", r1, r8, "out"));
    this.live.delete(r1);
  }

  private fillStack(): void {
    for (let at = STACK; at < 0; at += 8) this.emit(st(8, r10, at, this.imm()));
    this.stack = true;
  }

  /** r0 becomes a verdict that the kernel's test run does nothing about. */
  private leave(): void {
    if (!this.live.has(r0)) this.scalar(r0, mov64(r0, this.imm()));
    if (this.hook === "tc") this.emit(alu64("and", r0, 3));
  }

  // ---- statements

  private block(statements: number, depth: number): void {
    for (let i = 0; i < statements; i++) this.statement(depth);
  }

  private statement(depth: number): void {
    const choices: [weight: number, make: () => void][] = [
      [12, () => this.arithmetic()],
      [1, () => this.wideImmediate()],
    ];
    if (this.stack) {
      choices.push([4, () => this.access(r10, STACK, -STACK, true)], [2, () => this.atomicAccess(r10, STACK, -STACK)]);
    }
    if (this.value > 0) choices.push([6, () => this.valueAccess()]);
    if (this.packet) {
      choices.push(
        [5, () => this.packetAccess()],
        [2, () => this.variablePacketAccess()],
        [3, () => this.lookup()],
        [1, () => this.hashUpdate()],
        [1, () => this.event()],
        [1, () => this.record()],
        [1, () => this.queue()],
        [1, () => this.prefix()],
        [1, () => this.checksum()],
        [1, () => this.globals()],
        [1, () => this.spill()],
      );
      if (!this.looping)
        choices.push([1, () => this.adjust()], [1, () => this.loopHelper()], [1, () => this.tailCall()]);
    }
    if (this.callable.length > 0) choices.push([2, () => this.callFunction()]);
    if (depth > 0) choices.push([4, () => this.branch(depth - 1)]);
    if (depth > 0 && this.packet && !this.looping) choices.push([2, () => this.loop(depth - 1)]);
    let at = this.below(choices.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, make] of choices) {
      if (at < weight) return make();
      at -= weight;
    }
  }

  private arithmetic(): void {
    const [to, src] = [this.target(), this.source()];
    if (!this.live.has(to)) return this.scalar(to, mov64(to, src));
    const wide = this.chance(2);
    switch (this.below(8)) {
      case 0:
        return this.emit(wide ? neg64(to) : neg32(to));
      case 1:
        return this.emit(
          wide ? movsx64(pick(this.random, [8, 16, 32]), to, src) : movsx32(pick(this.random, [8, 16]), to, src),
        );
      case 2:
        return this.emit(swap(pick(this.random, ["le", "be", "bswap"]), pick(this.random, [16, 32, 64]), to));
      case 3:
      case 4: {
        const op = pick(this.random, ALU_V4);
        const isShift = op === "lsh" || op === "rsh" || op === "arsh";
        const isDivision = op === "div" || op === "mod" || op === "sdiv" || op === "smod";
        const imm = this.imm();
        const fitting = isShift ? imm & (wide ? 63 : 31) : isDivision && imm === 0 ? 3 : imm;
        return this.emit((wide ? alu64 : alu32)(op, to, fitting));
      }
      default:
        return this.emit((wide ? alu64 : alu32)(pick(this.random, ALU_V4), to, src));
    }
  }

  private wideImmediate(): void {
    const to = this.target();
    this.scalar(to, lddw(to, (BigInt(this.random()) << 32n) | BigInt(this.random())));
  }

  /** An access of memory that is all scalars, `bytes` long from `from`. */
  private access(base: Register, from: number, bytes: number, ordered: boolean): void {
    const size = pick(this.random, SIZES);
    const off = from + size * this.below(bytes / size);
    const to = this.target();
    switch (this.below(ordered ? 6 : 4)) {
      case 0:
        return this.emit(st(size, base, off, this.imm()));
      case 1:
        return this.emit(st(size, base, off, this.source()));
      case 2:
        return this.scalar(to, size === 8 ? ldx(8, to, base, off) : ldsx(size, to, base, off));
      case 4:
        return this.scalar(to, loadAcquire(size, to, base, off));
      case 5:
        return this.emit(storeRelease(size, base, off, this.source()));
      default:
        return this.scalar(to, ldx(size, to, base, off));
    }
  }

  private valueAccess(): void {
    if (this.chance(3)) return this.atomicAccess(r9, 0, this.value);
    if (this.chance(3)) return this.variableValueAccess();
    this.access(r9, 0, this.value, true);
  }

  private variableValueAccess(): void {
    const index = pick(this.random, SCALARS);
    this.scalar(index, mov64(index, this.source()), alu64("and", index, this.value - 8));
    const pointer = pick(
      this.random,
      SCALARS.filter((r) => r !== index),
    );
    this.emit(mov64(pointer, r9), alu64("add", pointer, index));
    this.scalar(pointer, ldx(8, pointer, pointer, 0));
  }

  private packetAccess(): void {
    this.access(r7, 0, PACKET_BYTES, false);
  }

  private variablePacketAccess(): void {
    const [pointer, end] = pick(this.random, [
      [r1, r2],
      [r3, r4],
      [r2, r5],
    ] as const);
    const size = pick(this.random, SIZES);
    const past = this.label();
    const source = this.source();
    this.emit(mov64(pointer, source), alu64("and", pointer, 127), alu64("add", pointer, r7), mov64(end, pointer));
    this.live.delete(pointer);
    this.live.delete(end);
    this.emit(alu64("add", end, size), jmp("gt", end, r8, past));
    if (this.live.size > 0 && this.chance(2)) this.emit(st(size, pointer, 0, this.source()));
    else this.emit(ldx(size, end, pointer, 0), st(8, r10, STACK + 8 * this.below(8), end));
    this.emit(label(past));
    this.scalar(pointer, mov64(pointer, this.imm()));
  }

  private atomicAccess(base: Register, from: number, bytes: number): void {
    const size = pick(this.random, [4, 8] as const);
    const op = pick(this.random, base === r10 ? ATOMICS.filter((name) => !FETCHES.has(name)) : ATOMICS);
    if (op === "cmpxchg" && !this.live.has(r0)) return this.arithmetic();
    const source = pick(
      this.random,
      [...this.live].filter((r) => r !== r9),
    );
    if (source === undefined) return this.arithmetic();
    this.emit(atomic(op, size, base, from + size * this.below(bytes / size), source));
  }

  /** r9 = a value of the array or the hash, made sure of. */
  private lookup(): void {
    const array = this.chance(2);
    this.emit(mov64(r1, this.source()), alu64("and", r1, array ? 2 * ENTRIES - 1 : 15), st(8, r10, SCRATCH, r1));
    this.emit(
      { map: array ? "array" : "hash", dst: r1 },
      mov64(r2, r10),
      alu64("add", r2, SCRATCH),
      call("map_lookup_elem"),
    );
    this.called();
    const found = this.label();
    this.emit(jmp("ne", r0, 0, found));
    this.scalar(r0, mov64(r0, this.imm()));
    this.leave();
    this.emit(ja("out"), label(found), mov64(r9, r0));
    this.live.delete(r0);
    this.live.delete(r9);
    this.value = array ? VALUE_BYTES : 16;
    this.scalar(r0, ldx(8, r0, r9, 0));
  }

  private hashUpdate(): void {
    this.emit(st(8, r10, SCRATCH, this.below(12)), { map: "hash", dst: r1 }, mov64(r2, r10), alu64("add", r2, SCRATCH));
    if (this.chance(4)) this.emit(call("map_delete_elem"));
    else this.emit(mov64(r3, r10), alu64("add", r3, STACK), mov64(r4, this.below(4)), call("map_update_elem"));
    this.called();
  }

  private event(): void {
    this.emit({ map: "ring", dst: r1 }, mov64(r2, r10), alu64("add", r2, STACK), mov64(r3, 8 * (1 + this.below(8))));
    this.emit(mov64(r4, 0), call("ringbuf_output"));
    this.called();
  }

  /** A record of the ring buffer, written in place. */
  private record(): void {
    const [full, end] = [this.label(), this.label()];
    const value = this.live.has(r9) ? r9 : null;
    this.emit({ map: "ring", dst: r1 }, mov64(r2, 16), mov64(r3, 0), call("ringbuf_reserve"), jmp("eq", r0, 0, full));
    this.called();
    this.live.delete(r0);
    this.emit(st(8, r0, 0, value ?? this.imm()), st(8, r0, 8, this.imm()), mov64(r1, r0), mov64(r2, 0));
    this.emit(call(pick(this.random, ["ringbuf_submit", "ringbuf_discard"])), ja(end), label(full), label(end));
    this.scalar(r0, mov64(r0, this.imm()));
  }

  private queue(): void {
    this.emit({ map: pick(this.random, ["queue", "stack"]), dst: r1 }, mov64(r2, r10), alu64("add", r2, STACK));
    if (this.chance(2)) this.emit(mov64(r3, pick(this.random, [0, 2])), call("map_push_elem"));
    else this.emit(call(pick(this.random, ["map_pop_elem", "map_peek_elem"])));
    this.called();
  }

  /** Puts a prefix into the trie, or takes what the longest one has. */
  private prefix(): void {
    this.emit(
      st(4, r10, SCRATCH, this.below(36)),
      st(4, r10, SCRATCH + 4, pick(this.random, [0, 1, 0x0100, 0x1_0000, -1, 0x0a00_000a])),
    );
    this.emit({ map: "trie", dst: r1 }, mov64(r2, r10), alu64("add", r2, SCRATCH));
    switch (this.below(4)) {
      case 0:
        this.emit(call("map_delete_elem"));
        return this.called();
      case 1: {
        const none = this.label();
        this.emit(call("map_lookup_elem"), jmp("eq", r0, 0, none), ldx(8, r0, r0, 0), label(none));
        return this.called();
      }
      default:
        this.emit(mov64(r3, r10), alu64("add", r3, STACK), mov64(r4, this.below(3)), call("map_update_elem"));
        return this.called();
    }
  }

  private checksum(): void {
    this.emit(mov64(r1, r10), alu64("add", r1, STACK), mov64(r2, 4 * this.below(8)));
    this.emit(
      mov64(r3, r7),
      alu64("add", r3, 16),
      mov64(r4, 4 * this.below(8)),
      mov64(r5, this.imm()),
      call("csum_diff"),
    );
    this.called();
  }

  private globals(): void {
    this.emit({ map: "globals", dst: r9, offset: 8 * this.below(4) });
    this.live.delete(r9);
    this.value = 32;
  }

  /** The packet pointer by way of the stack. */
  private spill(): void {
    this.emit(st(8, r10, SPILL, r7), mov64(r7, 0), ldx(8, r7, r10, SPILL));
  }

  /** Moves an end of the packet: pointers must be taken again. */
  private adjust(): void {
    if (this.hook === "tc") {
      this.emit(mov64(r1, r6), mov64(r2, this.below(80)), mov64(r3, r10), alu64("add", r3, STACK), mov64(r4, 8));
      this.emit(call("skb_load_bytes"));
      return this.called();
    }
    this.emit(mov64(r1, r6), mov64(r2, pick(this.random, [-8, -1, 1, 8, 20, 300, -300])));
    this.emit(call(pick(this.random, ["xdp_adjust_head", "xdp_adjust_tail"])));
    this.called();
    this.loadPacket();
  }

  private loopHelper(): void {
    this.emit(mov64(r1, this.below(CALLBACK_TURNS)), { func: "callback", dst: r2 }, mov64(r3, r10));
    this.emit(alu64("add", r3, STACK + 8 * this.below(8)), mov64(r4, 0), call("loop"));
    this.called();
  }

  private tailCall(): void {
    if (!this.chance(3)) return this.arithmetic();
    this.emit(mov64(r1, r6), { map: "next", dst: r2 }, mov64(r3, this.below(2)), call("tail_call"));
    this.called();
    this.scalar(r0, mov64(r0, this.imm()));
  }

  private callFunction(): void {
    const source = this.source();
    this.emit(mov64(r1, source), mov64(r2, this.imm()), mov64(r3, source === r1 ? r2 : source));
    this.emit({ func: pick(this.random, this.callable) });
    this.called();
  }

  private branch(depth: number): void {
    const [otherwise, end] = [this.label(), this.label()];
    const wide = this.chance(2) ? jmp : jmp32;
    const right = this.chance(2) ? this.source() : this.imm();
    this.emit(wide(pick(this.random, JUMPS), this.source(), right, otherwise));
    const [before, value] = [new Set(this.live), this.value];
    this.block(1 + this.below(3), depth);
    const [left, leftValue] = [this.live, this.value];
    this.live = new Set(before);
    this.value = value;
    if (this.chance(3)) {
      this.emit(label(otherwise));
    } else {
      this.emit(ja(end), label(otherwise));
      this.block(1 + this.below(3), depth);
      this.emit(label(end));
    }
    this.join(left, leftValue);
  }

  /** What holds whichever way was taken. */
  private join(live: ReadonlySet<Register>, value: number): void {
    this.live = new Set([...this.live].filter((register) => live.has(register)));
    if (this.value !== value) {
      this.value = 0;
      this.live.delete(r9);
    }
    if (this.live.size === 0) this.scalar(r0, mov64(r0, this.imm()));
  }

  /** Turns counted in the stack, or bounded by may_goto too. */
  private loop(depth: number): void {
    const [top, end] = [this.label(), this.label()];
    // A register may hold another kind of thing when the body comes round again, so the body starts with none.
    this.emit(st(8, r10, COUNTER, 1 + this.below(MOST_TURNS)), label(top));
    if (this.chance(3)) this.emit(mayGoto(end));
    this.live = new Set();
    this.value = 0;
    this.scalar(r0, mov64(r0, this.imm()));
    this.scalar(r4, ldx(8, r4, r7, 8));
    this.looping = true;
    this.block(1 + this.below(4), depth);
    this.looping = false;
    this.emit(
      ldx(8, r5, r10, COUNTER),
      alu64("sub", r5, 1),
      st(8, r10, COUNTER, r5),
      jmp("ne", r5, 0, top),
      label(end),
    );
    this.live = new Set();
    this.value = 0;
    this.scalar(r0, mov64(r0, this.imm()));
    this.scalar(r9, ldx(8, r9, r7, 16));
  }
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random() % from.length]!;
}

// prettier-ignore
const TYPES: Btf = {
  types: [
    { kind: "void" },
    { kind: "int", name: "u64", size: 8, encoding: "unsigned" },
    { kind: "int", name: "int", size: 4, encoding: "signed" },
    { kind: "ptr", type: 0 },
    { kind: "func_proto", result: 2, params: [{ name: "ctx", type: 3 }] },
    { kind: "func_proto", result: 1, params: [{ name: "a", type: 1 }, { name: "b", type: 1 }, { name: "c", type: 1 }] },
    { kind: "func_proto", result: 1, params: [{ name: "turn", type: 1 }, { name: "data", type: 3 }] },
    { kind: "func", name: "main_func", type: 4, linkage: "global" },
    { kind: "func", name: "f0", type: 5, linkage: "static" },
    { kind: "func", name: "f1", type: 5, linkage: "static" },
    { kind: "func", name: "callback", type: 6, linkage: "static" },
  ],
};
const [BTF_MAIN, BTF_F0, BTF_F1, BTF_CALLBACK] = [7, 8, 9, 10];
