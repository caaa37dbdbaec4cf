// The maps that the mesh's programs share, and their layouts: the one contract between the kernel side and the agent.
//
// How a packet is judged:
//   device -> `endpoints` (who is behind this veth) ; remote address -> `hosts`, else `prefixes` -> identity
//   (Endpoint.policy, identity, direction) -> `judgements`, else (Endpoint.policy, 0, direction): a Judgement. It either decides
//   at once or names a port table: (port table, protocol, port) -> `verdicts`, else `portRanges`, else any port, else the
//   Judgement itself. Policies and port tables are numbers, not maps. User space has resolved all precedence (deny before allow, plain allow before redirect) when it
//   wrote these, so the first entry that is found is the answer. Every lookup but a range's is a hash: the cost does not
//   grow with the number of identities or rules.
//
// Port tables and policies are immutable: the same rules are the same number for all endpoints and identities, a change makes
// a new number, written before anything names it and deleted after nothing does. An endpoint's policy changes with one write
// to `endpoints`, which names another policy and raises the `generation`; flows that were judged under an older one are judged
// again. (A map of maps would say the same, but the kernel waits for an RCU grace period after each write to one: 8 ms.)
//
// Addresses are 16 bytes in network order, as two words read raw from memory (`hi` the first eight bytes); an IPv4 address
// is ::ffff:a.b.c.d. Ports, lengths and everything else are in host order. Structs with a u64 are multiples of eight bytes.
import {
  ArrayMap, Cell, HashMap, LpmTrie, LruHashMap, LruPerCpuHashMap, MapFlag, PerCpuArrayMap, RingBuffer, SockMap,
} from "ebpf-ts/std";

export const MAX_ENDPOINTS: u32 = 4096;

/** An address, as a key. */
@unmanaged @final
export class Address {
  hi: u64;
  lo: u64;
}

/** A prefix, as a key of an LPM trie. The words are raw network order, `a` the first four bytes. */
@unmanaged @final
export class Prefix {
  /** Bits, 0 to 128; an IPv4 prefix has 96 more than it is written with. */
  bits: u32;
  a: u32;
  b: u32;
  c: u32;
  d: u32;
}

/** What is known of an address. */
@unmanaged @final
export class Host {
  /** 0: unknown, which is `Identity.World`. */
  identity: u32;
  /** Of this node: the endpoint's number; 0 for an address elsewhere. */
  endpoint: u32;
  /** HostFlag. */
  flags: u32;
  reserved: u32;
}

export namespace HostFlag {
  /** An address of this node itself. */
  export const Local: u32 = 1;
}

/** Identities that programs know by number; the same as Cilium's. */
export namespace Identity {
  export const Host: u32 = 1;
  export const World: u32 = 2;
  export const Init: u32 = 5;
  export const RemoteNode: u32 = 6;
  /** Of addresses that did not fit into the maps: whoever they are, every policy denies them. */
  export const Unfit: u32 = 0xffffffff;
}

export namespace Direction {
  /** To the endpoint. */
  export const Ingress: u32 = 0;
  /** From the endpoint. */
  export const Egress: u32 = 1;
}

/** A pod of this node, by the index of the host side of its veth. */
@unmanaged @final
export class Endpoint {
  /** The only source addresses that it may use; zero: it has none of the family. */
  hi4: u64;
  lo4: u64;
  hi6: u64;
  lo6: u64;
  /** 1 to MAX_ENDPOINTS - 1, the index into `listeners`. */
  id: u32;
  identity: u32;
  /** Raised after the policy changed: what was judged under another one is judged again. */
  generation: u32;
  /** EndpointFlag. */
  flags: u32;
  /** Number of its policy in `judgements`; 0: none, everything is denied. */
  policy: u32;
  reserved: u32;
}

export namespace EndpointFlag {
  /** Nothing passes in either direction: the policy did not fit into the maps. */
  export const LockedDown: u32 = 1;
  /** The waypoint listens in the endpoint's namespace; without it, flows that need it are denied. */
  export const WaypointUp: u32 = 2;
  /** Its sockets stay with TCP, whatever SettingsFlag.Shortcut says: for applications that the shortcut does not suit. */
  export const NoShortcut: u32 = 4;
}

