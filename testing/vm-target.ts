/** Programs in the simulated machine. */
import { NETWORK_LAYER_TYPES } from "../lib/kernel/index.ts";
import type { ObjectSpec, ProgramSpec } from "../lib/object/index.ts";
import { createMachine, drainEvents, viewMap } from "../lib/vm/index.ts";
import type { EngineName, Machine, MachineOptions, MapView, Observer } from "../lib/vm/index.ts";
import { Follower } from "./follow.ts";
import { LINK_HEADER, etherType, putBack } from "./link-header.ts";
import type { Event, Outcome } from "./result.ts";
import type { Target } from "./target.ts";

export class VmTarget implements Target {
  readonly name: EngineName;
  readonly machine: Machine;
  /** Only the interpreter can be watched. */
  private readonly follower: Follower | null;

  /** `observers` are told of every instruction where the engine can be watched. */
  constructor(object: ObjectSpec, engine: EngineName, options: MachineOptions, observers: readonly Observer[]) {
    this.name = engine;
    this.follower = engine === "interpreter" ? new Follower(observers) : null;
    const watched = this.follower === null ? {} : { observer: this.follower };
    this.machine = createMachine(object, { ...options, engine, ...watched });
  }

  run({ name, type }: ProgramSpec, event: Event): Outcome {
    this.follower?.begin();
    const frame = NETWORK_LAYER_TYPES.has(type) ? event.packet : undefined;
    const result = this.machine.run(name, frame === undefined ? event : withoutLinkHeader(event, frame));
    const packet = frame === undefined || result.packet === null ? result.packet : putBack(frame, result.packet);
    return Object.assign(result, { packet, steps: this.follower?.end() ?? (() => []) });
  }

  map<K, V>(name: string): MapView<K, V> {
    return viewMap<K, V>(this.machine, name);
  }

  events<E>(map: string): E[] {
    return drainEvents<E>(this.machine, map);
  }

  close(): void {}
}

function withoutLinkHeader(event: Event, frame: Uint8Array): Event {
  const context = { protocol: etherType(frame), pkt_type: 0, ...event.context };
  return { ...event, packet: frame.subarray(LINK_HEADER), context };
}
