/**
 * The entries of `steered` and `proxied` as bytes: the waypoint's part of programs/mesh/tables.ts.
 * `test/mesh/waypoint/layouts.test.ts` compares them with the codecs of the compiled programs' types.
 */
import type { SocketAddress } from "ebpf-ts/loader";
import { formatAddress, mappedBytes, parseAddress } from "../objects/address.ts";

/** IANA numbers. */
const PROTOCOLS = { TCP: 6, UDP: 17 } as const;
const MAPPED_HI = 0n;
const MAPPED_LO = 0xffffn;

// SteeredKey: client 16, server 16, client port u16, server port u16, endpoint u32
const STEERED_KEY = 40;
// FlowKey: local 16, remote 16, local port u16, remote port u16, protocol u8, 3 unused
const FLOW_KEY = 40;
// Steered: time u64, original 16, original port u16, l7 u16, identity u32, endpoint u32, rule u32, direction u32, 4 unused
export const STEERED = 48;

/** What `steered` says of a connection. */
export interface SteeredRow {
  readonly original: SocketAddress;
  readonly l7: number;
  readonly identity: number;
  readonly endpoint: number;
  readonly rule: number;
  /** 0 ingress, 1 egress. */
  readonly direction: number;
}

/** @param endpoint - 0 for ingress. */
export function encodeSteeredKey(client: SocketAddress, server: SocketAddress, endpoint: number): Uint8Array {
  const bytes = new Uint8Array(STEERED_KEY);
  const view = new DataView(bytes.buffer);
  bytes.set(addressBytes(client.address), 0);
  bytes.set(addressBytes(server.address), 16);
  view.setUint16(32, client.port, true);
  view.setUint16(34, server.port, true);
  view.setUint32(36, endpoint, true);
  return bytes;
}

export function decodeSteered(bytes: Uint8Array): SteeredRow {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    original: { address: readAddress(view, 8), port: view.getUint16(24, true) },
    l7: view.getUint16(26, true),
    identity: view.getUint32(28, true),
    endpoint: view.getUint32(32, true),
    rule: view.getUint32(36, true),
    direction: view.getUint32(40, true),
  };
}

export function encodeSteered(row: SteeredRow): Uint8Array {
  const bytes = new Uint8Array(STEERED);
  const view = new DataView(bytes.buffer);
  bytes.set(addressBytes(row.original.address), 8);
  view.setUint16(24, row.original.port, true);
  view.setUint16(26, row.l7, true);
  view.setUint32(28, row.identity, true);
  view.setUint32(32, row.endpoint, true);
  view.setUint32(36, row.rule, true);
  view.setUint32(40, row.direction, true);
  return bytes;
}

export function encodeFlowKey(
  local: SocketAddress,
  remote: SocketAddress,
  protocol: keyof typeof PROTOCOLS = "TCP",
): Uint8Array {
  const bytes = new Uint8Array(FLOW_KEY);
  const view = new DataView(bytes.buffer);
  bytes.set(addressBytes(local.address), 0);
  bytes.set(addressBytes(remote.address), 16);
  view.setUint16(32, local.port, true);
  view.setUint16(34, remote.port, true);
  view.setUint8(36, PROTOCOLS[protocol]);
  return bytes;
}

/** 16 bytes in network order; IPv4 as ::ffff:a.b.c.d. */
function addressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === null) throw new TypeError(`${text} is no address`);
  return mappedBytes(address);
}

function readAddress(view: DataView, at: number): string {
  const hi = view.getBigUint64(at);
  const lo = view.getBigUint64(at + 8);
  const isMapped = hi === MAPPED_HI && lo >> 32n === MAPPED_LO;
  return isMapped
    ? formatAddress({ family: 4, bits: lo & 0xffffffffn })
    : formatAddress({ family: 6, bits: (hi << 64n) | lo });
}
