/**
 * A program as a WebAssembly module: one function for each function of the program, and around them
 *
 *   start           runs the program: r1 and r2 from the state, r0 to it
 *   batch           runs the program many times, with arguments and results in rings: how often, ring size - 1
 *   tail            the program for tail calls: r0, r1, r6 to r9, depth; gives r0
 *   function_SLOT   a function whose address the program takes: r1 to r5 from the state, depth; r0 to the state
 */
import { HELPERS } from "../../kernel/index.ts";
import type { Insn, Reg } from "../../isa/index.ts";
import { SCRATCH, STACK_BYTES } from "../engine.ts";
import type { ArrayLayout } from "../engine.ts";
import { MAY_GOTO_TURNS } from "../cpu.ts";
import { PAGE_ACCESS, PAGE_ENTRY, PAGES } from "../memory.ts";
import { Code } from "./blocks.ts";
import type { Placed } from "./blocks.ts";
import { TAIL_REGISTERS, emitClear, emitFunction, loadState, signatureOf, storeState } from "./emit.ts";
import type { Surroundings } from "./emit.ts";
import { planFunctions } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { bit, isTailCall, writes } from "./effects.ts";
import { STATE } from "./state.ts";
import { Body, ModuleBuilder } from "./wasm.ts";
import type { Signature } from "./wasm.ts";

/** What a program's code refers to, as far as the compiler must know. */
export interface References {
  /** Whether there is such a function of the host. */
  readonly hasHelper: (id: number) => boolean;
  readonly hasKfunc: (btfId: number, slot: number) => boolean;
  /** What a 64-bit load gives; null when it means nothing. */
  readonly loaded: (placed: Placed<Extract<Insn, { kind: "load_imm64" }>>) => bigint | null;
  /** The array map that a 64-bit load gives the address of; null for anything else. */
  readonly arrayOf: (placed: Placed) => ArrayLayout | null;
  /** Slots of functions whose addresses are taken. */
  readonly entries: ReadonlySet<number>;
}

/** A place in a program: `executed` instructions before it, relative to the counter where it is noted. */
export interface Site {
  readonly slot: number;
  readonly executed: number;
}

export interface Compiled {
  readonly bytes: Uint8Array;
  readonly sites: readonly Site[];
  /** Functions of the host that are imported, by the name of the import. */
  readonly calls: ReadonlyMap<string, Placed>;
}

const NOTHING: Signature = { parameters: [], results: [] };
const TAIL: Signature = { parameters: [...TAIL_REGISTERS.map(() => "i64" as const), "i32"], results: ["i64"] };
const WINDOW: Signature = { parameters: ["i64"], results: ["i64", "i64", "i64"] };
const BATCH: Signature = { parameters: ["i32", "i32"], results: [] };
const CLEAR: Signature = { parameters: ["i32"], results: [] };

/** Functions of the host that every module imports. */
const HOST: readonly (readonly [string, Signature])[] = [
  ["leave", { parameters: ["i32", "i32", "i32"], results: [] }],
  ["tail", { parameters: [], results: ["i32"] }],
  ["callx", { parameters: ["i32"], results: ["i32"] }],
  ["load_packet", { parameters: ["i32"], results: ["i32"] }],
];

/** Helpers that leave every region of memory where it is. */
const KEEP_MEMORY: ReadonlySet<number> = new Set(
  // prettier-ignore
  ([
    "map_lookup_elem", "ktime_get_ns", "ktime_get_boot_ns", "get_prandom_u32", "get_smp_processor_id", "trace_printk",
    "get_current_pid_tgid", "csum_diff", "redirect", "tail_call",
  ] as const).map((name) => HELPERS[name].id),
);

