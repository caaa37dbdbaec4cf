/**
 * What is accepted does not fault, whatever the input; and what the walk knows of numbers is true of every step of a run.
 *
 * Random programs (those of the engines' tests, a part of them mutated) are verified, and run in the virtual machine on random
 * packets. The walk for the second claim keeps no states: with pruning, numbers that nothing hangs on may leave their bounds.
 * EBPF_TS_SEED repeats a run, EBPF_TS_PROGRAMS sets how many programs.
 */
import { expect, test } from "vitest";
import { disassemble, formatListing, link } from "../../lib/asm/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { createEnv } from "../../lib/verifier/create.ts";
import type { Env } from "../../lib/verifier/env.ts";
import { frameOf } from "../../lib/verifier/env.ts";
import { Recorder } from "../../lib/verifier/explain/index.ts";
import { requestOf, verify } from "../../lib/verifier/index.ts";
import { Rejection } from "../../lib/verifier/outcome.ts";
import { ROOT } from "../../lib/verifier/privileges.ts";
import { profileOf } from "../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../lib/verifier/profiles/index.ts";
import { analyse } from "../../lib/verifier/program/index.ts";
import { includesValue } from "../../lib/verifier/scalar/index.ts";
import type { Reg } from "../../lib/verifier/state/index.ts";
import { walk } from "../../lib/verifier/step/walk.ts";
import { createMachine, formatFault } from "../../lib/vm/index.ts";
import type { Moment } from "../../lib/vm/index.ts";
import { chooseSeed, randomFrom } from "../differential/packets.ts";
import { PACKET_BYTES, mutate, randomProgram } from "../differential/random-program.ts";

const seed = chooseSeed();
const programs = Number(process.env["EBPF_TS_PROGRAMS"] ?? 40);
const PACKETS = 4;
/** A run that takes longer tells no more. */
const LIMIT = 20_000;
/** Without pruning, loops of callbacks go on: such walks are left at this many steps. */
const STEPS = 20_000;
const kernel = profileOf("6.18") as KernelProfile;

/** Registers of all paths by slot. */
class Collected extends Recorder {
  readonly states = new Map<number, (readonly Reg[])[]>();
  #left = STEPS;
  override enter(env: Env): void {
    if (this.#left-- === 0) throw new Rejection("too_many_steps", env.slot, {});
    const known = this.states.get(env.slot) ?? [];
    if (known.length === 0) this.states.set(env.slot, known);
    known.push(frameOf(env).regs.slice());
  }
}

/** What the walk knows of each slot; null for one that does not come to its end. */
function knowledgeOf(object: ObjectSpec): { states: Collected["states"]; live: ArrayLike<number> } | null {
  const request = requestOf(object, "main");
  const program = analyse(request, { profile: kernel, privileges: ROOT });
  const collected = new Collected();
  // Without points to prune at.
  const unpruned = { ...program, prunePoint: new Uint8Array(program.insns.length) };
  const env = createEnv(request, unpruned, { kernel }, collected);
  try {
    walk(env, 0);
    return { states: collected.states, live: program.liveRegisters };
  } catch (error) {
    if (error instanceof Rejection) return null;
    throw error;
  }
}

/** A register whose number no path foresaw, in words; null when one has them all. */
function contradiction({ slot, registers }: Moment, paths: readonly (readonly Reg[])[], live: number): string | null {
  const isTrue = (regs: readonly Reg[], r: number): boolean => {
    const reg = regs[r];
    return reg?.kind !== "scalar" || includesValue(reg.num, registers[r] ?? 0n);
  };
  const looked = Array.from({ length: 10 }, (_, r) => r).filter((r) => (live & (1 << r)) !== 0);
  if (paths.some((regs) => looked.every((r) => isTrue(regs, r)))) return null;
  const values = looked.map((r) => `r${r}=0x${registers[r]?.toString(16)}`);
  return `slot ${slot}: no path of ${paths.length} has ${values.join(" ")}`;
}

function randomPacket(random: () => number): Uint8Array {
  return Uint8Array.from({ length: PACKET_BYTES + (random() % 60) }, () => (random() % 4 === 0 ? 0xff : random()));
}

test(`${programs} random programs (seed ${seed})`, { timeout: 60_000 + programs * 200 }, () => {
  const count = { accepted: 0, compared: 0 };
  for (let i = 0; i < programs; i++) {
    const random = randomFrom(seed + i);
    const made = randomProgram(random);
    const object = random() % 2 === 0 ? mutate(made, random) : made;
    const at = (): string =>
      `EBPF_TS_SEED=${seed + i} EBPF_TS_PROGRAMS=1\n${formatListing(disassemble(link(object, "main").insns))}`;
    const names = ["main", "other"];
    if (names.some((name) => verify(requestOf(object, name), { kernel }).verdict !== "accept")) continue;
    count.accepted++;
    const known = knowledgeOf(object);
    if (known !== null) count.compared++;
    let wrong: string | null = null;
    const before = (moment: Moment): void => {
      if (known === null || wrong !== null || moment.code.name !== "main") return;
      wrong = contradiction(moment, known.states.get(moment.slot) ?? [], known.live[moment.slot] ?? 0);
    };
    const machine = createMachine(object, { instructionLimit: LIMIT, observer: { before } });
    machine.progArray("next").setProgram(0, "other");
    for (let p = 0; p < PACKETS; p++) {
      const { fault } = machine.run("main", { packet: randomPacket(random) });
      const said = fault === null || fault.kind === "budget" ? null : `${fault.kind} at ${formatFault(fault)}`;
      expect(said, at()).toBe(null);
      expect(wrong, at()).toBe(null);
    }
  }
  expect(count.accepted).toBeGreaterThan(programs / 8);
  expect(count.compared).toBeGreaterThan(programs / 16);
});
