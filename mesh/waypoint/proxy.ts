/**
 * The proxy: connections from listeners, the origin of each from steering, a relay for each, and time.
 *
 * A connection that the kernel knows nothing of (somebody dialled the listener itself) is closed: without an origin there are
 * no rules that could admit it.
 */
import { closeSync } from "node:fs";
import type { Accepted, TcpListener } from "ebpf-ts/loader";
import { Relay } from "./relay.ts";
import type { RelayContext } from "./relay.ts";
import type { AccessRecord, ConnectionPolicy, Dialer, ListenerRole, Origin, Protocol } from "./types.ts";

/** What the kernel knows of a connection; null: nothing. */
export interface Steering {
  originOf(connection: Accepted, role: ListenerRole): Origin | null;
}

/** The live policy of connections. Those with the same policy may share the object. */
export interface Policies {
  /** Null: its rules have not come yet; asked again after `policiesChanged`. */
  open(origin: Origin): ConnectionPolicy | null;
  /** One connection fewer. */
  close(origin: Origin): void;
}

export interface ProxyOptions {
  readonly protocol: Protocol;
  readonly steering: Steering;
  readonly policies: Policies;
  readonly dialer: Dialer;
  readonly timeouts: Timeouts;
  record(record: AccessRecord): void;
  /** A connection was closed because nothing is known of it, or a listener could not accept. */
  complain(message: string): void;
}

/** Seconds. */
export interface Timeouts {
  /** From a head's first byte to its last. */
  readonly head: number;
  /** Without a request. */
  readonly idle: number;
  /** Without a byte inside of an exchange. */
  readonly exchange: number;
  readonly connect: number;
  /** For the client to end its side after the last answer. */
  readonly close: number;
}

export const TIMEOUTS: Timeouts = { head: 10, idle: 3600, exchange: 3600, connect: 5, close: 2 };

/** How long a listener rests after it could not accept (too many open files). Milliseconds. */
const ACCEPT_PAUSE = 100;

interface Early {
  readonly fd: number;
  readonly origin: Origin;
  seconds: number;
}

/** How long a connection waits for rules that the kernel knows already, in seconds. */
const EARLY_LIMIT = 2;

export class Proxy {
  private readonly options: ProxyOptions;
  private readonly context: RelayContext;
  private readonly relays = new Set<Relay>();
  private readonly listeners = new Set<TcpListener>();
  /** Accepted, but their rules are still on their way. */
  private readonly early = new Set<Early>();
  private readonly timer: NodeJS.Timeout;
  private draining = false;
  private drained: (() => void) | null = null;

  constructor(options: ProxyOptions) {
    this.options = options;
    this.context = {
      protocol: options.protocol,
      dialer: options.dialer,
      record: (record) => options.record(record),
      closed: (relay) => this.closed(relay),
    };
    this.timer = setInterval(() => this.tick(), 1000).unref();
  }

  get connections(): number {
    return this.relays.size;
  }

  /** Takes connections from a listener until the listener is closed. The proxy closes it. */
  serve(listener: TcpListener, role: ListenerRole): void {
    this.listeners.add(listener);
    void this.accept(listener, role);
  }

  /** Ends what has no rules any more. Call after policies changed. */
  policiesChanged(): void {
    for (const waiting of [...this.early]) {
      this.early.delete(waiting);
      this.begin(waiting);
    }
    for (const relay of this.relays) if (relay.policy.judge === null) relay.policyChanged();
  }

  /**
   * Stops listening, lets requests finish, and resolves when all connections have ended. A client that sends another request
   * is told that it was the last; one that sends none is closed after half of `grace` (ms), and after all of it whoever is left.
   */
  async drain(grace: number): Promise<void> {
    this.draining = true;
    for (const listener of this.listeners) this.stop(listener);
    for (const relay of this.relays) relay.drain();
    const idle = setTimeout(() => this.endIdle(), grace / 2);
    const cut = setTimeout(() => this.relays.forEach((relay) => relay.abort()), grace);
    await new Promise<void>((resolve) => {
      this.drained = resolve;
      this.checkDrained();
    });
    clearTimeout(idle);
    clearTimeout(cut);
    clearInterval(this.timer);
  }

  private endIdle(): void {
    for (const relay of this.relays) if (relay.waitsFor === "request") relay.timedOut("idleTimeout");
  }

  /** Cuts everything now. */
  close(): void {
    clearInterval(this.timer);
    for (const listener of this.listeners) this.stop(listener);
    for (const relay of this.relays) relay.abort();
    for (const { fd } of this.early) closeSync(fd);
  }

  stop(listener: TcpListener): void {
    this.listeners.delete(listener);
    listener.close();
  }

  private async accept(listener: TcpListener, role: ListenerRole): Promise<void> {
    while (!listener.closed) {
      try {
        for await (const connection of listener) this.open(connection, role);
      } catch (error) {
        this.options.complain(`cannot accept connections: ${String(error)}`);
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE));
      }
    }
  }

  private open(connection: Accepted, role: ListenerRole): void {
    const origin = this.options.steering.originOf(connection, role);
    if (origin !== null) {
      this.begin({ fd: connection.fd, origin, seconds: 0 });
      return;
    }
    const { local, remote, fd } = connection;
    const ends = `${remote.address}:${remote.port} to ${local.address}:${local.port}`;
    this.options.complain(`closed a connection that no policy sent here: ${ends}`);
    closeSync(fd);
  }

  private begin(early: Early): void {
    const { fd, origin } = early;
    const policy = this.options.policies.open(origin);
    if (policy === null) {
      this.early.add(early);
      return;
    }
    const relay = new Relay(fd, origin, policy, this.context);
    this.relays.add(relay);
    if (this.draining) relay.drain();
  }

  private giveUp(early: Early): void {
    this.early.delete(early);
    closeSync(early.fd);
    this.options.complain(
      `closed a connection of endpoint ${early.origin.endpoint}: HTTP rules ${early.origin.l7} never came`,
    );
  }

  private closed(relay: Relay): void {
    this.relays.delete(relay);
    this.options.policies.close(relay.origin);
    this.checkDrained();
  }

  private checkDrained(): void {
    if (this.draining && this.relays.size === 0) this.drained?.();
  }

  /** Once a second; time-outs are counted in these. */
  private tick(): void {
    const { timeouts } = this.options;
    for (const early of this.early) if (++early.seconds > EARLY_LIMIT) this.giveUp(early);
    for (const relay of this.relays) {
      relay.quiet++;
      relay.waiting++;
      if (relay.connecting && relay.quiet > timeouts.connect) relay.connectTimedOut();
      switch (relay.waitsFor) {
        case "head":
          if (relay.waiting > timeouts.head) relay.timedOut("headTimeout");
          break;
        case "request":
          relay.waiting = 0;
          if (relay.quiet > timeouts.idle) relay.timedOut("idleTimeout");
          break;
        case "exchange":
          if (relay.quiet > timeouts.exchange) relay.timedOut("idleTimeout");
          break;
        case "close":
          if (relay.waiting > timeouts.close) relay.abort();
      }
    }
  }
}
