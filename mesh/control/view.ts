/**
 * What an agent shows of itself, and what it can be asked to do: the contract between the agent (mesh/agent implements it),
 * its socket (`api.ts` serves it) and whoever reads it (metrics, the command line, the test bed).
 *
 * The agent gives facts as it has them; joins for readers (rules with their counters, addresses with their pods) are made
 * by the readers. Every method answers from memory but `counters`, `maps` and `checkDrift`, which read the kernel.
 */
import type { Diagnostic } from "ebpf-ts/diag";
import type { FlowLog } from "../observe/log.ts";
import type { Cluster, ObjectRef } from "../objects/types.ts";
import type { PolicyEngine } from "../policy/types.ts";

/** Cilium's names. `ready`: its policy is in force. */
export type EndpointState =
  | "waiting-for-identity"
  | "regenerating"
  | "ready"
  | "not-ready"
  | "disconnecting"
  | "restoring";

/** What a CNI plugin says of a pod whose interface it has made, and not yet set up. */
export interface EndpointRegistration {
  readonly namespace: string;
  readonly name: string;
  /** Host side of its veth, by name, in the agent's network namespace. */
  readonly interface: string;
  /** Path of its network namespace, as /run/netns/x. */
  readonly netns: string;
  /** Path of its cgroup v2 folder; null: socket hooks do not see it, packets are translated and judged at the veth. */
  readonly cgroup: string | null;
  /** IPv4 and IPv6, canonical text: the only ones that it may use. */
  readonly addresses: readonly string[];
}

export interface EndpointView extends EndpointRegistration {
  /** Number in the kernel's maps. */
  readonly id: number;
  readonly interfaceIndex: number;
  readonly identity: number;
  /** Of the identity, as `k8s:app=backend`. */
  readonly labels: readonly string[];
  readonly state: EndpointState;
  /** Why it is not ready; null: it is. */
  readonly problem: string | null;
  /** Of the policy that is in force in the kernel. */
  readonly revision: number;
  /** Which directions some policy closed. */
  readonly enforcing: { readonly ingress: boolean; readonly egress: boolean };
  /** Whether some flow of it needs the waypoint, and whether it listens there. */
  readonly waypoint: "none" | "up" | "down";
}

/** One thing that has to be right. `failed`: the agent is not ready. `degraded`: as safe, less fast or less complete. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "degraded" | "failed";
  readonly message: string;
}

/** A feature of the kernel: whether it is there, and what is done instead. */
export interface Probe {
  readonly feature: string;
  readonly available: boolean;
  /** Why not, or what it is used for. */
  readonly detail: string;
  /** What takes its place; null: nothing has to, or nothing can. */
  readonly fallback: string | null;
}

/** How full a map is. An inner map of a policy counts as `policies/NAMESPACE/NAME`. */
export interface MapUse {
  readonly name: string;
  readonly entries: number;
  readonly capacity: number;
  /** An array, or a socket's storage: it cannot run full. */
  readonly fixed: boolean;
  /** Bytes of kernel memory, as its fdinfo says; null: not known. */
  readonly memory: number | null;
}

/** Something in the kernel that is not as the agent left it. */
export interface Drift {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly what: string;
  readonly repaired: boolean;
}

export interface WaypointView {
  /** `stopped`: no policy asks for it. */
  readonly state: "stopped" | "starting" | "running" | "failed";
  readonly pid: number | null;
  /** `namespace/name` of the endpoints in whose namespaces it listens. */
  readonly endpoints: readonly string[];
  readonly restarts: number;
  readonly message: string | null;
}

export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

/** The kernel's counters, summed over CPUs. Numbers as in programs/mesh/tables.ts. */
export interface Counters {
  /** `reason` 0: passed. */
  readonly byReason: readonly (Traffic & { readonly reason: number; readonly direction: number })[];
  readonly byRule: ReadonlyMap<number, Traffic>;
  readonly byPair: readonly (Traffic & {
    /** EndpointView.id. */
    readonly endpoint: number;
    readonly identity: number;
    readonly direction: number;
    readonly action: number;
  })[];
  /** Events that found the ring buffer full. */
  readonly lostEvents: number;
}

/** A service as the kernel has it. */
export interface ServiceView {
  readonly namespace: string;
  readonly name: string;
  readonly frontends: readonly ServiceFrontend[];
}

export interface ServiceFrontend {
  readonly address: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  /** Seconds; 0: none. */
  readonly affinity: number;
  readonly algorithm: "random" | "maglev";
  readonly backends: readonly {
    readonly address: string;
    readonly port: number;
    readonly weight: number;
    /** Takes new connections; else it only finishes those that it has. */
    readonly active: boolean;
    readonly node: string | null;
  }[];
}

/** What the agent knows of its sources. */
export interface PolicyState {
  /** Counts changes of the cluster that were compiled; an endpoint's `revision` follows when they are in the kernel. */
  readonly revision: number;
  /** What was refused, as placed diagnostics. The last good version of each object stays in force. */
  readonly problems: readonly Diagnostic[];
  /** Changes since the start, by outcome. */
  readonly changes: { readonly ok: number; readonly failed: number };
  /** The policies in force. */
  readonly objects: readonly ObjectRef[];
}

export interface AgentView {
  /** Name of the node. */
  readonly node: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly started: number;
  /** From the start until policy was in force for the first time; null: not yet. */
  readonly bootstrapMilliseconds: number | null;
  /** For reading only: no one but the agent changes it. */
  readonly engine: Pick<
    PolicyEngine,
    "node" | "explain" | "explainDns" | "policyOf" | "rule" | "httpRules" | "labelsOf" | "identityOf"
  >;
  /** Recent flows and their followers. */
  readonly flows: FlowLog;
  cluster(): Cluster;
  policy(): PolicyState;
  endpoints(): readonly EndpointView[];
  services(): readonly ServiceView[];
  checks(): readonly Check[];
  probes(): readonly Probe[];
  waypoint(): WaypointView;
  /** The last ones that were seen, newest last. */
  drift(): readonly Drift[];
  counters(): Counters;
  /** Counts entries map by map, with turns for others in between: a full one takes tens of milliseconds. */
  maps(): Promise<readonly MapUse[]>;
  /**
   * Puts policy in force for a pod; resolves when it is. The same registration again changes nothing and resolves too; another
   * one of the same pod replaces it. Rejects with a `DiagnosticError` (A0xx) and leaves nothing behind.
   */
  register(registration: EndpointRegistration): Promise<EndpointView>;
  /** Takes a pod's programs and entries away; false: there is no such endpoint. */
  unregister(namespace: string, name: string): Promise<boolean>;
  /** Reads the sources again now, and resolves when what they say is in the kernel: its revision. */
  refresh(): Promise<number>;
  /** Compares the kernel with what should be there, repairs, and tells what was found. */
  checkDrift(): Promise<readonly Drift[]>;
  /** Ends the agent and takes everything out of the kernel: pods keep their traffic, without policy. */
  uninstall(): Promise<void>;
}
