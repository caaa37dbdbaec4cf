/**
 * Where the agent learns of the cluster: a watched folder, and in the same way a Kubernetes watch or a store could be.
 *
 * A source tells complete states, not changes: each is right by itself, so a reader that was busy takes the newest and has missed
 * nothing. What did not change is the same value as before (`===`), table by table and object by object, which makes finding
 * the difference cheap. A state is never worse than what was known: what cannot be read or honoured keeps its last good
 * version, and is told in `diagnostics` for as long as it is wrong.
 */
import type { Diagnostic } from "ebpf-ts/diag";
import type { Cluster } from "../objects/types.ts";

export interface SourceState {
  readonly cluster: Cluster;
  /** All that is wrong now. An error means that something is not in force as it is written. */
  readonly diagnostics: readonly Diagnostic[];
  /** When the first of the events that led here was seen; milliseconds as `performance.now()`. */
  readonly seen: number;
}

export interface Source {
  /** As it is now. */
  readonly state: SourceState;
  /** The state now, and each newer one; ends when the source is closed. Every reader has an iterator of its own. */
  states(): AsyncIterableIterator<SourceState>;
  /** Looks again now, and takes what it finds as somebody meant it; resolves when that is `state`. */
  refresh(): Promise<void>;
  close(): void;
}
