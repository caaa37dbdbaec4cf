/**
 * The maps under their names in bpffs: `maps/NAME-LAYOUT`. Another layout is another map, so programs never read entries that
 * they would misunderstand. What becomes of the entries of the old one:
 *
 * | maps                                  | entries                                                                        |
 * |---------------------------------------|--------------------------------------------------------------------------------|
 * | flows, half-open flows                | carried over by the names of their members, so that open connections go on     |
 * | settings, endpoints                   | the same: their counters must not go back                                      |
 * | the agent's other tables              | written again from the cluster before any program reads them                   |
 * | counters and all others               | start afresh                                                                   |
 *
 * The old maps go when no program uses them any more.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { load, openMap } from "ebpf-ts/loader";
import type { BpfMap, LoadedObject } from "ebpf-ts/loader";
import { agentError } from "./diagnostics.ts";
import { layoutOf } from "./object.ts";
import type { MapSpec, ObjectSpec } from "./object.ts";

/** By the names of programs/mesh/tables.ts. */
const CARRIED: ReadonlySet<string> = new Set(["flows", "halfOpen", "settings", "endpoints"]);

export const mapsFolder = (bpffs: string): string => join(bpffs, "maps");

/** Global data belongs to one load of the programs, and dots are not allowed in names of bpffs. */
const isPinned = ({ name }: MapSpec): boolean => !name.startsWith(".");

function pinName(map: MapSpec, object: ObjectSpec): string {
  return `${map.name}-${layoutOf(map, object.btf.types)}`;
}

/** What was found of a map. */
export interface MapOrigin {
  readonly map: string;
  /** `moved`: entries were carried over from another layout; `fresh`: there was another layout, and its entries are not. */
  readonly origin: "opened" | "made" | "moved" | "fresh";
}

export class PinnedMaps {
  /** All maps of the object; closed with it. */
  readonly object: LoadedObject;
  readonly opened: readonly BpfMap[];
  readonly origins: readonly MapOrigin[];
  private readonly folder: string;
  private readonly spec: ObjectSpec;
  private readonly previous: ObjectSpec | null;

  private constructor(
    folder: string,
    spec: ObjectSpec,
    previous: ObjectSpec | null,
    object: LoadedObject,
    opened: readonly BpfMap[],
    existing: readonly string[],
  ) {
    this.folder = folder;
    this.spec = spec;
    this.previous = previous;
    this.object = object;
    this.opened = opened;
    this.origins = spec.maps.filter(isPinned).map((map) => ({ map: map.name, origin: this.takeOver(map, existing) }));
  }

  /** Opens what is pinned, makes and pins the rest. `previous`: the object whose programs were there before, if known. */
  static async open(bpffs: string, spec: ObjectSpec, previous: ObjectSpec | null): Promise<PinnedMaps> {
    const folder = mapsFolder(bpffs);
    mkdirSync(folder, { recursive: true });
    const existing = readdirSync(folder);
    const opened = new Map<string, BpfMap>();
    try {
      for (const map of spec.maps.filter(isPinned)) {
        const name = pinName(map, spec);
        if (existing.includes(name)) opened.set(map.name, openMap(join(folder, name), map, spec.btf));
      }
      const object = await load(spec, { programs: [], maps: Object.fromEntries(opened) as never });
      for (const map of spec.maps.filter(isPinned)) {
        if (!opened.has(map.name)) object.map(map.name).pin(join(folder, pinName(map, spec)));
      }
      return new PinnedMaps(folder, spec, previous, object, [...opened.values()], existing);
    } catch (failure) {
      for (const map of opened.values()) map.close();
      throw failure;
    }
  }

  get(name: string): BpfMap {
    return this.object.map(name) as unknown as BpfMap;
  }

  /** Throws N015 for a name that no pinned map has. */
  pathOf(name: string): string {
    const map = this.spec.maps.find((spec) => spec.name === name);
    if (map === undefined) throw agentError("N015", `there is no map ${JSON.stringify(name)}`);
    return join(this.folder, pinName(map, this.spec));
  }

  /** Whether the map of this name is still what programs were loaded with. False: somebody replaced or removed its pin. */
  isPinned(map: MapSpec): boolean {
    try {
      using pinned = openMap(join(this.folder, pinName(map, this.spec)));
      return pinned.id === this.get(map.name).id;
    } catch {
      return false;
    }
  }

  /** Puts back the pins that are gone or belong to another map; returns the maps' names. */
  repair(): readonly string[] {
    const lost = this.spec.maps.filter((map) => isPinned(map) && !this.isPinned(map));
    for (const map of lost) {
      const path = join(this.folder, pinName(map, this.spec));
      rmSync(path, { force: true });
      this.get(map.name).pin(path);
    }
    return lost.map(({ name }) => name);
  }

  /** Once no program uses them any more: removes the maps of other layouts, having carried over what came since. */
  removeOld(): void {
    const current = new Set(this.spec.maps.filter(isPinned).map((map) => pinName(map, this.spec)));
    for (const { map, origin } of this.origins) {
      if (origin === "moved" && this.get(map).shape.type !== "array") this.carry(map);
    }
    for (const name of readdirSync(this.folder)) if (!current.has(name)) rmSync(join(this.folder, name));
  }

  close(): void {
    this.object.close();
    for (const map of this.opened) map.close();
  }

  private takeOver(map: MapSpec, existing: readonly string[]): MapOrigin["origin"] {
    if (existing.includes(pinName(map, this.spec))) return "opened";
    if (!existing.some((name) => name.replace(/-[0-9a-f]{8}$/, "") === map.name)) return "made";
    return this.carry(map.name) ? "moved" : "fresh";
  }

  /** Copies entries that are not there yet, by the names of their members. False: the keys differ, or the old layout is not known. */
  private carry(name: string): boolean {
    const old = this.previous?.maps.find((map) => map.name === name);
    if (old === undefined || this.previous === null || !CARRIED.has(name)) return false;
    const path = join(this.folder, pinName(old, this.previous));
    if (!existsSync(path)) return false;
    const now = this.get(name);
    using from = openMap(path, old, this.previous.btf);
    if (membersOf(from.keyCodec).join() !== membersOf(now.keyCodec).join()) return false;
    const blank = now.valueCodec.decode(new Uint8Array(now.valueCodec.size)) as Members;
    const isArray = now.shape.type === "array";
    for (const [key, value] of from.entries()) {
      if (!isArray && now.has(key)) continue;
      const known = Object.entries(value as Members).filter(([member]) => member in blank);
      now.set(key, { ...blank, ...Object.fromEntries(known) });
    }
    return true;
  }
}

type Members = Readonly<Record<string, number | bigint>>;

/** Names of a struct's members; of a number none. */
function membersOf(codec: BpfMap["keyCodec"]): readonly string[] {
  return Object.keys(codec.decode(new Uint8Array(codec.size)));
}
