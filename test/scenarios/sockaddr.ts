/**
 * Socket addresses between the text of scenarios and `struct sockaddr_in`, `sockaddr_in6` in hexadecimal.
 * Sources: ip(7), ipv6(7). Ports and addresses are in network order, families in the machine's (little-endian) order.
 */
import { formatAddress, parseAddress } from "../../lib/bytes/index.ts";
import type { AddressText } from "./script.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;

/** `10.0.0.1:80`, `[::1]:80` or `unspec`. */
export function encodeSockaddr(text: AddressText): string {
  if (text === "unspec") return "00".repeat(16);
  const match = /^(?:\[(?<six>.+)\]|(?<four>[^:]+)):(?<port>\d+)$/.exec(text);
  if (match === null) throw new Error(`${JSON.stringify(text)} is not an address with a port`);
  const { six, four = "", port } = match.groups ?? {};
  const portHex = Number(port).toString(16).padStart(4, "0");
  const ip = six === undefined ? parseAddress(four, "ipv4") : parseAddress(six, "ipv6");
  if (ip === null) throw new Error(`${JSON.stringify(text)} holds no IP address`);
  // After the port: sin_addr and 8 bytes of padding; or flow information, sin6_addr and scope.
  return six === undefined ? `0200${portHex}${hex(ip)}${"00".repeat(8)}` : `0a00${portHex}00000000${hex(ip)}00000000`;
}

/** The text of an address; null for an empty one. */
export function decodeSockaddr(hexText: string): AddressText | null {
  const bytes = Uint8Array.from(Buffer.from(hexText, "hex"));
  if (bytes.length === 0) return null;
  const view = new DataView(bytes.buffer);
  const family = view.getUint16(0, true);
  const port = bytes.length < 4 ? 0 : view.getUint16(2);
  if (family === AF_INET) return `${formatAddress(bytes.subarray(4, 8))}:${port}`;
  if (family === AF_INET6) return `[${formatAddress(bytes.subarray(8, 24))}]:${port}`;
  return family === 0 ? "unspec" : `family ${family}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
