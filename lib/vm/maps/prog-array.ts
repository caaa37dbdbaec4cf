/** prog_array: programs of the object by index, for tail calls. The host fills it by program name. */
import { ERRNO } from "../errno.ts";
import { indexOf, keyOf } from "./array.ts";
import { MapError, VmMap } from "./map.ts";

export class ProgArray extends VmMap {
  private readonly programs = new Map<number, string>();

  /** Sets the program that a tail call to `index` continues in; null takes it out. Throws MapError (E2BIG). */
  setProgram(index: number, program: string | null): void {
    if (index >= this.spec.maxEntries) throw new MapError(this.name, "set an entry", ERRNO.E2BIG);
    if (program === null) this.programs.delete(index);
    else this.programs.set(index, program);
  }

  getProgram(index: number): string | null {
    return this.programs.get(index) ?? null;
  }

  override remove(key: Uint8Array): number {
    return this.programs.delete(indexOf(key)) ? 0 : -ERRNO.ENOENT;
  }

  override keys(): Uint8Array[] {
    return [...this.programs.keys()].map(keyOf);
  }

  /** Programs have no ids here: an entry that is there reads as zeros. */
  protected override read(key: Uint8Array): Uint8Array | number {
    return this.programs.has(indexOf(key)) ? new Uint8Array(this.spec.valueSize) : -ERRNO.ENOENT;
  }
  protected override write(_key: Uint8Array, _value: Uint8Array, _flags: number): number {
    return -ERRNO.EINVAL;
  }
}
