/**
 * An attachment. While somebody holds it (this process by its descriptor, or bpffs by a pin) the program stays attached.
 *
 * `detach` ends the attachment now, whoever else holds the link. `close` gives up this process's hold, which detaches only
 * if nobody else has one: losing a link object never detaches a pinned link.
 */
import { loaderError } from "../errors.ts";
import { Handle, openPin } from "../handle.ts";
import type { Program } from "../program.ts";
import { mustBpf } from "../sys/calls.ts";

/** What every attachment can do; `Attachment` is how the rest of the loader and its users see one. */
export interface Attachment extends AsyncDisposable {
  /** Where: `xdp on eth0`. */
  readonly where: string;
  /** Puts another program of the same type in place, without a moment in between. */
  update(program: Program): void;
  detach(): void;
  close(): void;
}

/** BPF_F_REPLACE of BPF_LINK_UPDATE would compare the old program; we replace whatever is there. */
export class Link extends Handle implements Attachment {
  readonly where: string;

  constructor(fd: number, where: string) {
    super(fd, `link ${where}`);
    this.where = where;
  }

  update(program: Program): void {
    const what = `replace the program at ${this.where}`;
    mustBpf(what, "link_update", { link_fd: this.fd, new_prog_fd: program.fd });
  }

  /** Idempotent. A pin remains as a name of a dead link until `unpin`. */
  detach(): void {
    if (this.closed) return;
    mustBpf(`detach ${this.where}`, "link_detach", { link_fd: this.fd });
    this.close();
  }
}

/** Opens a pinned link, to update or detach it. */
export function openLink(path: string): Link {
  return new Link(openPin(path), `pinned at ${path}`);
}

/** A program that is attached where its type says, or an error that tells the two apart. */
export function requireType(program: Program, ...types: readonly Program["type"][]): void {
  if (types.includes(program.type)) return;
  throw loaderError("L004", `${program.what} cannot be attached there`, {
    expected: `a program of type ${types.join(" or ")}`,
    found: program.type,
  });
}

/** Where among the programs that are attached there already: before all of them, or behind (default). */
export type Position = "first" | "last";

/** BPF_F_BEFORE without a program to be before is the front. Source: include/uapi/linux/bpf.h. */
export const POSITION_FLAGS: Readonly<Record<Position, number>> = { first: 1 << 3, last: 0 };
