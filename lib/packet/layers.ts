/** Layers as values: one function for each header of the table, and the bytes that no header describes. */
import type { BytesLayer, Fields, HeaderKind, HeaderSpec } from "./headers.ts";

/** Some fields of a header, by the table's names; builders fill in the others. */
export type Some<K extends HeaderKind> = Partial<Fields<K>>;

const layer =
  <K extends HeaderKind>(kind: K) =>
  (fields: Some<K> = {}): HeaderSpec<K> =>
    ({ kind, ...fields }) as HeaderSpec<K>;

export const ethernet = layer("ethernet");
/** 802.1Q; the outer of two becomes 802.1ad. */
export const vlan = layer("vlan");
export const arp = layer("arp");
export const ipv4 = layer("ipv4");
export const ipv6 = layer("ipv6");
export const hopByHop = layer("hopByHop");
export const destinationOptions = layer("destinationOptions");
export const routing = layer("routing");
/** The IPv6 header of a fragment; IPv4 has the same fields in its own. */
export const fragment = layer("fragment");
export const authentication = layer("authentication");
export const tcp = layer("tcp");
export const udp = layer("udp");
export const icmp = layer("icmp");
export const icmpv6 = layer("icmpv6");

/** Text is UTF-8. */
export function payload(content: Uint8Array | string): BytesLayer {
  return { kind: "payload", bytes: bytesOf(content) };
}

/** Bytes that no length counts, such as those that fill a short Ethernet frame. */
export function padding(content: Uint8Array | number): BytesLayer {
  return { kind: "padding", bytes: typeof content === "number" ? new Uint8Array(content) : content };
}

export function bytesOf(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}
