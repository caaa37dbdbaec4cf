/**
 * The cgroup v2 tree and the programs attached to its groups.
 *
 * Which programs run for a group is computed from the tree (`effective`): its own and, going up, those of each ancestor
 * that allows several (`multi`, and all links); a group that has one program for itself (`override` or `exclusive`) hides
 * the single programs of its ancestors. Rules: kernel/bpf/cgroup.c, Linux 6.18, each tried on the kernel by the scenarios.
 */
import type { Errno } from "../errno.ts";
import type { AttachType } from "../../kernel/index.ts";
import { Attachment, AttachmentList } from "./attach.ts";
import type { Outcome, Place, Position } from "./attach.ts";
import type { Program } from "./program.ts";

/**
 * How a program is attached to a cgroup.
 *
 *   link       BPF_LINK_CREATE: together with others; the same program may be there twice
 *   multi      BPF_PROG_ATTACH, BPF_F_ALLOW_MULTI: together with others, each program once
 *   override   BPF_F_ALLOW_OVERRIDE: alone; groups below may have one of their own instead
 *   exclusive  no flag: alone; groups below may have none
 */
export type CgroupMode = "link" | "multi" | "override" | "exclusive";

export interface CgroupPosition extends Position {
  /** BPF_F_PREORDER: before all programs of groups below, not after. */
  readonly preorder?: boolean;
}

/** What all programs at a hook of a group share: links and `multi` are one. */
type Sharing = "multi" | "override" | "exclusive";

/** The programs of one hook of one group. */
class CgroupHook implements Place {
  sharing: Sharing = "exclusive";
  // Twice: only a program that was not attached by a link.
  readonly list = new AttachmentList({ twice: null, full: "E2BIG" });
  readonly direct = new Set<Attachment>();
  readonly preorder = new Set<Attachment>();

  get entries(): readonly Attachment[] {
    return this.list.entries;
  }

  detach(attachment: Attachment): Outcome {
    this.direct.delete(attachment);
    this.preorder.delete(attachment);
    return this.list.detach(attachment);
  }

  replace(attachment: Attachment, program: Program): Outcome {
    const twice = this.direct.has(attachment) && this.hasDirect(program, attachment);
    return twice ? "EINVAL" : "ok";
  }

  hasDirect(program: Program, except: Attachment | null): boolean {
    return [...this.direct].some((entry) => entry !== except && entry.program.is(program));
  }
}

export class Cgroup {
  /** `/` for the root, `/a/b` below. */
  readonly path: string;
  /** What get_cgroup ids give: 1 for the root, as on a mounted cgroup2 file system. */
  readonly id: bigint;
  readonly parent: Cgroup | null;
  /** net_cls, which the node does not have. */
  readonly classid = 0;
  private readonly children = new Map<string, Cgroup>();
  private readonly hooks = new Map<AttachType, CgroupHook>();
  private readonly nextId: () => number;

  /** Made by `Node`, and below it by `child`. */
  constructor(path: string, parent: Cgroup | null, nextId: () => number) {
    this.path = path;
    this.parent = parent;
    this.nextId = nextId;
    this.id = BigInt(nextId());
  }

  /** The group at a path below this one, made if need be: `/a/b`. */
  at(path: string): Cgroup {
    return path
      .split("/")
      .filter((name) => name !== "")
      .reduce<Cgroup>((group, name) => group.child(name), this);
  }

  private child(name: string): Cgroup {
    const known = this.children.get(name);
    if (known !== undefined) return known;
    const made = new Cgroup(`${this.path === "/" ? "" : this.path}/${name}`, this, this.nextId);
    this.children.set(name, made);
    return made;
  }

  /** Attaches a program; `errno` of the attachment says why not. */
  attach(program: Program, type: AttachType, mode: CgroupMode, position: CgroupPosition = {}): Attachment {
    const hook = this.hook(type);
    const sharing = mode === "link" ? "multi" : mode;
    const refused = this.refusal(hook, type, program, mode);
    if (refused !== null) return new Attachment(program, null, refused);
    hook.sharing = sharing;
    if (sharing !== "multi") replaceOnly(hook);
    const { preorder = false, ...order } = position;
    const placed = hook.list.attach(program, order);
    if (placed.errno !== null) return placed;
    return this.own(hook, placed, { direct: mode !== "link", preorder });
  }

  /** Gives the entry of the list to the hook, which keeps more about it than its place. */
  private own(hook: CgroupHook, placed: Attachment, kept: { direct: boolean; preorder: boolean }): Attachment {
    const attachment = new Attachment(placed.program, hook);
    hook.list.entries[hook.list.entries.indexOf(placed)] = attachment;
    if (kept.direct) hook.direct.add(attachment);
    if (kept.preorder) hook.preorder.add(attachment);
    return attachment;
  }

  private refusal(hook: CgroupHook, type: AttachType, program: Program, mode: CgroupMode): Errno | null {
    const sharing = mode === "link" ? "multi" : mode;
    if (!this.ancestorsAllow(type)) return "EPERM";
    if (hook.entries.length > 0 && hook.sharing !== sharing) return "EPERM";
    return mode === "multi" && hook.hasDirect(program, null) ? "EINVAL" : null;
  }

  /** The nearest ancestor with a program decides: one that is alone there must be `override`. */
  private ancestorsAllow(type: AttachType): boolean {
    for (let group = this.parent; group !== null; group = group.parent) {
      const hook = group.hooks.get(type);
      if (hook !== undefined && hook.entries.length > 0) return hook.sharing !== "exclusive";
    }
    return true;
  }

  /** Programs that run for an event in this group, in their order. */
  effective(type: AttachType): readonly Program[] {
    const before: Program[][] = [];
    const after: Program[] = [];
    for (const group of this.upwards()) {
      const hook = group.hooks.get(type);
      if (hook === undefined || (before.flat().length + after.length > 0 && hook.sharing !== "multi")) continue;
      const early = hook.entries.filter((entry) => hook.preorder.has(entry));
      before.unshift(early.map((entry) => entry.program));
      after.push(...hook.entries.filter((entry) => !hook.preorder.has(entry)).map((entry) => entry.program));
    }
    return [...before.flat(), ...after];
  }

  /** This group and its ancestors. */
  private *upwards(): Generator<Cgroup> {
    yield this;
    for (let group = this.parent; group !== null; group = group.parent) yield group;
  }

  private hook(type: AttachType): CgroupHook {
    const known = this.hooks.get(type) ?? new CgroupHook();
    this.hooks.set(type, known);
    return known;
  }
}

/** A place for one program: the next one takes it. */
function replaceOnly(hook: CgroupHook): void {
  for (const entry of [...hook.entries]) {
    hook.detach(entry);
    entry.lose();
  }
}
