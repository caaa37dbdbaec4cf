/**
 * What all parts of the node share: clock, log, memory, counters, and the work that interrupts would do.
 *
 * Nothing happens by itself. A call of the test (`operate`) does its part and leaves work behind, such as a frame on its
 * way; before the call returns, all work is done in the order in which it came up, as the kernel's soft interrupts would
 * do it. Only time is left to `advance`.
 */
import { environment } from "../environment.ts";
import type { Environment } from "../environment.ts";
import { Host } from "../host.ts";
import { Clock } from "./clock.ts";
import type { IpPacket } from "./frame.ts";
import type { Interface } from "./interface.ts";
import { Log } from "./log.ts";
import type { Namespace } from "./namespace.ts";
import type { Skb } from "./skb.ts";
import type { Task, World } from "../world.ts";

/** Takes a packet for this host, of one transport protocol. */
export type Transport = (skb: Skb, ip: IpPacket, device: Interface) => void;

/**
 * What the layers below hand packets up to. Layers call downwards by import and upwards by this table, which the node
 * fills in (node.ts).
 */
export interface Upward {
  /** The network layer. */
  network(skb: Skb, device: Interface): void;
  /** The link-layer header of a packet that is to leave by the device; null when there is no way. */
  nextHop(skb: Skb, device: Interface): Uint8Array | null;
  /** By IP protocol. */
  readonly transports: ReadonlyMap<number, Transport>;
}

export class Kernel {
  readonly clock = new Clock();
  readonly log: Log;
  readonly host: Host;
  readonly up: Upward;
  private readonly work: (() => void)[] = [];
  private readonly background: (() => void)[] = [];
  private depth = 0;
  private currentNamespace: Namespace | null = null;
  private currentTask: Task;
  private readonly counters = new Map<string, number>();

  constructor(given: Partial<Environment>, up: Upward, world: (kernel: Kernel) => World, task: Task) {
    this.up = up;
    this.currentTask = task;
    this.log = new Log(() => this.clock.now);
    this.host = new Host(environment({ now: () => this.clock.nanoseconds, ...given }), () => world(this));
  }

  /** Numbers of a sequence that starts at `first`: cookies, interface indices, initial sequence numbers. */
  count(sequence: string, first = 1): number {
    const next = this.counters.get(sequence) ?? first;
    this.counters.set(sequence, next + 1);
    return next;
  }

  /** Leaves work for after what is going on now. */
  defer(work: () => void): void {
    this.work.push(work);
  }

  /** Leaves work for a worker thread: each piece is done when there is nothing else to do, as on an idle CPU. */
  later(work: () => void): void {
    this.background.push(work);
  }

  /** The namespace of the event that a program sees; null outside of one. */
  get namespace(): Namespace | null {
    return this.currentNamespace;
  }

  /** Who made the call that is going on, or the last one. */
  get task(): Task {
    return this.currentTask;
  }

  /** Runs a program at an event in a namespace. */
  within<T>(namespace: Namespace, run: () => T): T {
    const before = this.currentNamespace;
    this.currentNamespace = namespace;
    try {
      return run();
    } finally {
      this.currentNamespace = before;
    }
  }

  /** Performs a call of the test, then everything that it caused. */
  operate<T>(call: () => T, task: Task = this.currentTask): T {
    this.currentTask = task;
    this.depth++;
    try {
      return call();
    } finally {
      this.depth--;
      if (this.depth === 0) this.settle();
    }
  }

  /** Lets virtual time pass; timers run on the way. */
  advance(ms: number): void {
    this.operate(() => this.clock.advance(ms, () => this.settle()));
  }

  private next(): (() => void) | undefined {
    return this.work.shift() ?? this.background.shift();
  }

  private settle(): void {
    this.depth++;
    try {
      for (let work = this.next(); work !== undefined; work = this.next()) work();
    } finally {
      this.depth--;
    }
  }
}
