/**
 * Spin locks in map values, and pointers kept there. There is one CPU at a time here, so a lock is never contended; what is
 * checked is what the kernel's verifier demands: one lock at a time, unlocked before the end. Source: bpf-helpers(7).
 */
import { Trap } from "../fault.ts";
import type { Host } from "../host.ts";
import type { Implementations } from "./helper.ts";

const LOCK = "a spin lock";

export const LOCK_HELPERS = {
  spin_lock: (host, r1) => {
    const { run } = host;
    host.bytes(r1, 4, true);
    if (run.lock !== null) throw new Trap("argument", "spin_lock while another lock is held");
    run.lock = Number(r1);
    run.references.acquire(Number(r1), LOCK);
    return 0n;
  },
  spin_unlock: (host, r1) => {
    const { run } = host;
    if (run.lock !== Number(r1)) throw new Trap("argument", "spin_unlock of a lock that is not held");
    run.lock = null;
    run.references.release(Number(r1), "spin_unlock");
    return 0n;
  },
  /** The pointer given is the map's from now on, the one that was there the program's. */
  kptr_xchg: (host, r1, pointer) => {
    const field = host.bytes(r1, 8, true);
    const view = new DataView(field.buffer, field.byteOffset);
    const old = view.getBigUint64(0, true);
    view.setBigUint64(0, pointer, true);
    handOver(host, pointer, old);
    return old;
  },
} satisfies Implementations;

function handOver(host: Host, given: bigint, taken: bigint): void {
  const { references } = host.run;
  if (given !== 0n) references.release(Number(given), "kptr_xchg");
  if (taken !== 0n) references.acquire(Number(taken), "an object that it took out of a map");
}
