/**
 * What a socket buffer has besides its bytes and the fields that programs see in `__sk_buff`: where the headers start,
 * what is known of its checksum, and the tunnel that it came through or is to take. Made when a helper first asks.
 */
import { NETWORK_LAYER_TYPES } from "../kernel/index.ts";
import type { ProgramType } from "../kernel/index.ts";
import type { Run } from "./host.ts";

export interface Skb {
  /** Offset of the network header from the packet's first byte; the link-layer header starts `macLength` before it. */
  network: number;
  macLength: number;
  /** Offset of the transport header, or null where nobody has found it yet. */
  transport: number | null;
  /** What is known of the checksum of the transport layer: nothing, or that it holds, for `level` + 1 headers. */
  checksum: { readonly known: boolean; readonly level: number };
  /** The tunnel's metadata: received with the packet, or set by the program for sending. */
  tunnel: Tunnel | null;
  /** Whether an encapsulation was announced (BPF_F_ADJ_ROOM_ENCAP_*). */
  encapsulated: boolean;
  /** Whether the program has said what the hash is, 0 included. */
  hashSet: boolean;
}

/** What a tunnel device gives with a packet, and takes. Addresses in host order, IPv6 ones as their bytes. */
export interface Tunnel {
  readonly id: number;
  readonly ipv6: boolean;
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly tos: number;
  readonly ttl: number;
  readonly label: number;
  /** BPF_TUNINFO_FLAGS: TUNNEL_* bits in network order. */
  readonly flags: number;
  /** Set by this program for sending, rather than received. */
  readonly set: boolean;
  options: Uint8Array;
}

const ETHERNET = 14;
/** Types whose packets start behind the link-layer header; those of sk_skb at the payload, even. */
export const FROM_NETWORK: ReadonlySet<ProgramType> = new Set([...NETWORK_LAYER_TYPES, "sk_skb"]);

/** The socket buffer of a run. Programs of cgroups see packets from the network header on, others from the link layer's. */
export function skbOf(run: Run): Skb {
  const network = FROM_NETWORK.has(run.type) ? 0 : ETHERNET;
  run.skb ??= {
    network,
    macLength: ETHERNET,
    transport: null,
    checksum: { known: false, level: 0 },
    tunnel: null,
    encapsulated: false,
    hashSet: false,
  };
  return run.skb;
}
