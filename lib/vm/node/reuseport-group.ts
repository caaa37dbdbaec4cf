/**
 * Sockets that share an address and port by SO_REUSEPORT: packets are dealt out among them, by a program where the group
 * has one, else by the flow's hash.
 */
import type { Program } from "./program.ts";
import type { Sock } from "./sock.ts";

export class ReuseportGroup {
  readonly socks: Sock[] = [];
  program: Program | null = null;

  add(sock: Sock): void {
    this.socks.push(sock);
    sock.reuseport = this;
  }

  // As in the kernel, the last one takes the place that becomes free (reuseport_detach_sock).
  remove(sock: Sock): void {
    const at = this.socks.indexOf(sock);
    sock.reuseport = null;
    if (at < 0) return;
    const last = this.socks.pop();
    if (last !== undefined && last !== sock) this.socks[at] = last;
  }

  /** Without a program, or when it did not choose: by hash (reciprocal_scale). */
  byHash(hash: number): Sock | null {
    return this.socks[Math.floor(((hash >>> 0) * this.socks.length) / 2 ** 32)] ?? null;
  }
}

/** A hash of a flow: FNV-1a of its text; the kernel's has a secret. */
export function flowHash(flow: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < flow.length; i++) hash = Math.imul(hash ^ flow.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
