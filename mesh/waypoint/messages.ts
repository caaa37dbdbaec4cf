/**
 * What the agent and the waypoint's process say to each other. Messages arrive in the order in which they were sent: rules
 * come before whatever names them.
 */
import type { DnsFromAgent, DnsToAgent } from "../dns/messages.ts";
import type { Direction } from "../objects/types.ts";
import type { HttpRuleSet } from "../policy/types.ts";
import type { AccessRecord } from "./types.ts";
import type { WaypointCode } from "./diagnostics.ts";

/** Where the datapath's maps are pinned. */
export interface MapPaths {
  readonly steered: string;
  readonly proxied: string;
  readonly listeners: string;
}

/** A pod in whose namespace the waypoint listens. */
export interface WaypointEndpoint {
  /** Number in the kernel's maps. */
  readonly id: number;
  /** File of its network namespace. */
  readonly netns: string;
  /** Canonical text. */
  readonly addresses: readonly string[];
  readonly ingress: boolean;
  readonly egress: boolean;
}

/** Connections that policy cannot tell apart. */
export interface FlowTuple {
  readonly endpoint: number;
  readonly direction: Direction;
  /** Of the other end. */
  readonly remote: string;
  /** Of the server. */
  readonly port: number;
}

/** What holds for such connections: a set of HTTP rules, everything, or nothing. */
export type FlowRules = number | "allow" | "deny";

export type ToWaypoint =
  | {
      readonly kind: "configure";
      readonly maps: MapPaths;
      /** Port of the listeners for egress on loopback. */
      readonly egressPort: number;
      /** File of the node's network namespace; null: that of the process. */
      readonly netns: string | null;
    }
  | { readonly kind: "rules"; readonly set: readonly HttpRuleSet[]; readonly deleted: readonly number[] }
  | { readonly kind: "endpoint"; readonly endpoint: WaypointEndpoint }
  /** Its connections are cut. */
  | { readonly kind: "endpointGone"; readonly id: number }
  | { readonly kind: "verdicts"; readonly verdicts: readonly (readonly [FlowTuple, FlowRules])[] }
  /** Finish what is under way and end. Milliseconds. */
  | { readonly kind: "drain"; readonly grace: number }
  | { readonly kind: "dns"; readonly reply: DnsFromAgent };

export type FromWaypoint =
  | { readonly kind: "ready" }
  /** Whether it listens; on false its flows have to be denied. */
  | { readonly kind: "listening"; readonly endpoint: number; readonly up: boolean }
  /** A connection of a kind that there was none of, or for which the kernel named other rules than hold: `rules`. */
  | { readonly kind: "flow"; readonly tuple: FlowTuple; readonly rules: FlowRules }
  | { readonly kind: "flowGone"; readonly tuple: FlowTuple }
  | { readonly kind: "dns"; readonly message: DnsToAgent }
  | { readonly kind: "records"; readonly records: readonly AccessRecord[] }
  | { readonly kind: "problem"; readonly code: WaypointCode; readonly message: string };

/** As a key. */
export function keyOfTuple({ endpoint, direction, remote, port }: FlowTuple): string {
  return `${endpoint} ${direction} ${remote} ${port}`;
}
