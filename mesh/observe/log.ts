/**
 * The flow log: a bounded ring of recent flows, and whoever follows it. Names are looked up when a flow arrives, not when it
 * is read: a minute later the pod may be gone and its address somebody else's.
 *
 * A follower has a bounded queue of its own. One that reads too slowly loses flows, and is told how many; it never holds up
 * the agent or others.
 */
import type { DnsRecord } from "../dns/messages.ts";
import type { AccessRecord } from "../waypoint/types.ts";
import { flowOfAccess, flowOfDns, flowOfEvent } from "./flow.ts";
import type { FlowContext } from "./flow.ts";
import { readFlowEvent } from "./event.ts";
import { matcherOf } from "./filter.ts";
import type { FlowFilter } from "./filter.ts";
import type { Flow } from "./types.ts";

export interface FlowLogOptions {
  /** How many flows are kept. */
  readonly capacity?: number;
  /** How many flows wait for a follower at most. */
  readonly queue?: number;
}

export interface FollowOptions {
  readonly filter?: FlowFilter;
  /** How many of those that are there already come first; default: none. */
  readonly last?: number;
  readonly signal?: AbortSignal;
}

/** What a follower gets: a flow, or that `lost` flows came while its queue was full. */
export type Followed = { readonly flow: Flow } | { readonly lost: number };

/** Called for each flow; must be quick and must not throw. */
export type FlowListener = (flow: Flow) => void;

export class FlowLog {
  private readonly context: FlowContext;
  private readonly capacity: number;
  private readonly queue: number;
  private readonly ring: Flow[] = [];
  private readonly listeners = new Set<FlowListener>();
  private readonly clock = new WallClock();
  private next = 0;
  private lostByFollowers = 0;
  private malformedEvents = 0;

  constructor(context: FlowContext, { capacity = 4096, queue = 4096 }: FlowLogOptions = {}) {
    this.context = context;
    this.capacity = capacity;
    this.queue = queue;
  }

  /** An event of the kernel's ring buffer; its bytes may be reused afterwards. */
  add(bytes: Uint8Array): void {
    const event = readFlowEvent(bytes);
    if (event === null) this.malformedEvents++;
    else this.put(flowOfEvent(event, this.context, this.clock.fromMonotonic(event.time), this.next));
  }

  /** A line of the waypoint's access log. */
  addAccess(record: AccessRecord): void {
    this.put(flowOfAccess(record, this.context, this.next));
  }

  /** A question that came to the DNS proxy. */
  addDns(record: DnsRecord): void {
    this.put(flowOfDns(record, this.context, this.next));
  }

  /** Flows seen since the start. */
  get seen(): number {
    return this.next;
  }

  /** Flows that some follower was too slow for, and events shorter than an event. */
  get lost(): { readonly followers: number; readonly malformed: number } {
    return { followers: this.lostByFollowers, malformed: this.malformedEvents };
  }

  /** Flows that are kept, oldest first; with `last` the newest so many of those that match. */
  recent(filter: FlowFilter = {}, last = Infinity): readonly Flow[] {
    const matches = matcherOf(filter);
    const found: Flow[] = [];
    // From the newest back: `last` of a narrow filter looks no further than it must.
    for (let n = this.next - 1; n >= this.next - this.ring.length && found.length < last; n--) {
      const flow = this.ring[n % this.capacity];
      if (flow !== undefined && matches(flow)) found.push(flow);
    }
    return found.toReversed();
  }

  /** Calls for each flow from now on; gives the way to stop it. */
  listen(listener: FlowListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Flows as they come, until the signal. */
  async *follow({ filter = {}, last = 0, signal }: FollowOptions = {}): AsyncGenerator<Followed> {
    const matches = matcherOf(filter);
    const waiting: Flow[] = [];
    let lost = 0;
    let wake: () => void = () => {};
    // Listening starts before the first old flow is given, so that none falls between.
    const old = this.recent(filter, last);
    const stop = this.listen((flow) => {
      if (!matches(flow)) return;
      if (waiting.length >= this.queue) {
        lost++;
        this.lostByFollowers++;
      } else waiting.push(flow);
      wake();
    });
    const onAbort = (): void => wake();
    signal?.addEventListener("abort", onAbort);
    const ended = (): boolean => signal?.aborted === true;
    try {
      for (const flow of old) yield { flow };
      while (!ended()) {
        for (const flow of waiting.splice(0)) yield { flow };
        if (lost > 0) {
          const told = lost;
          lost = 0;
          yield { lost: told };
        }
        // While a value was being looked at, more may have come.
        if (waiting.length === 0 && !ended()) await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      stop();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  private put(flow: Flow): void {
    this.ring[this.next % this.capacity] = flow;
    this.next++;
    for (const listener of this.listeners) listener(flow);
  }
}

/** How long an offset between the clocks is used; the wall clock may be set meanwhile. */
const CLOCK_INTERVAL = 10_000;

/** Turns the kernel's monotonic nanoseconds into milliseconds since the epoch. */
class WallClock {
  private offset = 0;
  private measured = -Infinity;

  fromMonotonic(nanoseconds: number): number {
    const milliseconds = nanoseconds / 1e6;
    if (milliseconds - this.measured > CLOCK_INTERVAL) {
      // process.hrtime is CLOCK_MONOTONIC, as is bpf_ktime_get_ns.
      const now = Number(process.hrtime.bigint()) / 1e6;
      this.offset = Date.now() - now;
      this.measured = now;
    }
    return milliseconds + this.offset;
  }
}
