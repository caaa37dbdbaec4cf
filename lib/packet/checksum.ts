/** The internet checksum, RFC 1071: the complement of the one's complement sum of 16-bit words, in network order. */

/** Of ranges one behind the other (an odd length counts as followed by a zero byte); over a right packet it is 0. */
export function checksum(...ranges: readonly Uint8Array[]): number {
  let total = 0;
  for (const range of ranges) {
    for (let i = 0; i < range.length; i += 2) total += ((range[i] ?? 0) << 8) | (range[i + 1] ?? 0);
  }
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x1_0000);
  return ~total & 0xffff;
}
