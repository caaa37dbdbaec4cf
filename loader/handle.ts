/**
 * A file descriptor with one owner: the base of maps, programs, links and BTF. Reading `fd` of a closed handle throws, so
 * a number that the system has since given to something else is never used by mistake.
 */
import { mkdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { loaderError } from "./errors.ts";
import { encodeText } from "./sys/attr.ts";
import { closeFd, mustBpf } from "./sys/calls.ts";

export class Handle implements AsyncDisposable, Disposable {
  /** What it is, for errors: `map "flows"`. */
  readonly what: string;
  private descriptor: number | null;
  private pinnedAt: string | null = null;

  constructor(fd: number, what: string) {
    this.descriptor = fd;
    this.what = what;
  }

  get fd(): number {
    if (this.descriptor === null) throw loaderError("L004", `${this.what} is closed`);
    return this.descriptor;
  }

  get closed(): boolean {
    return this.descriptor === null;
  }

  /** Keeps the object alive after this process, under a name in bpffs (`/sys/fs/bpf/...`). Folders are made. */
  pin(path: string): void {
    mkdirSync(dirname(path), { recursive: true });
    mustBpf(`pin ${this.what} at ${path}`, "obj_pin", { bpf_fd: this.fd, pathname: encodeText(path) });
    this.pinnedAt = path;
  }

  /** Removes the name that `pin` gave. What was only held by it goes with it. */
  unpin(): void {
    if (this.pinnedAt === null) return;
    unlinkSync(this.pinnedAt);
    this.pinnedAt = null;
  }

  /** Hands the descriptor to the caller, who closes it; the handle is closed. */
  protected release(): number {
    const { fd } = this;
    this.descriptor = null;
    return fd;
  }

  /** Gives up this process's hold on the object. Idempotent. What is pinned or attached stays. */
  close(): void {
    const fd = this.descriptor;
    this.descriptor = null;
    if (fd !== null) closeFd(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** Opens what is pinned at a path; returns its descriptor. */
export function openPin(path: string): number {
  return mustBpf(`open the pinned object ${path}`, "obj_get", { pathname: encodeText(path) });
}
