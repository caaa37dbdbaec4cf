// Services per packet: for what sends to a service address past the programs at the cgroup (connect.ts), or on kernels without
// them. The same tables and the same choice, so that it is only slower, and never judged otherwise.
//
//   from the pod ── no flow that was answered? ── a service's address: a backend, the flow's own or a new one
//        ── policy and flows see the backend, never the service ── passes: destination rewritten
//   to the pod ── passes, of a flow that asked for a service: source rewritten
//
// The flow itself (tables.ts) says which address was asked for, so what comes back costs nothing that other packets do not
// pay; `translations` says which backend the pod's end of a flow goes to.
import { Cell, IpProtocol, LruHashMap, SkBuff, monotonicTime, noInline } from "ebpf-ts/std";
import { bswap16 } from "ebpf-ts/std/bpf";
import { tell } from "./events";
import { Packet, PacketKind, isMapped } from "./packet";
import { BackendState, Service, ServiceKey, backendOf, pick, services } from "./services";
import {
  Address, Direction, DropReason, Endpoint, FlowEventKind, FlowKey, Lifetime, Settings, SettingsFlag,
} from "./tables";

/** Where a flow to a service address goes. */
@unmanaged @final
export class Translation {
  /** Monotonic nanoseconds of the last packet. */
  seen: u64;
  /** The backend's address: a connection goes on there even when nobody names the backend any more. */
  hi: u64;
  lo: u64;
  /** Key of `backends`. */
  backend: u32;
  port: u16;
  reserved: u16;
}

/**
 * By flow, its remote end the service's address. Half as many as `flows`, which has both ends of what stays on the node, and flows to
 * no service: 297 for each of 110 pods.
 */
export const translations = new LruHashMap<FlowKey, Translation>(32768);

// Where things are in headers.
const ETHERNET: u32 = 14;
const IPV4_CHECKSUM: u32 = ETHERNET + 10;
const IPV4_SOURCE: u32 = ETHERNET + 12;
const IPV6_SOURCE: u32 = ETHERNET + 8;
const TCP_CHECKSUM: u32 = 16;
const UDP_CHECKSUM: u32 = 6;

/** Flags of bpf_l4_csum_replace: the sum has the addresses in it; 0 is "no checksum" and stays so. */
const PSEUDO_HEADER: u64 = 1 << 4;
const ZERO_IS_NONE: u64 = 1 << 5;

/** May a packet that could be the first of a flow go where those before it went? */
function mayStay(last: Translation, service: Service, key: FlowKey, now: u64): bool {
  if (<i64>(now - last.seen) > <i64>Lifetime.Short) return false;
  const backend = backendOf(last.backend, service.id);
  if (!backend || backend.hi != last.hi || backend.lo != last.lo || backend.port != last.port) return false;
  return key.protocol == IpProtocol.Udp || backend.state == BackendState.Active;
}

/**
 * The flow's remote end becomes the backend; the packet keeps what was asked for. Not the service's port decides, but the
 * backend's.
 */
function redirect(key: FlowKey, packet: Packet, hi: u64, lo: u64, port: u16): void {
  packet.askedHi = key.remoteHi;
  packet.askedLo = key.remoteLo;
  packet.askedPort = key.remotePort;
  packet.port = port;
  key.remoteHi = hi;
  key.remoteLo = lo;
  key.remotePort = port;
  // It would get a packet from its own address, which every kernel drops.
  if (key.localHi == hi && key.localLo == lo) packet.reason = DropReason.InvalidSource;
}

/**
 * Turns a packet from a pod to a service's address into one to a backend: `key` and `packet`, not yet the bytes. False: it is
 * for no service. With `packet.reason` set it has nowhere to go.
 */