/** Which identity, in which direction. Identity 0: any that has no entry of its own. */
@unmanaged @final
export class JudgementKey {
  /** Endpoint.policy. */
  policy: u32;
  identity: u32;
  direction: u32;
}

/** What L3 decides, and the port table where ports decide. */
@unmanaged @final
export class Judgement {
  /** Number of a port table in `verdicts` and `portRanges`; 0: none. */
  ports: u32;
  /** The rule that decides where no port does; 0: none, default deny or no policy. */
  rule: u32;
  /** Action where no port decides. */
  action: u8;
  /** JudgementFlag. */
  flags: u8;
  /** As Verdict.l7, of `action` Redirect. */
  l7: u16;
  reserved: u32;
}

export namespace JudgementFlag {
  /** `verdicts` has entries of single ports. */
  export const Exact: u8 = 1;
  /** `portRanges` has entries. */
  export const Ranges: u8 = 2;
  /** `verdicts` has entries of port 0, "any port of the protocol". */
  export const AnyPort: u8 = 4;
}

export namespace Action {
  export const Deny: u8 = 0;
  export const Allow: u8 = 1;
  /** Allowed if HTTP or DNS rules do: through the waypoint. */
  export const Redirect: u8 = 2;
}

@unmanaged @final
export class PortKey {
  ports: u32;
  /** ICMP types have port `ICMP_TYPE | type`. */
  port: u16;
  protocol: u8;
  reserved: u8;
}

export const ICMP_TYPE: u16 = 0x8000;

/** A prefix of ports of one protocol. `bits`: 40 (the table and protocol) to 56. */
@unmanaged @final
export class PortPrefix {
  bits: u32;
  /** Raw network order, as is `port`. */
  ports: u32;
  protocol: u8;
  portHigh: u8;
  portLow: u8;
  reserved: u8;
}

@unmanaged @final
export class Verdict {
  /** The rule that decided; user space knows its object, number and place. */
  rule: u32;
  action: u8;
  reserved: u8;
  /** Number of the set of HTTP rules, for Redirect. */
  l7: u16;
}

/**
 * A flow as seen from one endpoint. ICMP echo has its identifier as the port of the end that asks and 0 as the other; all
 * other ICMP has the type as both; a protocol without ports has 0.
 */
@unmanaged @final
export class FlowKey {
  localHi: u64;
  localLo: u64;
  remoteHi: u64;
  remoteLo: u64;
  localPort: u16;
  remotePort: u16;
  protocol: u8;
  reserved: u8;
  reserved2: u16;
}

@unmanaged @final
export class Flow {
  /** Nanoseconds of the monotonic clock. */
  opened: u64;
  seen: u64;
  /** From the end that opened it, and back. */
  packets: u64;
  bytes: u64;
  replyPackets: u64;
  replyBytes: u64;
  /** Endpoint.generation and Settings.identities when it was judged. */
  generation: u32;
  identities: u32;
  /** Of the remote end. */
  identity: u32;
  rule: u32;
  endpoint: u32;
  /** Direction in which it was opened. */
  direction: u8;
  action: u8;
  /** FlowState. */
  state: u8;
  /** FlowEnd bits. */
  ended: u8;
  l7: u16;
  /** The port (ICMP_TYPE | type) by which it was judged. */
  port: u16;
  /** 1: it goes through the waypoint (`steer` gave it to the listener, or it is one of `proxied`). Redirect needs it. */
  steered: u8;
  reserved: u8;
  /** The service's address that the endpoint sends to instead of the remote end's; 0: none. */
  askedPort: u16;
  askedHi: u64;
  askedLo: u64;
}

export namespace FlowState {
  /** A packet went forward, none back. */
  export const New: u8 = 0;
  export const Established: u8 = 1;
  /** Both ends sent FIN, or one RST. */
  export const Closing: u8 = 2;
}

export namespace FlowEnd {
  /** FIN from the end that opened it. */
  export const Forward: u8 = 1;
  /** FIN from the other end. */
  export const Reply: u8 = 2;
}

