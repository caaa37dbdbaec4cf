/**
 * Virtual time: it stands still until the test lets it pass (`Clock.advance`), and timers run at their moments in order.
 * Timers due at the same moment run in the order in which they were set.
 */

/** Boot was this long before the node was made, so that no time stamp is zero. */
const UPTIME_MS = 1000;

export interface Timer {
  /** Milliseconds, on the clock's scale. */
  readonly due: number;
  readonly run: () => void;
}

export class Clock {
  private time = UPTIME_MS;
  private readonly timers = new Set<Timer>();

  /** Milliseconds since boot. */
  get now(): number {
    return this.time;
  }
  /** Nanoseconds since boot: what ktime_get_ns gives. */
  get nanoseconds(): bigint {
    return BigInt(Math.round(this.time * 1e6));
  }

  /** Runs `run` when `ms` from now have passed, unless the timer is cancelled before. */
  after(ms: number, run: () => void): Timer {
    const timer = { due: this.time + ms, run };
    this.timers.add(timer);
    return timer;
  }

  /** No harm for a timer that has run, or for none. */
  cancel(timer: Timer | null): void {
    if (timer !== null) this.timers.delete(timer);
  }

  /** Lets time pass; `settle` is called after each timer, before the next one. */
  advance(ms: number, settle: () => void): void {
    const until = this.time + ms;
    for (let timer = this.first(until); timer !== null; timer = this.first(until)) {
      this.timers.delete(timer);
      this.time = Math.max(this.time, timer.due);
      timer.run();
      settle();
    }
    this.time = until;
  }

  private first(until: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.timers) {
      if (timer.due <= until && (first === null || timer.due < first.due)) first = timer;
    }
    return first;
  }
}
