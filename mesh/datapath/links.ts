/**
 * Attachments, each pinned under `links/OWNER/PROGRAM` in bpffs, where the owner is an endpoint's number or `node`. The pin alone
 * keeps a program attached, whatever becomes of the agent; a descriptor is open only while something is done with it.
 *
 * `hold` brings one attachment to what it should be, from whatever is there: nothing, another version of the program, or a link
 * whose interface, namespace or cgroup is gone. It never detaches what is in force.
 */
import { mkdirSync, readdirSync, rmSync, rmdirSync, existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  attachCgroup,
  attachNetns,
  attachSockmap,
  attachTcx,
  attachXdp,
  indexOfInterface,
  Link,
  linkInfo,
  openLink,
  tagOfProgram,
} from "ebpf-ts/loader";
import type { Attachment, BpfMap, Program } from "ebpf-ts/loader";
import { agentError } from "./diagnostics.ts";
import { hookOf } from "./hooks.ts";
import type { Scope } from "./hooks.ts";

/** What a pod is attached to. */
export interface Site {
  /** Name of the host side of its veth. */
  readonly interface: string;
  readonly netns: string;
  /** Null: programs of cgroups do not see it. */
  readonly cgroup: string | null;
}

/** What the node itself is attached to. */
export interface NodeSite {
  /** Names of its devices. */
  readonly devices: readonly string[];
  /** A cgroup above all pods', so that they need none of their own; null: each has its own. */
  readonly cgroup: string | null;
}

/** What `hold` had to do; `replaced`: by another load of the same program, `changed`: by another program. */
export type Held = "kept" | "replaced" | "changed" | "attached" | "reattached";

/** An attachment that should be. */
interface Place {
  readonly path: string;
  readonly program: Program;
  /** As LinkInfo.target has it. */
  readonly target: number;
  attach(): Attachment;
}

/** An attachment and what became of it. `failure`: it could not be had. */
export interface HeldPlace {
  readonly owner: string;
  readonly program: string;
  readonly held: Held | null;
  readonly failure: unknown;
}

export interface LinkOptions {
  readonly bpffs: string;
  /** The node's network namespace; undefined: this process's. */
  readonly netns: string | undefined;
  readonly node: NodeSite;
  /** The map of sockets that programs of scope `map` are for; null: the object has none. */
  readonly sockets: BpfMap | null;
}

export const linksFolder = (bpffs: string): string => join(bpffs, "links");
const NODE = "node";

export class Links {
  private readonly options: LinkOptions;
  private readonly folder: string;

  constructor(options: LinkOptions) {
    this.options = options;
    this.folder = linksFolder(options.bpffs);
    mkdirSync(this.folder, { recursive: true });
  }

  /** Brings one program to all its places. Nothing is detached; what cannot be had is in the answer. */
  hold(program: Program, sites: ReadonlyMap<string, Site>): readonly HeldPlace[] {
    const scope = hookOf(program.type)?.scope;
    if (scope === undefined) return [];
    return this.placesOf(scope, program, sites).map(({ owner, place }) => holdOne(owner, program, place));
  }

  /** Numbers of the endpoints of which there are pins. */
  owners(): readonly string[] {
    return readdirSync(this.folder).filter((name) => name !== NODE);
  }

  /** Index of the interface that this owner's links are for; 0: it is gone. */
  interfaceOf(owner: string): number {
    const targets = readdirSync(join(this.folder, owner)).map((name) => {
      using link = openLink(join(this.folder, owner, name));
      const { kind, target } = linkInfo(link);
      return kind === "tcx" ? target : 0;
    });
    return Math.max(0, ...targets);
  }

