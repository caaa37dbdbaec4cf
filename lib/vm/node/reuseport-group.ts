/**
 * Sockets that share an address and port by SO_REUSEPORT: packets are dealt out among them, by a program where the group
 * has one, else by the flow's hash.
 */
import type { Program } from "./program.ts";
import type { Sock } from "./sock.ts";

export class ReuseportGroup {
  readonly socks: Sock[] = [];
  program: Program | null = null;

  /** Does its program choose for connections whose listener goes? */
  get migrates(): boolean {
    return this.program?.attach === "sk_reuseport_select_or_migrate";
  }

  add(sock: Sock): void {
    this.socks.push(sock);
    sock.reuseport = this;
  }

  /** A member leaves, and with that every array it is in. */
  remove(sock: Sock): void {
    this.stop(sock);
    sock.reuseport = null;
  }

  /**
   * It gets nothing any more, but still belongs to the group: its connections may move to other members. As in the kernel,
   * the last one takes the place that becomes free (reuseport_detach_sock).
   */
  stop(sock: Sock): void {
    for (const array of sock.arrays.splice(0)) array.dropObject(sock.vm);
    const at = this.socks.indexOf(sock);
    if (at < 0) return;
    const last = this.socks.pop();
    if (last !== undefined && last !== sock) this.socks[at] = last;
  }

  /** Without a program, or when it did not choose: by hash (reciprocal_scale). */
  byHash(hash: number): Sock | null {
    return this.socks[Math.floor(((hash >>> 0) * this.socks.length) / 2 ** 32)] ?? null;
  }
}

/** Is the socket in a reuseport_sockarray? Entries may have been deleted since it was put there. */
export function isMember({ arrays, vm }: Sock): boolean {
  return arrays.some((array) => array.keys().some((key) => array.at(indexOf(key)) === vm));
}

function indexOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(0, true);
}

/** A hash of a flow: FNV-1a of its text; the kernel's has a secret. */
export function flowHash(flow: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < flow.length; i++) hash = Math.imul(hash ^ flow.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}
