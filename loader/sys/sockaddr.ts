/** Addresses of sockets between text and `struct sockaddr_in`, `sockaddr_in6` (include/uapi/linux/in.h, in6.h). */
import { isIPv4, isIPv6 } from "node:net";
import { loaderError } from "../errors.ts";

/** An address and a port. `address`: IPv4 or IPv6 in canonical text. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

export const AF_INET = 2;
export const AF_INET6 = 10;

// sockaddr_in:  family u16 (host order), port u16, address 4 bytes, 8 bytes unused
// sockaddr_in6: family u16 (host order), port u16, flow information u32, address 16 bytes, scope u32
const SIZES = { [AF_INET]: 16, [AF_INET6]: 28 } as const;
export const MAX_SOCKADDR = 28;

/** Throws L004 for what is no address or port. */
export function encodeSockaddr({ address, port }: SocketAddress): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw loaderError("L004", `${port} is not a port`, { expected: "0 to 65535" });
  }
  const family = isIPv4(address) ? AF_INET : isIPv6(address) ? AF_INET6 : null;
  if (family === null) throw loaderError("L004", `${JSON.stringify(address)} is not an IP address`);
  const bytes = new Uint8Array(SIZES[family]);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port);
  if (family === AF_INET) bytes.set(address.split(".").map(Number), 4);
  else bytes.set(parseIpv6(address), 8);
  return bytes;
}

/** An IPv4 address that came over an IPv6 socket is given as IPv4. */
export function decodeSockaddr(bytes: Uint8Array): SocketAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const port = view.getUint16(2);
  if (view.getUint16(0, true) === AF_INET) return { address: bytes.subarray(4, 8).join("."), port };
  const isMapped = view.getUint32(8) === 0 && view.getUint32(12) === 0 && view.getUint32(16) === 0xffff;
  return { address: isMapped ? bytes.subarray(20, 24).join(".") : printIpv6(view, 8), port };
}

/** 16 bytes of a text that `isIPv6` accepts. */
function parseIpv6(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const [head = "", tail] = (text.split("%")[0] as string).split("::");
  const first = head.split(":").flatMap(groupBytes);
  const last = (tail ?? "").split(":").flatMap(groupBytes);
  bytes.set(first);
  bytes.set(last, 16 - last.length);
  return bytes;
}

function groupBytes(group: string): number[] {
  if (group === "") return [];
  if (group.includes(".")) return group.split(".").map(Number);
  const value = parseInt(group, 16);
  return [value >> 8, value & 255];
}

/** RFC 5952: lower case, the longest run of at least two zero groups as `::`. */
function printIpv6(view: DataView, offset: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(offset + 2 * i).toString(16));
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}
