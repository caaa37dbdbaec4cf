/**
 * Internet checksums as the kernel computes them on a little-endian machine (RFC 1071; include/net/checksum.h): sums of
 * 16-bit words in memory order, so a checksum is stored as it is computed, without swapping.
 */

/**
 * Adds the words of `bytes` (what is missing at the end counts as zero) to a 32-bit sum; 32 bits again. Words are taken two at
 * a time, as the kernel takes them: which of the two zeros of one's complement comes out hangs on it.
 */
export function partialSum(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pairs = bytes.length & ~3;
  let sum = seed;
  for (let i = 0; i < pairs; i += 4) sum += view.getUint32(i, true);
  for (let i = pairs; i < bytes.length; i++) sum += view.getUint8(i) * 2 ** (8 * (i - pairs));
  return foldTo32(sum);
}

/** One's complement sum and difference of 32-bit numbers. */
export function addSums(a: number, b: number): number {
  return foldTo32(a + b);
}
export function subtractSums(a: number, b: number): number {
  return addSums(a, ~b >>> 0);
}

/** 32 to 16 bits (csum_from32to16): carries added in. */
export function foldTo16(sum: number): number {
  const once = (sum >>> 16) + (sum & 0xffff);
  return ((once >>> 16) + once) & 0xffff;
}

/** The checksum field that goes with a sum (csum_fold). */
export function checksumOf(sum: number): number {
  return ~foldTo16(sum) & 0xffff;
}

/** What a checksum field becomes when `from` in the data is replaced by `to` (csum_replace4; RFC 1624). */
export function replaceInChecksum(checksum: number, from: number, to: number): number {
  return checksumOf(addSums(subtractSums(~checksum & 0xffff, from), to));
}

/** What it becomes when the sum of the data changes by `difference`. */
export function addToChecksum(checksum: number, difference: number): number {
  return checksumOf(addSums(~checksum & 0xffff, difference));
}

// Sums stay far below 2^53: 64 KiB of them at most.
function foldTo32(sum: number): number {
  let rest = sum;
  while (rest > 0xffff_ffff) rest = (rest % 2 ** 32) + Math.floor(rest / 2 ** 32);
  return rest;
}
