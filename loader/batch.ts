/**
 * Writing many entries of a map with one system call (Linux 5.6; LPM tries and maps of maps 5.14), else one by one.
 *
 * A batch ends at the first entry that the kernel refuses and says how many went before it.
 */
import { check } from "./errors.ts";
import { buildAttr, readField } from "./sys/attr.ts";
import { bpf, runAttr } from "./sys/calls.ts";
import { failedWith } from "./sys/errno.ts";

interface Entries {
  /** One behind the other. */
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}

/** Creates or replaces entries; `what` names the map in errors. */
export function storeAll(fd: number, what: string, { keys, values, count }: Entries): void {
  if (count === 0) return;
  const doing = `set ${count} entries of ${what}`;
  const result = runAttr(buildAttr("map_update_batch", { keys, values, count, map_fd: fd }));
  if (!withoutBatches(result)) {
    check(result, doing);
    return;
  }
  const [keySize, valueSize] = [keys.length / count, values.length / count];
  for (let i = 0; i < count; i++) {
    const key = keys.subarray(i * keySize, (i + 1) * keySize);
    const value = values.subarray(i * valueSize, (i + 1) * valueSize);
    check(bpf("map_update_elem", { map_fd: fd, key, value }), doing);
  }
}

interface Keys {
  readonly keys: Uint8Array;
  readonly keySize: number;
  readonly count: number;
}

/** Deletes entries; one that is not there ends a batch, and the next goes on behind it. */
export function deleteAll(fd: number, what: string, { keys, keySize, count }: Keys): void {
  const doing = `delete entries of ${what}`;
  for (let done = 0; done < count;) {
    const attr = buildAttr("map_delete_batch", {
      keys: keys.subarray(done * keySize),
      count: count - done,
      map_fd: fd,
    });
    const result = runAttr(attr);
    if (withoutBatches(result)) return deleteOneByOne(fd, doing, keys.subarray(done * keySize), keySize);
    if (result === 0) return;
    if (!failedWith(result, "ENOENT")) check(result, doing);
    done += readField("map_delete_batch", attr, "count") + 1;
  }
}

function deleteOneByOne(fd: number, doing: string, keys: Uint8Array, keySize: number): void {
  for (let at = 0; at < keys.length; at += keySize) {
    const result = bpf("map_delete_elem", { map_fd: fd, key: keys.subarray(at, at + keySize) });
    if (!failedWith(result, "ENOENT")) check(result, doing);
  }
}

/** The kernel has no such batch: for any map before 5.6 EINVAL, for this type ENOTSUPP. */
function withoutBatches(result: number): boolean {
  return failedWith(result, "EINVAL", "ENOTSUPP", "EOPNOTSUPP");
}
