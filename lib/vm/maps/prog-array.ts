/** prog_array: programs of the object by index, for tail calls. The host fills it by program name. */
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { indexOf, keyOf } from "./array.ts";
import { IndexedMap } from "./indexed.ts";
import type { MapHost } from "./map.ts";

export class ProgArray extends IndexedMap<string> {
  private readonly idOf: (program: string) => number;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.idOf = (program) => host.idOf?.(program) ?? 0;
  }

  /** Sets the program that a tail call to `index` continues in; null takes it out. Throws MapError (E2BIG). */
  setProgram(index: number, program: string | null): void {
    this.put(index, program);
  }

  getProgram(index: number): string | null {
    return this.at(index);
  }

  /** Programs are read as their numbers. */
  protected override read(key: Uint8Array): Uint8Array | number {
    const program = this.at(indexOf(key));
    return program === null ? -ERRNO.ENOENT : keyOf(this.idOf(program));
  }
}
