/** cgroup_array: cgroups by index, for helpers that ask whether a task or a packet's socket is below one. */
import { IndexedMap } from "./indexed.ts";

/** `object`: a cgroup of whatever world the machine has; compared by identity. */
export class CgroupArray extends IndexedMap<object> {
  /** Puts a cgroup at an index; null takes it out. Throws MapError (E2BIG). */
  setCgroup(index: number, cgroup: object | null): void {
    this.put(index, cgroup);
  }

  override dropObject(object: object): void {
    for (const key of this.keys()) {
      const index = new DataView(key.buffer).getUint32(0, true);
      if (this.at(index) === object) this.put(index, null);
    }
  }
}
