/** TCP sequence numbers (RFC 9293 section 3.4): 32 bits that wrap around. */

export function plus(seq: number, count: number): number {
  return (seq + count) >>> 0;
}

/** How far `a` is behind `b`; negative when it is before. */
export function distance(a: number, b: number): number {
  return (a - b) | 0;
}

export function isAfter(a: number, b: number): boolean {
  return distance(a, b) > 0;
}
