/** What a test needs of the place where its programs run. Two implement it: vm-target.ts and kernel-target.ts. */
import type { ProgramSpec, Value } from "../lib/object/index.ts";
import type { MapView } from "../lib/vm/index.ts";
import type { Event, Outcome, TargetName } from "./result.ts";

export interface Target {
  readonly name: TargetName;
  run(program: ProgramSpec, event: Event): Outcome;
  map<K, V>(name: string): MapView<K, V>;
  /** The events of a ring buffer since the last call; bytes where its map has no value type. */
  events<E = Value>(map: string): E[];
  close(): void;
}
