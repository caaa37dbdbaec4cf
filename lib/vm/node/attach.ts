/**
 * Attachments: a program at a place, and the order of several at one place.
 *
 * Lists are ordered as bpf(2) orders them (BPF_F_BEFORE, BPF_F_AFTER, BPF_F_REPLACE; kernel/bpf/mprog.c): without a
 * position a program goes last; before or after nothing in particular means the very start or end; the same program is
 * at one place only once; at most 64.
 */
import type { Errno } from "../errno.ts";
import type { Program } from "./program.ts";

/** What a call gives that has no other result: `"ok"`, or the error's name. */
export type Outcome = "ok" | Errno;

/** Where among the programs of a place; null means the very start or end. */
export interface Position {
  readonly before?: Attachment | null;
  readonly after?: Attachment | null;
}

/** BPF_MPROG_MAX, BPF_CGROUP_MAX_PROGS, and the same for sk_lookup. */
const MOST = 64;

/** What holds an attachment and can let go of it. */
export interface Place {
  detach(attachment: Attachment): Outcome;
  replace(attachment: Attachment, program: Program): Outcome;
}

/** A program at a place, as its link or as what BPF_PROG_ATTACH made. */
export class Attachment {
  /** Why the kernel refused it; null: it is attached, or was. */
  readonly errno: Errno | null;
  private current: Program;
  private place: Place | null;

  /** Made by `Node.attach`. */
  constructor(program: Program, place: Place | null, errno: Errno | null = null) {
    this.current = program;
    this.place = place;
    this.errno = errno;
  }

  get program(): Program {
    return this.current;
  }

  /** ENOENT when it is not attached any more. */
  detach(): Outcome {
    const { place } = this;
    if (place === null) return "ENOENT";
    const outcome = place.detach(this);
    if (outcome === "ok") this.place = null;
    return outcome;
  }

  /** Puts another program in its place (BPF_LINK_UPDATE, BPF_F_REPLACE). EINVAL for one of another type. */
  replace(program: Program): Outcome {
    const { place } = this;
    if (place === null) return "ENOENT";
    if (program.type !== this.current.type || program.attach !== this.current.attach) return "EINVAL";
    const outcome = place.replace(this, program);
    if (outcome === "ok") this.current = program;
    return outcome;
  }

  /** Another attachment took its place. */
  lose(): void {
    this.place = null;
  }
}

export interface ListRules {
  /** The answer to a program that is there already; null: it may be there again. */
  readonly twice: Errno | null;
  /** The answer when the list is full. */
  readonly full: Errno;
}

/** Programs at one place, in the order in which they run. */
export class AttachmentList implements Place {
  readonly entries: Attachment[] = [];
  private readonly rules: ListRules;

  constructor(rules: ListRules) {
    this.rules = rules;
  }

  attach(program: Program, position: Position = {}): Attachment {
    const refused = this.refusal(program);
    if (refused !== null) return new Attachment(program, null, refused);
    const at = this.indexOf(position);
    if (typeof at === "string") return new Attachment(program, null, at);
    const attachment = new Attachment(program, this);
    this.entries.splice(at, 0, attachment);
    return attachment;
  }

  detach(attachment: Attachment): Outcome {
    const at = this.entries.indexOf(attachment);
    if (at < 0) return "ENOENT";
    this.entries.splice(at, 1);
    return "ok";
  }

  replace(attachment: Attachment, program: Program): Outcome {
    const { twice } = this.rules;
    const known = this.entries.some((entry) => entry !== attachment && entry.program.is(program));
    return twice !== null && known ? twice : "ok";
  }

  private refusal(program: Program): Errno | null {
    const { twice, full } = this.rules;
    if (twice !== null && this.entries.some((entry) => entry.program.is(program))) return twice;
    return this.entries.length >= MOST ? full : null;
  }

  /** Where a new entry goes. Both directions at once must mean the same gap. */
  private indexOf({ before, after }: Position): number | Errno {
    const places: number[] = [];
    if (before !== undefined) places.push(before === null ? 0 : this.entries.indexOf(before));
    if (after !== undefined) places.push(after === null ? this.entries.length : this.after(after));
    if (places.includes(-1)) return "ENOENT";
    if (places.length === 2 && places[0] !== places[1]) return "ERANGE";
    return places[0] ?? this.entries.length;
  }

  private after(attachment: Attachment): number {
    const at = this.entries.indexOf(attachment);
    return at < 0 ? -1 : at + 1;
  }
}
