/** Sections without interrupts: the saved state lies in a slot of the stack, and the last saved is restored first. */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { BYTE, pointer } from "../state/index.ts";
import type { Extra, Reg } from "../state/index.ts";
import { acquire } from "../step/index.ts";
import { areFree, clearSlots, fillSlots, heldIn, readSlots, slotsAt, writeSlots } from "./slots.ts";

type Saver = Extract<Extra, { kind: "irq" }>["by"];

/** Functions by whether they save, and with whom they pair. */
// prettier-ignore
const FUNCTIONS: Readonly<Record<string, { readonly save: boolean; readonly by: Saver }>> = {
  bpf_local_irq_save:             { save: true,  by: "native" },
  bpf_local_irq_restore:          { save: false, by: "native" },
  bpf_res_spin_lock_irqsave:      { save: true,  by: "res_lock" },
  bpf_res_spin_unlock_irqrestore: { save: false, by: "res_lock" },
};

export function useIrqFlag(env: Env, func: string, reg: Reg, register: number): void {
  const argument = register - 1;
  if (reg.kind !== "stack") reject(env, "irq_flag", { argument, what: "it is not on the stack" });
  const { save, by } = FUNCTIONS[func] ?? reject(env, "kfunc_prototype", { name: func });
  const slot = slotsAt(reg, 1);
  if (save) {
    if (slot === null || !areFree(env, reg, slot, 1, BYTE.irq))
      return reject(env, "irq_flag", { argument, what: "it is in use" });
    writeSlots(env, register, 1);
    const ref = acquire(env, "irq");
    fillSlots(env, reg.frame, slot, BYTE.irq, [pointer("stack", 0, { ref, extra: { kind: "irq", by } })]);
    return;
  }
  const saved = slot === null ? undefined : heldIn(env, reg, slot, 1, BYTE.irq)?.[0];
  if (slot === null || saved === undefined || saved.ref === 0)
    return reject(env, "irq_flag", { argument, what: "nothing is saved in it" });
  readSlots(env, reg.frame, slot, 1);
  if (saved.extra?.kind === "irq" && saved.extra.by !== by)
    reject(env, "irq_flag", { argument, what: "it was saved by the other kind of function" });
  restore(env, saved.ref);
  clearSlots(env, reg.frame, slot, 1);
}

function restore(env: Env, id: number): void {
  const { state } = env;
  if (state.activeIrq !== id) reject(env, "irq_order");
  const at = state.held.findIndex((held) => held.kind === "irq" && held.id === id);
  state.activeIrq = state.held.slice(0, at).findLast((held) => held.kind === "irq")?.id ?? 0;
  state.held = state.held.toSpliced(at, 1);
}