export function translate(key: FlowKey, packet: Packet, endpoint: Endpoint, settings: Settings): bool {
  noInline();
  if (key.protocol != IpProtocol.Tcp && key.protocol != IpProtocol.Udp) return false;
  const now = monotonicTime();
  if (key.protocol == IpProtocol.Tcp && packet.kind != PacketKind.Opens) {
    const connection = translations.get(key);
    if (connection) {
      connection.seen = now;
      redirect(key, packet, connection.hi, connection.lo, connection.port);
      return true;
    }
  }
  const asked = new ServiceKey();
  asked.hi = key.remoteHi;
  asked.lo = key.remoteLo;
  asked.port = key.remotePort;
  asked.protocol = key.protocol;
  const service = services.get(asked);
  if (!service) return false;
  const last = translations.get(key);
  if (last && mayStay(last, service, key, now)) {
    last.seen = now;
    redirect(key, packet, last.hi, last.lo, last.port);
    return true;
  }
  // Not the cookie of the namespace: older kernels do not give it for a packet, and not every packet has a socket.
  const client = isMapped(key.localHi, key.localLo) ? endpoint.lo4 : endpoint.hi6 ^ endpoint.lo6;
  const number = pick(asked, service, client, client);
  const backend = backendOf(number, service.id);
  if (!backend) {
    packet.reason = DropReason.NoBackend;
    return true;
  }
  const chosen = new Translation();
  chosen.seen = now;
  chosen.hi = backend.hi;
  chosen.lo = backend.lo;
  chosen.backend = number;
  chosen.port = backend.port;
  if (translations.set(key, chosen) != 0) {
    packet.reason = DropReason.FlowTableFull;
    return true;
  }
  if (settings.flags & SettingsFlag.FlowEvents) tell(key, packet, Direction.Egress, FlowEventKind.Translated);
  redirect(key, packet, chosen.hi, chosen.lo, chosen.port);
  return true;
}

// Words of a one's complement sum; `without`: taken out of it.
function words(value: u64): u64 {
  return <u64>(<u32>value) + (value >> 32);
}

function without(value: u64): u64 {
  return words(~value);
}

function fold(sum: u64): u64 {
  const once = words(sum);
  return words(once);
}

/**
 * Writes into the packet what `translate` decided, or, on the way back, the address that was asked for. Where it cannot,
 * `packet.reason` says so. Pointers into the packet are void after it. Fragments without a transport header get only the address.
 */
export function rewrite(skb: SkBuff, key: FlowKey, packet: Packet, direction: u32): void {
  noInline();
  const out = direction == Direction.Egress;
  const from = new Address();
  from.hi = out ? packet.askedHi : key.remoteHi;
  from.lo = out ? packet.askedLo : key.remoteLo;
  const to = new Address();
  to.hi = out ? key.remoteHi : packet.askedHi;
  to.lo = out ? key.remoteLo : packet.askedLo;
  const v4 = isMapped(key.localHi, key.localLo);
  const difference = fold(words(to.hi) + words(to.lo) + without(from.hi) + without(from.lo));
  let failed: i32 = 0;
  if (packet.fragmentOffset == 0) {
    const tcp = key.protocol == IpProtocol.Tcp;
    const flags: u64 = tcp ? 0 : ZERO_IS_NONE;
    const at = packet.transport + (tcp ? TCP_CHECKSUM : UDP_CHECKSUM);
    const port = new Cell<u16>();
    port.value = <u16>bswap16(out ? key.remotePort : packet.askedPort);
    const before: u64 = bswap16(out ? packet.askedPort : key.remotePort);
    failed |= skb.replaceL4Checksum(at, 0, difference, PSEUDO_HEADER | flags);
    failed |= skb.replaceL4Checksum(at, before, port.value, 2 | flags);
    failed |= skb.storeBytes<Cell<u16>>(packet.transport + (out ? 2 : 0), port);
  }
  if (v4) {
    const address = new Cell<u32>();
    address.value = <u32>(to.lo >> 32);
    failed |= skb.replaceL3Checksum(IPV4_CHECKSUM, 0, difference, 0);
    failed |= skb.storeBytes<Cell<u32>>(out ? IPV4_SOURCE + 4 : IPV4_SOURCE, address);
  } else failed |= skb.storeBytes<Address>(out ? IPV6_SOURCE + 16 : IPV6_SOURCE, to);
  // Helpers fail with negative numbers. What is half written must not pass, audited or not.
  const sign = <u8>(failed >> 31);
  packet.reason = (packet.reason & ~sign) | (DropReason.InvalidPacket & sign);
  packet.audited &= ~sign;
}
