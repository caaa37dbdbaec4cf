/**
 * Sections that a program enters and must leave: RCU, disabled preemption or interrupts, resilient spin locks. Nothing else
 * runs here meanwhile, so entering is only kept account of: leaving what was not entered and forgetting to leave are faults,
 * as the kernel's verifier has it. Source: docs.kernel.org/bpf/kfuncs.html.
 */
import type { Implementation } from "../helpers/helper.ts";
import { int } from "./table.ts";
import type { KernelFunctions } from "./table.ts";

/** Sections have no address: these stand for them, and are none of memory. */
const RCU = -1;
const PREEMPTION = -2;

export const SECTION_FUNCTIONS = {
  bpf_rcu_read_lock: enter(RCU, "the RCU read lock"),
  bpf_rcu_read_unlock: leave(RCU, "bpf_rcu_read_unlock"),
  bpf_preempt_disable: enter(PREEMPTION, "preemption, which it disabled"),
  bpf_preempt_enable: leave(PREEMPTION, "bpf_preempt_enable"),
  bpf_local_irq_save: enterAt("interrupts, which it disabled", 0),
  bpf_local_irq_restore: leaveAt("bpf_local_irq_restore", 0),
  bpf_res_spin_lock: enterAt("a resilient spin lock", 0),
  bpf_res_spin_unlock: leaveAt("bpf_res_spin_unlock", 0),
  bpf_res_spin_lock_irqsave: enterAt("a resilient spin lock", 0),
  bpf_res_spin_unlock_irqrestore: leaveAt("bpf_res_spin_unlock_irqrestore", 0),
} satisfies KernelFunctions;

function enter(section: number, what: string): Implementation {
  return (host) => {
    host.run.references.acquire(section, what);
    return 0n;
  };
}
function leave(section: number, name: string): Implementation {
  return (host) => {
    host.run.references.release(section, name);
    return 0n;
  };
}

/** The section of a lock, or of flags on the stack, whose address is the first argument. */
function enterAt(what: string, outcome: number): Implementation {
  return (host, r1) => {
    host.bytes(r1, 4, true);
    host.run.references.acquire(Number(r1), what);
    return int(outcome);
  };
}
function leaveAt(name: string, outcome: number): Implementation {
  return (host, r1) => {
    host.run.references.release(Number(r1), name);
    return int(outcome);
  };
}