  /**
   * Removes an endpoint's pins. Where its interface is still there, the programs at it stay: with no entry in the maps they drop
   * everything, while without them everything would pass. False: some stayed.
   */
  release(owner: string): boolean {
    const folder = join(this.folder, owner);
    if (!existsSync(folder)) return true;
    const alive = this.interfaceOf(owner) !== 0;
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!alive || !isTcx(path)) rmSync(path);
    }
    if (!alive) rmdirSync(folder);
    return !alive;
  }

  private placesOf(scope: Scope, program: Program, sites: ReadonlyMap<string, Site>): readonly Owned[] {
    const { node, sockets } = this.options;
    const ofPods = (make: (site: Site) => Target | null): readonly Owned[] =>
      [...sites].flatMap(([owner, site]) => this.own(owner, program, program.name, () => make(site)));
    switch (scope) {
      case "interface":
        return ofPods(({ interface: name }) => this.interfaceTarget(program, name));
      case "netns":
        return ofPods(({ netns }) => ({ target: statSync(netns).ino, attach: () => attachNetns(program, netns) }));
      case "cgroup":
        if (node.cgroup === null)
          return ofPods(({ cgroup }) => (cgroup === null ? null : cgroupTarget(program, cgroup)));
        return this.own(NODE, program, program.name, () => cgroupTarget(program, node.cgroup ?? ""));
      case "device":
        return node.devices.flatMap((device) =>
          this.own(NODE, program, `${program.name}-${device.replaceAll(".", "_")}`, () =>
            this.deviceTarget(program, device),
          ),
        );
      case "map":
        return sockets === null
          ? []
          : this.own(NODE, program, program.name, () => ({
              target: sockets.id,
              attach: () => attachSockmap(program, sockets as never),
            }));
    }
  }

  private own(owner: string, program: Program, name: string, make: () => Target | null): readonly Owned[] {
    const path = join(this.folder, owner, name);
    const place = (): Place | null => {
      const target = make();
      return target === null ? null : { path, program, ...target };
    };
    return [{ owner, place }];
  }

  private interfaceTarget(program: Program, name: string): Target {
    const at = { interface: name, ...this.netns() };
    return { target: indexOfInterface(at), attach: () => attachTcx(program, { ...at, position: "first" }) };
  }

  private deviceTarget(program: Program, device: string): Target {
    const at = { interface: device, ...this.netns() };
    return { target: indexOfInterface(at), attach: () => attachXdp(program, at) };
  }

  private netns(): { readonly netns?: string } {
    return this.options.netns === undefined ? {} : { netns: this.options.netns };
  }
}

interface Target {
  readonly target: number;
  attach(): Attachment;
}
interface Owned {
  readonly owner: string;
  readonly place: () => Place | null;
}

/** A cgroup's id is the inode of its folder. */
function cgroupTarget(program: Program, path: string): Target {
  return { target: statSync(path).ino, attach: () => attachCgroup(program, path) };
}

function isTcx(path: string): boolean {
  using link = openLink(path);
  return linkInfo(link).kind === "tcx";
}

function holdOne(owner: string, program: Program, make: () => Place | null): HeldPlace {
  try {
    const place = make();
    return { owner, program: program.name, held: place === null ? "kept" : bring(place), failure: null };
  } catch (failure) {
    return { owner, program: program.name, held: null, failure };
  }
}

function bring(place: Place): Held {
  const { path, program, target } = place;
  const before = existsSync(path);
  if (before) {
    using link = openLink(path);
    const info = linkInfo(link);
    if (info.target === target) {
      if (info.program === program.id) return "kept";
      const isSame = tagOfProgram(info.program) === program.tag;
      link.update(program);
      return isSame ? "replaced" : "changed";
    }
  }
  const attached = place.attach();
  if (!(attached instanceof Link)) {
    attached.close();
    throw agentError("N002", `${program.what} would be detached with the agent: this kernel has no links for its hook`);
  }
  if (before) rmSync(path);
  mkdirSync(dirname(path), { recursive: true });
  attached.pin(path);
  attached.close();
  return before ? "reattached" : "attached";
}

/** Detaches and removes every pin below the folder: first what carries flows elsewhere, last the authority at the veths. */
export function removeLinks(bpffs: string): void {
  const folder = linksFolder(bpffs);
  if (!existsSync(folder)) return;
  const paths = readdirSync(folder).flatMap((owner) =>
    readdirSync(join(folder, owner)).map((name) => join(folder, owner, name)),
  );
  const [authority, others] = [paths.filter(isTcx), paths.filter((path) => !isTcx(path))];
  for (const path of [...others, ...authority]) {
    const link = openLink(path);
    link.detach();
    rmSync(path);
  }
  for (const owner of readdirSync(folder)) rmdirSync(join(folder, owner));
  rmdirSync(folder);
}
