/**
 * Helpers that read memory which may not be there: probe_read_kernel and the like give -EFAULT where a load would be a fault.
 * There is no user space here whose memory could be read.
 */
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import type { Host } from "../host.ts";
import { result, u32 } from "./helper.ts";
import type { Implementation, Implementations } from "./helper.ts";

/** dst, size, address: zeros when nothing can be read. */
const read: Implementation = (host, r1, r2, r3) => {
  const into = host.bytes(r1, u32(r2), true);
  const bytes = probeBytes(host, r3, into.length);
  if (bytes === null) into.fill(0);
  else into.set(bytes);
  return result(bytes === null ? -ERRNO.EFAULT : 0);
};

/** dst, size, address: a string with its zero, cut to fit; its length with the zero. */
const readString: Implementation = (host, r1, r2, r3) => {
  const into = host.bytes(r1, u32(r2), true);
  if (into.length === 0) return 0n;
  const text = probeString(host, r3, into.length - 1);
  if (text === null) into.fill(0);
  else into.set([...text, 0]);
  return result(text === null ? -ERRNO.EFAULT : text.length + 1);
};

const nothing: Implementation = (host, r1, r2) => {
  host.bytes(r1, u32(r2), true).fill(0);
  return result(-ERRNO.EFAULT);
};

export const PROBE_HELPERS = {
  probe_read: read,
  probe_read_kernel: read,
  probe_read_str: readString,
  probe_read_kernel_str: readString,
  probe_read_user: nothing,
  probe_read_user_str: nothing,
  copy_from_user: nothing,
} satisfies Implementations;

/** A copy of `size` bytes, or null where they are not. */
export function probeBytes(host: Host, address: bigint, size: number): Uint8Array | null {
  try {
    return host.bytes(address, size).slice();
  } catch (error) {
    if (error instanceof Trap) return null;
    throw error;
  }
}

/** The bytes up to a zero, at most `most`; null when the first is not there. */
export function probeString(host: Host, address: bigint, most: number): Uint8Array | null {
  const bytes: number[] = [];
  while (bytes.length < most) {
    const byte = probeBytes(host, address + BigInt(bytes.length), 1)?.[0];
    if (byte === undefined) return bytes.length === 0 ? null : Uint8Array.from(bytes);
    if (byte === 0) break;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
