/**
 * What a program has acquired and must give back before it ends: sockets it looked up, dynptrs of ring buffer records, tasks,
 * objects. The kernel's verifier refuses a program that may forget one; here forgetting is a fault.
 */
import { Trap } from "./fault.ts";

export class References {
  /** By address: what it is called, and how many times it was acquired. */
  private readonly held = new Map<number, { readonly what: string; count: number }>();

  acquire(address: number, what: string): void {
    const known = this.held.get(address);
    if (known === undefined) this.held.set(address, { what, count: 1 });
    else known.count++;
  }

  /** Traps for what was not acquired. `helper` is how the message calls who releases. */
  release(address: number, helper: string): void {
    const known = this.held.get(address);
    if (known === undefined) {
      throw new Trap("argument", `${helper} of 0x${address.toString(16)}, which this program has not acquired`);
    }
    known.count--;
    if (known.count === 0) this.held.delete(address);
  }

  has(address: number): boolean {
    return this.held.has(address);
  }

  /** The trap for what is still held when the program ends, or null. */
  leaked(): Trap | null {
    const [first] = this.held.values();
    return first === undefined ? null : new Trap("leak", `the program ended without releasing ${first.what}`);
  }
}
