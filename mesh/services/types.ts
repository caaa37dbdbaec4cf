/**
 * Services as the kernel knows them: addresses in front, backends behind, and between them tables of slots.
 * `programs/mesh/services.ts` tells how the kernel reads the same.
 */
import type { Diagnostic } from "ebpf-ts/diag";
import type { EndpointSlice, Pod, Service } from "../objects/types.ts";
import type { Slot } from "./alias.ts";

/** Key of `Frontend`: `10.96.0.10:53/UDP`, `[fd00::10]:53/UDP`. */
export type FrontendKey = string;
export type Algorithm = Service["algorithm"];

/** One address, port and protocol of a service. */
export interface Frontend {
  readonly key: FrontendKey;
  /** From 1; stays the same as long as the key is a service's. */
  readonly id: number;
  readonly address: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  /** Seconds; 0: none. */
  readonly affinity: number;
  readonly algorithm: Algorithm;
  /** In the order of their addresses. */
  readonly backends: readonly Backend[];
  /** Null: nobody takes new flows, connecting is refused. */
  readonly table: SlotTable | null;
  /** What it was made of; null when it was read from the kernel, which does not know. */
  readonly sources: Sources | null;
}

/** A backend belongs to one frontend. */
export interface Backend {
  /** Its place in the kernel's array, from 1; stays the same. Somebody else may have it after it has been free for one state. */
  readonly number: number;
  readonly address: string;
  readonly port: number;
  /** Terminating: no new flows, the ones that it has go on. */
  readonly state: "active" | "terminating";
  /** Relative to the others'. */
  readonly weight: number;
  /** Null: unknown, or outside of the cluster. */
  readonly node: string | null;
}

/** Immutable: another content is another table. `number`: its first place in the kernel's array; of Maglev, its key in a map. */
export type SlotTable =
  | { readonly algorithm: "random"; readonly number: number; readonly slots: readonly Slot[] }
  | { readonly algorithm: "maglev"; readonly number: number; readonly slots: readonly number[] };

export interface Sources {
  readonly service: Service;
  readonly port: string;
  /** EndpointSlices, or the pods that the selector found when there are none. */
  readonly behind: readonly (EndpointSlice | Pod)[];
}

export interface ServiceTables {
  readonly frontends: ReadonlyMap<FrontendKey, Frontend>;
  /** The next numbers to give, which were never used. */
  readonly next: { readonly service: number; readonly maglev: number };
  /** What could not be done as it was asked for. */
  readonly problems: readonly Diagnostic[];
}
