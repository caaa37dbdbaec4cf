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
  const done = yield* readBatches(fd, what, sizes);
  if (!done) yield* readOneByOne(fd, what, sizes);
}

/** False, having yielded nothing, where there are no batches for this map. */
function* readBatches(fd: number, what: string, sizes: Sizes): Generator<RawEntry, boolean> {
  let count = Math.min(sizes.maxEntries, FIRST_BATCH);
  let token: Uint8Array | undefined;
  for (;;) {
    const batch = readBatch(fd, sizes, count, token);
    if (failedWith(batch.result, "ENOSPC") && count < sizes.maxEntries) {
      count = Math.min(count * 2, sizes.maxEntries);
      continue;
    }
    const last = failedWith(batch.result, "ENOENT");
    if (batch.result < 0 && !last) {
      if (token === undefined) return false;
      throw kernelError(`read the entries of ${what}`, batch.result);
    }
    yield* batch.entries;
    if (last) return true;
    token = batch.next;
  }
}

interface Batch {
  readonly result: number;
  readonly entries: readonly RawEntry[];
  readonly next: Uint8Array;
}

function readBatch(fd: number, { keySize, valueBytes }: Sizes, count: number, token: Uint8Array | undefined): Batch {
  const keys = new Uint8Array(keySize * count);
  const values = new Uint8Array(valueBytes * count);
  // Where to go on: a bucket number for hash maps, a key for others.
  const next = new Uint8Array(Math.max(keySize, 8));
  const start = token === undefined ? {} : { in_batch: token };
  const attr = buildAttr("map_lookup_batch", { ...start, out_batch: next, keys, values, count, map_fd: fd });
  const result = runAttr(attr);
  const got = result === 0 || failedWith(result, "ENOENT") ? readField("map_lookup_batch", attr, "count") : 0;
  const entries = Array.from({ length: Math.min(got, count) }, (_, i): RawEntry => {
    return [keys.slice(i * keySize, (i + 1) * keySize), values.slice(i * valueBytes, (i + 1) * valueBytes)];
  });
  return { result, entries, next };
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
