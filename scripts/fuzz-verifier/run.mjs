// What is accepted, run in the virtual machine on random packets: it must not fault, and whatever numbers registers have at a step
// of the main function, one path of the walk (without pruning) foresaw them. As test/verifier/soundness.test.ts does with programs
// of another generator.
import { tryDecode } from "../../dist/lib/asm/index.js";
import { createEnv } from "../../dist/lib/verifier/create.js";
import { frameOf } from "../../dist/lib/verifier/env.js";
import { Recorder } from "../../dist/lib/verifier/explain/index.js";
import { Rejection } from "../../dist/lib/verifier/outcome.js";
import { ROOT } from "../../dist/lib/verifier/privileges.js";
import { analyse } from "../../dist/lib/verifier/program/index.js";
import { includesValue } from "../../dist/lib/verifier/scalar/index.js";
import { walk } from "../../dist/lib/verifier/step/walk.js";
import { createMachine, formatFault } from "../../dist/lib/vm/index.js";
import { FUNCTIONS, MAPS, TYPES } from "./world.mjs";

/** Hooks whose programs a packet is enough to run. */
export const RUNNABLE = ["xdp", "tc", "tcx_ingress", "cgroup_skb_ingress", "cgroup_skb_egress", "socket_filter"];
const PACKETS = 4;
const LEAST_BYTES = 64;
/** A run that takes longer tells no more; without pruning, some walks do not come to their end. */
const RUN_LIMIT = 20_000;
const WALK_LIMIT = 20_000;
/** What the machine does not have is no fault of the program. */
const NOT_SIMULATED = /is not simulated/;

/** Registers of all paths by slot. */
class Collected extends Recorder {
  states = new Map();
  #left = WALK_LIMIT;
  enter(env) {
    if (this.#left-- === 0) throw new Rejection("too_many_steps", env.slot, {});
    if (!this.states.has(env.slot)) this.states.set(env.slot, []);
    this.states.get(env.slot).push(frameOf(env).regs.slice());
  }
}

/** Null, or in words what an accepted program did that it should not; null too where it cannot be run. `kernel`: its types. */
export function misbehaviour(program, request, { profile, kernel, random }) {
  const object = objectOf(program, request.code, kernel);
  if (object === null) return null;
  const known = knowledgeOf(request, profile);
  let wrong = null;
  const before = (moment) => {
    if (known !== null && wrong === null && moment.depth === 0 && moment.code.name === "main") {
      wrong = contradiction(moment, known);
    }
  };
  const machine = createMachine(object, { instructionLimit: RUN_LIMIT, observer: { before } });
  for (let i = 0; i < PACKETS; i++) {
    const packet = Uint8Array.from({ length: LEAST_BYTES + random.below(60) }, () =>
      random.chance(25) ? 0xff : random.word(),
    );
    const { fault } = machine.run("main", { packet });
    if (wrong !== null) return wrong;
    if (fault !== null && fault.kind !== "budget" && !NOT_SIMULATED.test(fault.message)) {
      return `${fault.kind} at ${formatFault(fault)}`;
    }
  }
  return null;
}

/** What the walk knows of each slot; null for one that does not come to its end. */
function knowledgeOf(request, profile) {
  const program = analyse(request, { profile, privileges: ROOT });
  const collected = new Collected();
  const unpruned = { ...program, prunePoint: new Uint8Array(program.insns.length) };
  try {
    walk(createEnv(request, unpruned, { kernel: profile }, collected), 0);
    return { states: collected.states, live: program.liveRegisters };
  } catch (error) {
    if (error instanceof Rejection) return null;
    throw error;
  }
}

/** A register whose number no path foresaw. */
function contradiction({ slot, registers }, { states, live }) {
  const paths = states.get(slot) ?? [];
  const looked = Array.from({ length: 10 }, (_, r) => r).filter((r) => (live[slot] & (1 << r)) !== 0);
  const isTrue = (reg, r) => reg?.kind !== "scalar" || includesValue(reg.num, registers[r] ?? 0n);
  if (paths.some((regs) => looked.every((r) => isTrue(regs[r], r)))) return null;
  const values = looked.map((r) => `r${r}=0x${registers[r].toString(16)}`);
  return `slot ${slot}: no path of ${paths.length} has ${values.join(" ")}`;
}

/** The program as an object, functions apart and references by name; null for code that has what is no instruction. */
function objectOf({ hook, slots, references, functions }, code, kernel) {
  const decoded = tryDecode(code);
  if (decoded.some(({ insn }) => insn === null)) return null;
  const starts = new Set([0, ...(functions ?? []).map(({ slot }) => slot)]);
  for (const each of decoded) if (calleeOf(each) !== null) starts.add(calleeOf(each));
  const ordered = [...starts].toSorted((a, b) => a - b);
  const types = new Map((functions ?? []).map(({ slot, kind }) => [slot, FUNCTIONS[kind]]));
  const named = new Map(references.map((reference) => [reference.slot, reference]));
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const [main, ...subprograms] = ordered.map((start, i) => {
    const mine = decoded.filter(({ slot }) => slot >= start && slot < (ordered[i + 1] ?? slots.length));
    return {
      name: nameOf(start),
      insns: mine.map(({ insn }) => insn),
      relocations: mine.flatMap((each) => relocationOf(each, start, { named, kernel, view })),
      lines: [],
      btfId: types.get(start) ?? 0,
      linkage: "static",
    };
  });
  const { name, type, attach } = hook;
  return {
    license: "GPL",
    programs: [{ ...main, linkage: "global", section: name, type, attach, flags: 0 }],
    subprograms,
    maps: MAPS.map(({ spec }) => spec),
    btf: TYPES,
  };
}

const nameOf = (start) => (start === 0 ? "main" : `f${start}`);

/** The slot of the function that an instruction calls or takes the address of, or null. */
function calleeOf({ slot, insn }) {
  if (insn.kind === "call" && insn.target.kind === "local") return slot + 1 + insn.target.delta;
  if (insn.kind !== "load_imm64" || insn.pseudo !== "func") return null;
  return slot + 1 + Number(BigInt.asIntN(32, insn.imm));
}

function relocationOf({ slot, insn }, start, { named, kernel, view }) {
  const at = slot - start;
  const callee = calleeOf({ slot, insn });
  if (callee !== null) return [{ kind: insn.kind === "call" ? "call" : "func", slot: at, func: nameOf(callee) }];
  if (insn.kind === "call" && insn.target.kind === "kfunc") {
    return [{ kind: "kfunc", slot: at, kfunc: kernel?.types[insn.target.btfId]?.name ?? "unknown" }];
  }
  const reference = named.get(slot);
  if (reference === undefined) return [];
  const map = MAPS[reference.map].spec.name;
  if (reference.kind === "map") return [{ kind: "map", slot: at, map }];
  return [{ kind: "map_value", slot: at, map, offset: view.getUint32(8 * slot + 12, true) }];
}
