/** Helpers on timers in map values (timers.ts). Source: bpf-helpers(7), what Linux 6.18 answers. */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { TIMER_BYTES } from "../timers.ts";
import type { Timer } from "../timers.ts";
import { result } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME. */
const CLOCKS = [0n, 1n, 7n];
const REALTIME = 0n;
/** BPF_F_TIMER_ABS, BPF_F_TIMER_CPU_PIN. */
const F = { absolute: 1n, all: 3n };

export const TIMER_HELPERS = {
  timer_init: (host, r1, r2, clock) => {
    const map = host.map(r2);
    const field = host.bytes(r1, TIMER_BYTES, true);
    if (!CLOCKS.includes(clock)) return result(-ERRNO.EINVAL);
    const added = host.timers.add(Number(r1), field, map);
    // The clock matters for absolute times only: all tick alike.
    if (added === 0) field[8] = Number(clock);
    return result(added);
  },
  timer_set_callback: (host, r1, callback) => {
    const timer = timerAt(host, r1);
    if (timer === null) return result(-ERRNO.EINVAL);
    timer.callback = callback;
    return 0n;
  },
  timer_start: (host, r1, nanoseconds, flags) => {
    const timer = timerAt(host, r1);
    if ((flags & ~F.all) !== 0n || timer === null || timer.callback === null) return result(-ERRNO.EINVAL);
    const absolute = (flags & F.absolute) !== 0n;
    const wall = absolute && BigInt(host.bytes(r1, TIMER_BYTES)[8] ?? 1) === REALTIME;
    const from = absolute ? (wall ? -host.environment.bootTime : 0n) : host.environment.now();
    timer.due = from + nanoseconds;
    timer.run = host.run;
    return 0n;
  },
  timer_cancel: (host, r1) => {
    const timer = timerAt(host, r1);
    return result(timer === null ? -ERRNO.EINVAL : host.timers.cancel(timer));
  },
} satisfies Implementations;

function timerAt(host: Host, register: bigint): Timer | null {
  return host.timers.at(Number(register), host.bytes(register, TIMER_BYTES, true));
}
