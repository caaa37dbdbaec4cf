/**
 * VLAN tags. The outermost tag is not in the packet's bytes but beside them (`vlan_tci` and friends of the context), as the
 * network card leaves it; pushing another puts the one that is there into the bytes, popping takes one out of them.
 * Source: what Linux 6.18 answers (test/vm/helpers/packets.test.ts).
 */
import { ERRNO } from "../errno.ts";
import type { Run } from "../host.ts";
import type { Packet } from "../packet.ts";
import { skbOf } from "../skb.ts";
import { result, swap16, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const ETH_P = { vlan: 0x8100, provider: 0x88a8, ethernet802_2: 4, ethernet802_3: 1 };
/** The smallest number that is an EtherType, not a length. */
const ETH_P_MIN = 0x600;
const ADDRESSES = 12;
const TAG = 4;
const ETHERNET = 14;
const VLAN_HEADER = 18;

export const VLAN_HELPERS = {
  skb_vlan_push: (host, _ctx, r2, r3) => {
    const { run } = host;
    const wanted = swap16(u32(r2));
    const protocol = isVlan(wanted) ? wanted : ETH_P.vlan;
    if (run.context.number("vlan_present") !== 0) insert(run, host.packet("skb_vlan_push"));
    run.context.put({ vlan_present: 1, vlan_tci: u32(r3) & 0xffff, vlan_proto: protocol });
    return 0n;
  },
  skb_vlan_pop: (host) => {
    const { run } = host;
    const packet = host.packet("skb_vlan_pop");
    if (run.context.number("vlan_present") !== 0) {
      run.context.put({ vlan_present: 0, vlan_tci: 0, vlan_proto: 0 });
    } else {
      if (!isVlan(run.context.number("protocol"))) return 0n;
      if (remove(run, packet) === null) return result(-ERRNO.ENOMEM);
    }
    // The next tag takes the place beside the packet.
    const protocol = run.context.number("protocol");
    if (!isVlan(protocol)) return 0n;
    const tci = remove(run, packet);
    if (tci === null) return result(-ERRNO.ENOMEM);
    run.context.put({ vlan_present: 1, vlan_tci: tci, vlan_proto: protocol });
    return 0n;
  },
} satisfies Implementations;

function isVlan(protocol: number): boolean {
  return protocol === ETH_P.vlan || protocol === ETH_P.provider;
}

/** The tag beside the packet goes behind the addresses. */
function insert(run: Run, packet: Packet): void {
  const protocol = run.context.number("vlan_proto");
  packet.splice(ADDRESSES, 0, TAG);
  const view = new DataView(packet.bytes.buffer, packet.bytes.byteOffset);
  view.setUint16(ADDRESSES, protocol, false);
  view.setUint16(ADDRESSES + 2, run.context.number("vlan_tci"), false);
  run.context.put({ protocol });
  run.context.point(packet);
}

/** Takes the outermost tag out of the bytes: its TCI; null when the packet is too short to have one. */
function remove(run: Run, packet: Packet): number | null {
  if (!packet.pull(VLAN_HEADER)) return null;
  const view = new DataView(packet.bytes.buffer, packet.bytes.byteOffset);
  const tci = view.getUint16(ADDRESSES + 2, false);
  const inner = view.getUint16(ADDRESSES + TAG, false);
  const after = packet.read(VLAN_HEADER, 2);
  const raw = after !== null && after[0] === 0xff && after[1] === 0xff;
  packet.splice(ADDRESSES, TAG, 0);
  run.context.put({ protocol: inner >= ETH_P_MIN ? inner : raw ? ETH_P.ethernet802_3 : ETH_P.ethernet802_2 });
  run.context.point(packet);
  const skb = skbOf(run);
  skb.macLength = skb.network = Math.max(skb.network - TAG, ETHERNET);
  return tci;
}