/** How long a flow is remembered after its last packet, in nanoseconds. One that is older counts as not there. */
export namespace Lifetime {
  /** No reply yet, or a protocol without connections. */
  export const Short: u64 = 60_000_000_000;
  export const TcpEstablished: u64 = 8_000_000_000_000;
  export const Closing: u64 = 10_000_000_000;
}

/** All fragments of one packet. */
@unmanaged @final
export class FragmentKey {
  sourceHi: u64;
  sourceLo: u64;
  destinationHi: u64;
  destinationLo: u64;
  id: u32;
  protocol: u32;
}

/** What only the first fragment has: ports as in FlowKey, and `port` as in Flow. */
@unmanaged @final
export class FragmentPorts {
  sourcePort: u16;
  destinationPort: u16;
  port: u16;
  reserved: u16;
}

/** What drops are told once a second for. */
@unmanaged @final
export class DropKey {
  localHi: u64;
  localLo: u64;
  remoteHi: u64;
  remoteLo: u64;
  localPort: u16;
  remotePort: u16;
  protocol: u8;
  direction: u8;
  reason: u8;
  reserved: u8;
  endpoint: u32;
  reserved2: u32;
}

/** One per node; index 0. Written by the agent. */
@unmanaged @final
export class Settings {
  /** Raised after an address got another identity. */
  identities: u32;
  /** SettingsFlag. */
  flags: u32;
  /** Port of the waypoint's listeners for egress, on 127.0.0.1 and ::1 in each pod's namespace; 0: there is none. */
  waypointPort: u32;
  reserved: u32;
}

export namespace SettingsFlag {
  /** Allowed flows are told as events too, not only drops. */
  export const FlowEvents: u32 = 1;
  /** Deny verdicts are told and counted, and the packets pass ("policy audit mode"). */
  export const Audit: u32 = 2;
  /** Same-node TCP may take the socket shortcut. */
  export const Shortcut: u32 = 4;
}

/** A flow's first packet, a drop, the end of a connection. */
@unmanaged @final
export class FlowEvent {
  time: u64;
  sourceHi: u64;
  sourceLo: u64;
  destinationHi: u64;
  destinationLo: u64;
  /** Of the connection, for Closed: to and from the endpoint that opened it. */
  bytes: u64;
  replyBytes: u64;
  /** 0: unknown (the packet was dropped before anybody asked). */
  sourceIdentity: u32;
  destinationIdentity: u32;
  /** 0: of no endpoint. */
  endpoint: u32;
  rule: u32;
  /** ICMP: the code. */
  sourcePort: u16;
  /** ICMP: the type. */
  destinationPort: u16;
  protocol: u8;
  direction: u8;
  /** FlowEventKind. */
  kind: u8;
  /** DropReason; 0 when nothing was dropped. */
  reason: u8;
  tcpFlags: u8;
  isReply: u8;
  l7: u16;
  length: u32;
}

export namespace FlowEventKind {
  export const Forwarded: u8 = 1;
  export const Dropped: u8 = 2;
  /** To the waypoint. */
  export const Redirected: u8 = 3;
  /** Would have been dropped. */
  export const Audited: u8 = 4;
  export const Closed: u8 = 5;
  /** A service address was replaced by a backend's. */
  export const Translated: u8 = 6;
}

/** Why a packet was dropped: Cilium's numbers where it has one, from 220 on our own. */
export namespace DropReason {
  export const InvalidSource: u8 = 132;
  /** No rule allows it. */
  export const PolicyDenied: u8 = 133;
  export const InvalidPacket: u8 = 134;
  export const UnsupportedL3: u8 = 139;
  export const UnsupportedL4: u8 = 142;
  export const FlowTableFull: u8 = 155;
  export const InvalidExtension: u8 = 156;
  export const NoBackend: u8 = 158;
  /** A later fragment whose first is not known, where ports decide. */
  export const FragmentNotFound: u8 = 175;
  /** A rule denies it. */
  export const PolicyDeny: u8 = 181;
  /** HTTP or DNS rules decide, and the waypoint is not there, or not in the connection's way. */
  export const WaypointDown: u8 = 220;
  export const LockedDown: u8 = 221;
  export const UnknownEndpoint: u8 = 222;
  export const Prefilter: u8 = 223;
}

/** Packets and bytes. */
@unmanaged @final
export class Traffic {
  packets: u64;
  bytes: u64;
}

