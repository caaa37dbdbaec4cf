/** Helpers that ask about the world outside: all of it is injected (environment.ts, world.ts). */
import type { Implementations } from "./helper.ts";

export const SYSTEM_HELPERS = {
  ktime_get_ns: (host) => host.environment.now(),
  ktime_get_boot_ns: (host) => host.environment.now(),
  get_prandom_u32: (host) => BigInt(host.environment.random()),
  get_smp_processor_id: (host) => BigInt(host.run.cpu),
  get_current_pid_tgid: (host) => {
    const { tgid, pid } = host.world.task();
    return (BigInt(tgid) << 32n) | BigInt(pid);
  },
} satisfies Implementations;
