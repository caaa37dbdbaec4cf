/**
 * What happened on the node, in order: packets on interfaces, program runs with their verdicts, changes of TCP states,
 * and packets that were dropped, each with the reason. Tests assert on it; people read it.
 */
import type { Fault } from "../fault.ts";

/**
 * Why a packet went no further.
 *   program         a program's verdict                       link      the interface (or its other end) is down
 *   no_route        no route to the destination               neighbour nobody on the link has the next hop's address
 *   ttl             time to live used up while forwarding     not_local not for this host, which does not forward
 *   malformed       headers or checksums are wrong            no_socket nobody listens there
 *   no_interface    a redirect to an interface that is not there
 *   closed          the socket takes nothing any more         queue_full  a receive buffer or the accept queue is full
 *   big             larger than the MTU and not to be fragmented
 */
// prettier-ignore
export type DropReason =
  | "program" | "link" | "no_route" | "neighbour" | "ttl" | "not_local" | "malformed" | "no_socket" | "no_interface" | "closed"
  | "queue_full" | "big";

/** `at` is milliseconds of virtual time. */
export type LogEntry = { readonly at: number } & LogEvent;

// prettier-ignore
export type LogEvent =
  /** A frame on an interface; `out` before it is on the wire, `in` before any program but XDP. */
  | { readonly kind: "packet"; readonly namespace: string; readonly interface: string; readonly direction: "in" | "out"; readonly summary: string }
  | { readonly kind: "drop"; readonly namespace: string; readonly reason: DropReason; readonly summary: string }
  /** A program ran; `verdict` is its return value, null after a fault. */
  | { readonly kind: "run"; readonly program: string; readonly hook: string; readonly verdict: number | null }
  | { readonly kind: "fault"; readonly program: string; readonly fault: Fault }
  | { readonly kind: "state"; readonly socket: string; readonly from: string; readonly to: string };

/** What `LogEvent` of a kind has. */
export type LogOf<K extends LogEvent["kind"]> = Extract<LogEntry, { readonly kind: K }>;

export class Log {
  readonly entries: LogEntry[] = [];
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  add(event: LogEvent): void {
    this.entries.push({ at: this.now(), ...event });
  }

  /** Entries of one kind. */
  of<K extends LogEvent["kind"]>(kind: K): LogOf<K>[] {
    return this.entries.filter((entry): entry is LogOf<K> => entry.kind === kind);
  }

  clear(): void {
    this.entries.length = 0;
  }
}
