/**
 * Reading all entries of a map: in batches where the map type and the kernel can (Linux 5.6), else key by key.
 *
 * A hash map is read bucket by bucket, and a bucket that does not fit the rest of a batch is refused (ENOSPC) when the
 * batch is empty: then the batch grows. Key by key, a key that somebody deletes in between sends the kernel back to the
 * first key; so all keys are collected first, each once, and the walk is bounded.
 */
import { check, kernelError } from "./errors.ts";
import { buildAttr, readField } from "./sys/attr.ts";
import { bpf, runAttr } from "./sys/calls.ts";
import { failedWith } from "./sys/errno.ts";

interface Sizes {
  readonly keySize: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}
type RawEntry = [Uint8Array, Uint8Array];

/** Entries of the first batch; grown when a bucket holds more. */
const FIRST_BATCH = 1024;

/** All entries as copies. `what` names the map in errors. */
export function* readAll(fd: number, what: string, sizes: Sizes): Generator<RawEntry> {
  if (sizes.keySize === 0) return;
  const batches = readBatches(fd, what, sizes);
  let step = batches.next();
  for (; step.done !== true; step = batches.next()) yield* entriesOf(step.value, sizes);
  if (!step.value) yield* readOneByOne(fd, what, sizes);
}

/** How many entries there are; none is looked at. */
export function countAll(fd: number, what: string, sizes: Sizes): number {
  if (sizes.keySize === 0) return 0;
  let count = 0;
  const batches = readBatches(fd, what, sizes);
  let step = batches.next();
  for (; step.done !== true; step = batches.next()) count += step.value.count;
  return step.value ? count : collectKeys(fd, what, sizes.keySize, sizes.maxEntries).length;
}

/** What the kernel gave in one go, one behind the other. */
interface Batch {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}

function entriesOf({ keys, values, count }: Batch, { keySize, valueBytes }: Sizes): readonly RawEntry[] {
  return Array.from({ length: count }, (_, i): RawEntry => {
    return [keys.slice(i * keySize, (i + 1) * keySize), values.slice(i * valueBytes, (i + 1) * valueBytes)];
  });
}

/** False, having yielded nothing, where there are no batches for this map. */
function* readBatches(fd: number, what: string, sizes: Sizes): Generator<Batch, boolean> {
  let size = Math.min(sizes.maxEntries, FIRST_BATCH);
  let token: Uint8Array | undefined;
  for (;;) {
    const { result, batch, next } = readBatch(fd, sizes, size, token);
    if (failedWith(result, "ENOSPC") && size < sizes.maxEntries) {
      size = Math.min(size * 2, sizes.maxEntries);
      continue;
    }
    const last = failedWith(result, "ENOENT");
    if (result < 0 && !last) {
      if (token === undefined) return false;
      throw kernelError(`read the entries of ${what}`, result);
    }
    yield batch;
    if (last) return true;
    token = next;
  }
}

interface Read {
  readonly result: number;
  readonly batch: Batch;
  readonly next: Uint8Array;
}

function readBatch(fd: number, { keySize, valueBytes }: Sizes, size: number, token: Uint8Array | undefined): Read {
  const keys = new Uint8Array(keySize * size);
  const values = new Uint8Array(valueBytes * size);
  // Where to go on: a bucket number for hash maps, a key for others.
  const next = new Uint8Array(Math.max(keySize, 8));
  const start = token === undefined ? {} : { in_batch: token };
  const attr = buildAttr("map_lookup_batch", { ...start, out_batch: next, keys, values, count: size, map_fd: fd });
  const result = runAttr(attr);
  const got = result === 0 || failedWith(result, "ENOENT") ? readField("map_lookup_batch", attr, "count") : 0;
  return { result, batch: { keys, values, count: Math.min(got, size) }, next };
}

function* readOneByOne(fd: number, what: string, { keySize, valueBytes, maxEntries }: Sizes): Generator<RawEntry> {
  for (const key of collectKeys(fd, what, keySize, maxEntries)) {
    const value = new Uint8Array(valueBytes);
    const result = bpf("map_lookup_elem", { map_fd: fd, key, value });
    if (failedWith(result, "ENOENT")) continue; // deleted since
    check(result, `read the entries of ${what}`);
    yield [key, value];
  }
}

function collectKeys(fd: number, what: string, keySize: number, maxEntries: number): readonly Uint8Array[] {
  const keys = new Map<string, Uint8Array>();
  let key: Uint8Array | undefined;
  // Twice the capacity: a walk that was sent back to the start now and then still ends.
  for (let steps = 0; steps < 2 * maxEntries + 1; steps++) {
    const next = new Uint8Array(keySize);
    const result = bpf("map_get_next_key", { map_fd: fd, ...(key === undefined ? {} : { key }), value: next });
    if (failedWith(result, "ENOENT")) break;
    check(result, `read the keys of ${what}`);
    keys.set(next.join(), next);
    key = next;
  }
  return [...keys.values()];
}
