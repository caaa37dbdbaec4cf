/** Helpers that ask about time, machine and current task: all of it is injected (environment.ts, world.ts). */
import { ERRNO } from "../errno.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** Of a jiffy, and of the coarse clock: CONFIG_HZ=250. */
const TICK = 4_000_000n;
/** jiffies start so that they wrap around five minutes after boot (INITIAL_JIFFIES). */
const FIRST_JIFFY = (1n << 32n) - 300n * (1_000_000_000n / TICK);

const TASK = "struct task_struct";

export const SYSTEM_HELPERS = {
  ktime_get_ns: (host) => host.environment.now(),
  // Nothing is ever suspended here.
  ktime_get_boot_ns: (host) => host.environment.now(),
  ktime_get_coarse_ns: (host) => (host.environment.now() / TICK) * TICK,
  // The kernel's offset of TAI is 0 until somebody sets it.
  ktime_get_tai_ns: (host) => host.environment.bootTime + host.environment.now(),
  jiffies64: (host) => FIRST_JIFFY + host.environment.now() / TICK,
  get_prandom_u32: (host) => BigInt(host.environment.random()),
  get_smp_processor_id: (host) => BigInt(host.run.cpu),
  get_numa_node_id: () => 0n,
  get_current_pid_tgid: (host) => {
    const { tgid, pid } = host.world.task();
    return (BigInt(tgid) << 32n) | BigInt(pid);
  },
  get_current_uid_gid: (host) => {
    const { uid, gid } = host.world.task();
    return (BigInt(gid) << 32n) | BigInt(uid);
  },
  get_current_task: (host) => BigInt(host.objectAddress(host.world.task(), TASK)),
  get_current_task_btf: (host) => BigInt(host.objectAddress(host.world.task(), TASK)),
  get_current_comm: (host, r1, r2) => {
    const into = host.bytes(r1, u32(r2), true);
    if (into.length === 0) return result(-ERRNO.EINVAL);
    into.fill(0);
    into.set(new TextEncoder().encode(host.world.task().comm).subarray(0, into.length - 1));
    return 0n;
  },
} satisfies Implementations;
