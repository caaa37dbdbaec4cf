/**
 * Timers in map values: what programs set up with timer_init, timer_set_callback and timer_start, and the host lets expire.
 *
 * Time is the environment's. Nothing expires by itself: whoever moves the clock calls `expire`, which runs what is due, in the
 * order of its moments; a callback may start its timer again.
 */
import { ERRNO } from "./errno.ts";
import type { Run } from "./host.ts";
import type { VmMap } from "./maps/index.ts";

export interface Timer {
  /** Where it is in the value, and the map that has the value. */
  readonly address: number;
  readonly map: VmMap;
  callback: bigint | null;
  /** When it expires, in nanoseconds of the environment's clock; null: not running. */
  due: bigint | null;
  /** The run that started it: its callback is called as part of the same program. */
  run: Run | null;
}

/** sizeof(struct bpf_timer) */
export const TIMER_BYTES = 16;

/** What programs see in `struct bpf_timer`: nothing; here a mark, which goes with the value when an entry is deleted. */
const MARK = 0x72656d6974n;

export class Timers {
  private readonly timers = new Map<number, Timer>();
  /** The timer whose callback is being called. */
  private current: Timer | null = null;

  /** The timer at an address, if one was set up there and the value is still the same entry's. */
  at(address: number, field: Uint8Array): Timer | null {
    const timer = this.timers.get(address);
    if (timer === undefined) return null;
    if (markOf(field) === MARK) return timer;
    this.timers.delete(address);
    return null;
  }

  /** 0, or -EBUSY where there is one already. */
  add(address: number, field: Uint8Array, map: VmMap): number {
    if (this.at(address, field) !== null) return -ERRNO.EBUSY;
    new DataView(field.buffer, field.byteOffset).setBigUint64(0, MARK, true);
    this.timers.set(address, { address, map, callback: null, due: null, run: null });
    return 0;
  }

  /** 1 when it was running, 0 when not, -EDEADLK for one that cancels itself. */
  cancel(timer: Timer): number {
    if (timer === this.current) return -ERRNO.EDEADLK;
    const running = timer.due !== null;
    timer.due = null;
    timer.callback = null;
    return running ? 1 : 0;
  }

  /** When the next timer expires; null when none is running. */
  get next(): bigint | null {
    let least: bigint | null = null;
    for (const { due } of this.timers.values()) if (due !== null && (least === null || due < least)) least = due;
    return least;
  }

  /** Calls `fire` for each timer that is due at `now`, the earliest first, those started meanwhile too. */
  expire(now: bigint, fire: (timer: Timer) => void): void {
    for (let next = this.next; next !== null && next <= now; next = this.next) {
      for (const timer of this.timers.values()) {
        if (timer.due !== next) continue;
        timer.due = null;
        this.fire(timer, fire);
      }
    }
  }

  private fire(timer: Timer, fire: (timer: Timer) => void): void {
    const outer = this.current;
    this.current = timer;
    try {
      fire(timer);
    } finally {
      this.current = outer;
    }
  }
}

function markOf(field: Uint8Array): bigint {
  return new DataView(field.buffer, field.byteOffset).getBigUint64(0, true);
}
