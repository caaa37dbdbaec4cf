/**
 * The vocabulary of tests: `packet(...layers)` for any packet, `packet.tcp({ src, dst, … })` and its like for the usual ones.
 *
 *   packet(ethernet(), vlan({ id: 5 }), ipv4({ ttl: 1 }), udp({ dport: 53 }), "question")
 *   packet.tcp({ src: "10.0.0.1", dst: "10.0.0.2:80", flags: "SA" })
 */
import { parseAddress } from "../bytes/index.ts";
import { packetError } from "./diagnostics.ts";
import { encodeLayers } from "./encode.ts";
import type { Fields, HeaderKind, LayerSpec } from "./headers.ts";
import { arp, ethernet, icmp, icmpv6, ipv4, ipv6, payload, tcp, udp, vlan } from "./layers.ts";
import type { Some } from "./layers.ts";

/** The way of a packet: what is before its transport header. */
export interface Path {
  /** `"10.0.0.1"`, `"10.0.0.1:4000"`, `"fd00::1"`, `"[fd00::1]:4000"`; both ends of one family. Default: the header's. */
  readonly src?: string;
  readonly dst?: string;
  /** VLAN identifiers, the outer first. */
  readonly vlan?: number | readonly number[];
  readonly payload?: Uint8Array | string;
  /** Other fields of the headers before. `ip` is for the family of the addresses. */
  readonly ethernet?: Some<"ethernet">;
  readonly ip?: Some<"ipv4"> | Some<"ipv6">;
}

type Transport<K extends HeaderKind> = Path & Partial<Omit<Fields<K>, "sport" | "dport">>;

/**
 * The bytes of a packet of these layers; bytes and text are payload. Lengths, checksums and the numbers of the layers
 * behind are right unless a layer says otherwise. Throws `DiagnosticError` K012 and K013 for values and fields that a header
 * does not have.
 */
export function packet(...layers: readonly (LayerSpec | Uint8Array | string)[]): Uint8Array {
  return encodeLayers(layers.map((l) => (typeof l === "string" || l instanceof Uint8Array ? payload(l) : l)));
}

/** Ethernet, IP and TCP; a SYN unless `flags` says otherwise. */
packet.tcp = (options: Transport<"tcp"> = {}): Uint8Array => {
  const { path, own, ports } = split(options);
  return encodeLayers([...path.before, tcp({ ...own, ...ports }), ...path.behind]);
};

packet.udp = (options: Transport<"udp"> = {}): Uint8Array => {
  const { path, own, ports } = split(options);
  return encodeLayers([...path.before, udp({ ...own, ...ports }), ...path.behind]);
};

/** An echo request unless `type` says otherwise; ICMPv6 between IPv6 addresses. */
packet.icmp = (options: Transport<"icmp"> = {}): Uint8Array => {
  const { path, own } = split(options);
  return encodeLayers([...path.before, path.family === "ipv6" ? icmpv6(own) : icmp(own), ...path.behind]);
};

/** A request to everyone unless the fields say otherwise. */
packet.arp = ({ ethernet: link = {}, ...fields }: Some<"arp"> & Pick<Path, "ethernet"> = {}): Uint8Array =>
  encodeLayers([ethernet({ dst: "ff:ff:ff:ff:ff:ff", ...link }), arp(fields)]);

interface Split<O> {
  readonly path: {
    readonly family: "ipv4" | "ipv6";
    readonly before: readonly LayerSpec[];
    readonly behind: readonly LayerSpec[];
  };
  readonly own: Omit<O, keyof Path>;
  readonly ports: { readonly sport?: number; readonly dport?: number };
}

function split<O extends Path>(options: O): Split<O> {
  const { src, dst, vlan: tags = [], payload: content, ethernet: link, ip, ...own } = options;
  const source = parseEndpoint(src);
  const destination = parseEndpoint(dst);
  const family = source.family ?? destination.family ?? "ipv4";
  if (family !== (destination.family ?? family)) {
    const found = `${src} and ${dst}`;
    throw packetError("K011", "a packet has addresses of one family", {
      expected: "two IPv4 or two IPv6 addresses",
      found,
    });
  }
  const addresses = { ...pick("saddr", source.address), ...pick("daddr", destination.address), ...ip };
  return {
    path: {
      family,
      before: [
        ethernet(link),
        ...[tags].flat().map((id) => vlan({ id })),
        family === "ipv4" ? ipv4(addresses as Some<"ipv4">) : ipv6(addresses as Some<"ipv6">),
      ],
      behind: content === undefined ? [] : [payload(content)],
    },
    own,
    ports: { ...pick("sport", source.port), ...pick("dport", destination.port) },
  };
}

function pick<N extends string, T>(name: N, value: T | undefined): { readonly [P in N]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [P in N]?: T };
}

/** One end of a connection as people write it. */
export interface Endpoint {
  readonly family?: "ipv4" | "ipv6";
  readonly address?: string;
  readonly port?: number;
}

/** Reads `"10.0.0.1:80"`, `"[fd00::1]:80"`, either without the port. Throws K011 for any other text. */
export function parseEndpoint(text: string | undefined): Endpoint {
  if (text === undefined) return {};
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  const family = (["ipv4", "ipv6"] as const).find((f) => parseAddress(address, f) !== null);
  if (family === undefined || (plain !== undefined && family === "ipv6") || Number(port ?? 0) > 0xffff) {
    const expected = "an address with or without a port, such as 10.0.0.1, 10.0.0.1:80, fd00::1, [fd00::1]:80";
    throw packetError("K011", `${JSON.stringify(text)} is no address`, { expected, found: JSON.stringify(text) });
  }
  return { family, address, ...pick("port", port === undefined ? undefined : Number(port)) };
}
