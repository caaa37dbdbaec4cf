/**
 * Neighbours: the link-layer addresses of hosts on a link. Entries are permanent (set by the test), or found by asking the
 * other end of the link, which answers at once for its own addresses: no ARP or neighbour discovery packets are made.
 */
import type { Interface } from "./interface.ts";

export class Neighbours {
  private readonly entries = new Map<string, Uint8Array>();

  /** A permanent entry. */
  set(device: Interface, address: string, mac: Uint8Array): void {
    this.entries.set(`${device.ifindex}/${address}`, mac.slice());
  }

  /** What is known already: permanent entries and answers of before. */
  known(device: Interface, address: string): Uint8Array | null {
    return this.entries.get(`${device.ifindex}/${address}`) ?? null;
  }

  /** Asks the link for what is not known; null when nobody answers. */
  resolve(
    device: Interface,
    address: string,
    answers: (peer: Interface, address: string) => boolean,
  ): Uint8Array | null {
    const known = this.known(device, address);
    if (known !== null || device.peer === null || !device.running || !answers(device.peer, address)) return known;
    this.set(device, address, device.peer.mac);
    return device.peer.mac;
  }
}