/** Packets and bytes between an endpoint and an identity. */
@unmanaged @final
export class PairKey {
  endpoint: u32;
  identity: u32;
  direction: u8;
  /** Action. */
  action: u8;
  reserved: u16;
}

/** A connection on its way to the waypoint, by its client's end as the waypoint sees it. Of datagrams to DNS servers: both addresses are 0. */
@unmanaged @final
export class SteeredKey {
  clientHi: u64;
  clientLo: u64;
  serverHi: u64;
  serverLo: u64;
  clientPort: u16;
  serverPort: u16;
  /** Egress: the endpoint, since both ends are loopback addresses, which every pod has; ingress: 0. */
  endpoint: u32;
}

@unmanaged @final
export class Steered {
  time: u64;
  /** Where the client wanted to go, egress only; ingress: the server's end. */
  originalHi: u64;
  originalLo: u64;
  originalPort: u16;
  /** The set of HTTP rules. */
  l7: u16;
  /** Of the other end: the client's for ingress, the server's for egress. */
  identity: u32;
  endpoint: u32;
  rule: u32;
  direction: u32;
  reserved: u32;
}

// How many: LRU maps and arrays take their memory when they are made, so each is as long as what it holds can be many at once on
// a node of 110 pods, several times over. Hash maps of MapFlag.NoPrealloc and tries take 16 bytes an entry, or none, until they are filled.
export const settings = new ArrayMap<Settings>(1);
export const endpoints = new HashMap<u32, Endpoint>(MAX_ENDPOINTS);
/** By cookie of a pod's network namespace: its key in `endpoints`. How programs at sockets know whose socket it is. */
export const namespaces = new HashMap<u64, Cell<u32>>(MAX_ENDPOINTS);
export const hosts = new HashMap<Address, Host>(65536, MapFlag.NoPrealloc);
export const prefixes = new LpmTrie<Prefix, Host>(65536);
/** A policy without an entry for a direction denies it. */
export const judgements = new HashMap<JudgementKey, Judgement>(262144, MapFlag.NoPrealloc);
export const verdicts = new HashMap<PortKey, Verdict>(262144, MapFlag.NoPrealloc);
export const portRanges = new LpmTrie<PortPrefix, Verdict>(65536);
/** Flows that have seen a reply: 595 for each pod. Separate, so that a flood of first packets cannot push them out. */
export const flows = new LruHashMap<FlowKey, Flow>(65536);
export const halfOpen = new LruHashMap<FlowKey, Flow>(16384);
/** Of packets whose last fragment is on its way: milliseconds. */
export const fragments = new LruHashMap<FragmentKey, FragmentPorts>(8192);
/** When a drop was told last. Separate, so that denied packets push nothing out but each other. */
export const toldDrops = new LruHashMap<DropKey, Cell<u64>>(8192);
/** Source prefixes that every endpoint of the node denies, and the rule that says so: dropped at the node's device. */
export const deniedPrefixes = new LpmTrie<Prefix, Cell<u32>>(16384);
export const events = new RingBuffer<FlowEvent>(1 << 20);
/** FlowEvents that found no room in `events`. */
export const lostEvents = new PerCpuArrayMap<Cell<u64>>(1);
/** What became of packets: index `direction << 8 | reason`, reason 0: passed. */
export const counters = new PerCpuArrayMap<Traffic>(512);
/** By rule: what it let through (with replies) or dropped. */
export const ruleTraffic = new LruPerCpuHashMap<u32, Traffic>(8192);
export const pairTraffic = new LruPerCpuHashMap<PairKey, Traffic>(8192);
/** The in-pod listeners of the waypoint for ingress, by Endpoint.id. */
export const listeners = new SockMap(MAX_ENDPOINTS);
/** From the first packet until the waypoint accepts it: 74 for each pod, and a handshake takes milliseconds. */
export const steered = new LruHashMap<SteeredKey, Steered>(8192);
/**
 * Connections of the waypoint's own from inside of a pod's namespace: egress is judged by L3 and L4 only. As many as can
 * be open at once: one that is pushed out is denied when policy changes.
 */
export const proxied = new LruHashMap<FlowKey, Steered>(16384);