export function compileProgram(insns: readonly Insn[], references: References): Compiled {
  const code = new Code(insns, (insn, slot) => isLeft(code, insn, slot, references), references.arrayOf);
  const calls = hostCalls(code);
  const imports = [...HOST, ...[...calls.keys()].map((name) => [name, NOTHING] as const)];
  const module = new ModuleBuilder(imports);
  const window = module.declare(WINDOW);
  const clear = module.declare(CLEAR);
  const plans = planFunctions(code, references.entries, clear + 1, moves);
  const taken = [...references.entries].map((slot) => plans.others.get(slot)).filter((plan) => plan !== undefined);
  const needed = new Set([plans.main, ...taken]);
  const sites: Site[] = [];
  const around: Surroundings = {
    site: (slot, executed) => sites.push({ slot, executed }) - 1,
    callee: (slot) => found(plans.others.get(slot)),
    calls: (plan) => needed.add(plan),
    loaded: ({ insn, slot }) => found(insn.kind === "load_imm64" ? references.loaded({ insn, slot }) : null),
    functions: {
      leave: module.imported("leave"),
      tail: module.imported("tail"),
      callx: module.imported("callx"),
      loadPacket: module.imported("load_packet"),
      window,
      clear,
      call: (placed) => module.imported(found(callName(placed))),
    },
    tailType: module.typeOf(TAIL),
    callbacks: references.entries.size > 0,
  };
  const all = [plans.main, ...plans.others.values()];
  for (const plan of all) module.declare(signatureOf(plan));
  module.define(window, windowFunction());
  module.define(clear, clearFunction());
  // Grows while it is gone through. What is only inlined needs no function of its own.
  for (const plan of needed) module.define(plan.index, emitFunction(plan, around));
  for (const plan of all) if (!needed.has(plan)) module.define(plan.index, emptyFunction(plan));
  addEntry(module, "start", NOTHING, startFunction(plans.main, clear));
  addEntry(module, "batch", BATCH, batchFunction(plans.main, clear));
  addEntry(module, "tail", TAIL, tailFunction(plans.main));
  for (const slot of references.entries) {
    const plan = plans.others.get(slot);
    if (plan !== undefined) addEntry(module, `function_${slot}`, CLEAR, callbackFunction(plan));
  }
  return { bytes: module.build({ initial: 1, maximum: PAGES }), sites, calls };
}

function found<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error("the code refers to what was not planned");
  return value;
}

/** Instructions at which the interpreter traps whenever it comes to them. */
function isLeft(code: Code, insn: Insn, slot: number, references: References): boolean {
  if ((writes(insn) & bit(10)) !== 0) return true;
  if (insn.kind === "addr_space_cast") return true;
  if (insn.kind === "load_imm64") return references.loaded({ insn, slot }) === null;
  if (insn.kind !== "call") return false;
  const { target } = insn;
  switch (target.kind) {
    case "helper":
      return !isTailCall(insn) && !references.hasHelper(target.id);
    case "kfunc":
      return !references.hasKfunc(target.btfId, slot);
    case "local":
      return !code.starts(slot + 1 + target.delta);
    case "reg":
      return false;
  }
}

function moves(insn: Insn): boolean {
  return insn.kind === "call" && !(insn.target.kind === "helper" && KEEP_MEMORY.has(insn.target.id));
}

/** The import that a call of the host's functions goes to. */
function callName({ insn, slot }: Placed): string | null {
  if (insn.kind !== "call" || isTailCall(insn)) return null;
  if (insn.target.kind === "helper") return `helper_${insn.target.id}`;
  return insn.target.kind === "kfunc" ? `kfunc_${slot}` : null;
}

function hostCalls(code: Code): Map<string, Placed> {
  const calls = new Map<string, Placed>();
  code.insnAt.forEach((insn, slot) => {
    const name = insn === undefined ? null : callName({ insn, slot });
    if (insn !== undefined && name !== null) calls.set(name, { insn, slot });
  });
  return calls;
}

function addEntry(module: ModuleBuilder, name: string, signature: Signature, body: Body): void {
  const index = module.declare(signature);
  module.define(index, body);
  module.export(name, index);
}

function emptyFunction(plan: Plan): Body {
  const body = new Body(signatureOf(plan));
  body.op("unreachable");
  return body;
}

const register = (reg: Reg): number => STATE.registers + 8 * reg;

function startFunction(main: Plan, clear: number): Body {
  const body = new Body(NOTHING);
  const frame = body.local("i32");
  body.i32(0);
  body.memory("i32.load", STATE.frames);
  body.set(frame);
  emitClear(body, frame, main.frame.clear, clear);
  body.i32(0);
  for (const reg of main.parameters) {
    if (reg === 1 || reg === 2) loadRegister(body, reg);
    else body.i64(0);
  }
  body.i32(0);
  body.call(main.index);
  body.memory("i64.store", register(0));
  return body;
}

function batchFunction(main: Plan, clear: number): Body {
  const body = new Body(BATCH);
  const [count, mask] = [0, 1];
  const [index, place, frame] = [body.local("i32"), body.local("i32"), body.local("i32")];
  body.i32(0);
  body.memory("i32.load", STATE.frames);
  body.set(frame);
  const end = body.open("block");
  const again = body.open("loop");
  body.get(index);
  body.get(count);
  body.op("i32.ge_u");
  body.brIf(end);
  storeState(body, "i32.store", STATE.index, () => body.get(index));
  storeState(body, "i64.store", STATE.left, () => loadState(body, "i64.load", STATE.limit));
  storeState(body, "i32.store", STATE.mayGoto, () => body.i32(MAY_GOTO_TURNS));
  emitClear(body, frame, main.frame.clear, clear);
  body.get(index);
  body.get(mask);
  body.op("i32.and");
  body.i32(3);
  body.op("i32.shl");
  body.tee(place);
  for (const reg of main.parameters) {
    if (reg === 1 || reg === 2) {
      body.get(place);
      body.memory("i64.load32_u", STATE.arguments + 4 * (reg - 1));
    } else body.i64(0);
  }
  body.i32(0);
  body.call(main.index);
  body.memory("i64.store", STATE.results);
  storeState(body, "i64.store", STATE.total, () => {
    loadState(body, "i64.load", STATE.total);
    loadState(body, "i64.load", STATE.limit);
    body.op("i64.add");
    loadState(body, "i64.load", STATE.left);
    body.op("i64.sub");
  });
  body.get(index);
  body.i32(1);
  body.op("i32.add");
  body.set(index);
  body.br(again);
  body.close();
  body.close();
  return body;
}

function loadRegister(body: Body, reg: Reg): void {
  loadState(body, "i64.load", register(reg));
}

function tailFunction(main: Plan): Body {
  const body = new Body(TAIL);
  for (const reg of main.parameters) {
    const at = TAIL_REGISTERS.indexOf(reg);
    if (at === -1) body.i64(SCRATCH);
    else body.get(at);
  }
  body.get(TAIL_REGISTERS.length);
  body.call(main.index);
  return body;
}

function callbackFunction(plan: Plan): Body {
  const body = new Body(CLEAR);
  body.i32(0);
  for (const reg of plan.parameters) loadRegister(body, reg);
  body.get(0);
  body.call(plan.index);
  body.memory("i64.store", register(0));
  return body;
}

/** An address to the window around it: where it starts, how long it is for loads, and for stores. */
function windowFunction(): Body {
  const body = new Body(WINDOW);
  const address = 0;
  const entry = body.local("i32");
  const start = body.local("i64");
  const length = body.local("i64");
  const element = body.local("i64");
  const none = body.open("block");
  body.get(address);
  body.i64(PAGE_ENTRY.bits);
  body.op("i64.shr_u");
  body.i64(PAGES);
  body.op("i64.ge_u");
  body.brIf(none);
  body.get(address);
  body.op("i32.wrap_i64");
  body.i32(PAGE_ENTRY.bits);
  body.op("i32.shr_u");
  body.i32(PAGE_ENTRY.size);
  body.op("i32.mul");
  body.tee(entry);
  body.memory("i32.load", PAGE_ENTRY.table + PAGE_ENTRY.access);
  body.op("i32.eqz");
  body.brIf(none);
  const field = (offset: number): void => {
    body.get(entry);
    body.memory("i64.load32_u", PAGE_ENTRY.table + offset);
  };
  field(PAGE_ENTRY.start);
  body.set(start);
  field(PAGE_ENTRY.length);
  body.set(length);
  field(PAGE_ENTRY.element);
  body.tee(element);
  body.op("i64.eqz");
  body.op("i32.eqz");
  body.open("if");
  elementWindow(body, { address, start, length, element, none });
  body.close();
  body.get(start);
  body.get(length);
  body.get(length);
  body.i64(0);
  body.get(entry);
  body.memory("i32.load", PAGE_ENTRY.table + PAGE_ENTRY.access);
  body.i32(PAGE_ACCESS.readWrite);
  body.op("i32.eq");
  body.op("select");
  body.op("return");
  body.close();
  body.i64(0);
  body.i64(0);
  body.i64(0);
  return body;
}

/** Narrows the window of a table to the element that the address is in. Elements are a multiple of 8 bytes apart. */
// prettier-ignore
function elementWindow(body: Body, at: { address: number; start: number; length: number; element: number; none: number }): void {
  const stride = body.local("i64");
  const offset = body.local("i64");
  body.get(at.address);
  body.get(at.start);
  body.op("i64.sub");
  body.tee(offset);
  body.get(at.length);
  body.op("i64.ge_u");
  body.brIf(at.none);
  body.get(at.element);
  body.i64(7);
  body.op("i64.add");
  body.i64(-8);
  body.op("i64.and");
  body.set(stride);
  body.get(at.address);
  body.get(offset);
  body.get(stride);
  body.op("i64.rem_u");
  body.op("i64.sub");
  body.set(at.start);
  body.get(at.element);
  body.set(at.length);
}

/** Zeroes a frame. */
function clearFunction(): Body {
  const body = new Body(CLEAR);
  for (let offset = 0; offset < STACK_BYTES; offset += 16) {
    body.get(0);
    body.storeZeros16(offset);
  }
  return body;
}
