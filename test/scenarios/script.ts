/**
 * The language of scenarios: what happens to some sockets, as data that two worlds can play.
 *
 * A scenario names programs and where they are attached, what their maps hold at first, and a list of steps: socket calls,
 * map operations, attaching and detaching. Whoever plays it answers each step with one observation, plain JSON. The real
 * player (`player.ts`) does the steps with real sockets in a namespace and cgroup of their own; the simulated node does
 * them with simulated ones. Both lists of observations, after `canonical` (`observation.ts`), must be equal.
 *
 *   {
 *     name: "connect4 rewrites address and port",
 *     hook: "sock_addr",
 *     objects: { o: "sock-addr" },
 *     attach: [{ program: "o.connect4", cgroup: "/" }],
 *     presets: [{ map: "o.rules", key: 0, value: { verdict: 1, ip: 0x7f000001, port: 8080 } }],
 *     steps: [
 *       { do: "socket", socket: "server", family: "inet", type: "stream" },
 *       { do: "bind", socket: "server", address: "127.0.0.1:8080" },
 *       ...
 *     ],
 *   }
 *
 * Rules that keep a scenario deterministic:
 * - Ports that a scenario names lie below 32768; ports the system chooses lie in 32768-60999 (Linux's default
 *   ip_local_port_range). So `canonical` knows a chosen port by its value, and writes `port(1)`, `port(2)`... in the order
 *   in which they appear first; likewise `cookie(1)` for socket cookies.
 * - A step that may have to wait (accept, recv, poll, events) waits a bounded time and then observes that nothing came.
 *   The simulator has no time: it does all that can be done, and then nothing comes.
 * - Time passes only in a `wait` step, by which a scenario lets timers run out.
 */

/**
 * The seven hooks without a kernel test run, and behind them those of packets on their way; a scenario is filed under the
 * one it is about.
 */
// prettier-ignore
export const HOOK_FAMILIES = [
  "sock_addr", "cgroup_sock", "sockopt", "sock_ops", "sk_msg", "sk_skb", "sk_reuseport",
  "packets",
] as const;
export type HookFamily = (typeof HOOK_FAMILIES)[number];

export interface Scenario {
  /** Unique among all scenarios. */
  readonly name: string;
  readonly hook: HookFamily;
  /** Default: one namespace, `DEFAULT_NETNS`. */
  readonly topology?: Topology;
  /** Who performs steps. Default and always present: `main`, in cgroup `/` and the first namespace. */
  readonly tasks?: Readonly<Record<string, Task>>;
  /** Objects by id: the file in `test/scenarios/programs` without `.ts`. Two ids may name one file: maps of their own. */
  readonly objects: Readonly<Record<string, string>>;
  /** Done in this order, after the presets and before the steps. All succeed; what may fail is an `attach` step. */
  readonly attach?: readonly Attachment[];
  /** Map entries to set before anything else. */
  readonly presets?: readonly Preset[];
  readonly steps: readonly Step[];
}

/** Object id and name, joined by a dot: `o.connect4` is a program, `o.rules` a map. */
export type Ref = `${string}.${string}`;

// ---- where it plays

export interface Topology {
  /** The first one is where `main` lives. Each has its `lo` up with 127.0.0.1/8 and ::1/128. */
  readonly netns: readonly Netns[];
  /** Pairs of devices between (or within) namespaces. */
  readonly veth?: readonly Veth[];
}

export interface Netns {
  readonly name: string;
  /** More addresses on `lo`: `10.0.0.1`, `fd00::1`, each with a full-length prefix. */
  readonly addresses?: readonly string[];
  /** IPv4 packets for others are forwarded. */
  readonly forwards?: true;
  /** Made when all devices are there: `{ to: "default", via: "10.0.0.1" }`. */
  readonly routes?: readonly NetnsRoute[];
}

export interface NetnsRoute {
  readonly to: string;
  readonly via: string;
}

export interface Veth {
  readonly ends: readonly [VethEnd, VethEnd];
}

export interface VethEnd {
  readonly netns: string;
  readonly device: string;
  /** With prefix length: `192.168.7.1/24`, `fd07::1/64`. Duplicate address detection is off. */
  readonly addresses: readonly string[];
  /** `02:00:00:00:00:01`. Default: whatever the system gives it. */
  readonly mac?: string;
}

/** The namespace of a scenario that says nothing of topology. */
export const DEFAULT_NETNS: Netns = {
  name: "main",
  addresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2", "fd00::3"],
};

/** A process in a cgroup and a namespace. Tasks share their file descriptors: any of them may use any socket. */
export interface Task {
  /** Default `/`. */
  readonly cgroup?: CgroupPath;
  /** Default: the first namespace. */
  readonly netns?: string;
  /** A user without any capability (nobody); default: root, with all. */
  readonly unprivileged?: true;
}

/** Below a cgroup of the scenario's own: `/` is that one, `/a/b` is two levels below. Groups exist as soon as named. */
export type CgroupPath = `/${string}`;

// ---- programs and maps

export type Attachment = CgroupAttachment | MapAttachment | NetnsAttachment | DeviceAttachment;

interface Attached {
  readonly program: Ref;
  /** By which `detach` and `replace` name it. Default: the program's ref. */
  readonly id?: string;
}

/** A cgroup hook; which one, the program's section says. */
export interface CgroupAttachment extends Attached {
  readonly cgroup: CgroupPath;
  /**
   * `link` (default): BPF_LINK_CREATE, several programs may be attached.
   * Others: BPF_PROG_ATTACH with no flag (`exclusive`), BPF_F_ALLOW_OVERRIDE (`override`) or BPF_F_ALLOW_MULTI (`multi`).
   */
  readonly mode?: "link" | "exclusive" | "override" | "multi";
}

/** sk_msg and sk_skb: judges sockets in the map, a sockmap or sockhash. */
export interface MapAttachment extends Attached {
  readonly map: Ref;
}

/** sk_lookup. */
export interface NetnsAttachment extends Attached {
  readonly netns: string;
}

/** tcx, behind the programs that are there; XDP, in the driver. */
export interface DeviceAttachment extends Attached {
  readonly netns: string;
  readonly device: string;
}

/** A map key or value on the JavaScript side of `codecOf` (lib/object); numbers do for 64-bit integers too. */
export type MapValue = number | bigint | boolean | readonly MapValue[] | { readonly [member: string]: MapValue };

/** An entry to set. Members that key and value leave out are zero; an interface's index is one of the first namespace. */
export interface Preset {
  readonly map: Ref;
  readonly key: MapValue;
  readonly value: MapValue;
  /** devmap, cpumap: the entry's own program. */
  readonly program?: Ref;
}

// ---- values of steps

/** `10.0.0.1:80`, `[::1]:80`; `unspec` is a sockaddr of family AF_UNSPEC, all zero, 16 bytes long. */
export type AddressText = string;

/** What is sent: text (UTF-8), `hex:` and hexadecimal digits, or one byte repeated. */
export type Payload = string | { readonly fill: string; readonly length: number };

export type SocketFamily = "inet" | "inet6";
export type SocketType = "stream" | "dgram" | "raw";

/** A socket option by the names of socket(7), ip(7), ipv6(7), tcp(7); a number for one without a name here. */
export interface Option {
  readonly level: OptionLevel | number;
  readonly name: OptionName | number;
}

/** Numbers of Linux on x86-64 and arm64: include/uapi/asm-generic/socket.h, linux/in.h, linux/in6.h, linux/tcp.h. */
// prettier-ignore
export const OPTION_LEVELS = { SOL_SOCKET: 1, SOL_IP: 0, SOL_TCP: 6, SOL_UDP: 17, SOL_IPV6: 41 } as const;
export type OptionLevel = keyof typeof OPTION_LEVELS;
// prettier-ignore
export const OPTION_NAMES = {
  SO_REUSEADDR: 2, SO_TYPE: 3, SO_ERROR: 4, SO_BROADCAST: 6, SO_SNDBUF: 7, SO_RCVBUF: 8, SO_KEEPALIVE: 9, SO_PRIORITY: 12,
  SO_LINGER: 13, SO_REUSEPORT: 15, SO_RCVLOWAT: 18, SO_BINDTODEVICE: 25, SO_ACCEPTCONN: 30, SO_MARK: 36, SO_PROTOCOL: 38,
  SO_DOMAIN: 39, SO_INCOMING_CPU: 49, SO_BINDTOIFINDEX: 62,
  IP_TOS: 1, IP_TTL: 2, IP_TRANSPARENT: 19, IP_FREEBIND: 15, IP_BIND_ADDRESS_NO_PORT: 24,
  TCP_NODELAY: 1, TCP_MAXSEG: 2, TCP_CORK: 3, TCP_KEEPIDLE: 4, TCP_KEEPINTVL: 5, TCP_KEEPCNT: 6, TCP_SYNCNT: 7,
  TCP_DEFER_ACCEPT: 9, TCP_WINDOW_CLAMP: 10, TCP_INFO: 11, TCP_CONGESTION: 13, TCP_USER_TIMEOUT: 18, TCP_SAVE_SYN: 27, TCP_SAVED_SYN: 28,
  IPV6_V6ONLY: 26, IPV6_UNICAST_HOPS: 16, IPV6_TCLASS: 67,
} as const;
export type OptionName = keyof typeof OPTION_NAMES;

// ---- steps

/** Who performs the step; default `main`. Matters for `socket` (its cgroup and namespace are the task's) and `move`. */
interface ByTask {
  readonly task?: string;
}
interface OnSocket extends ByTask {
  readonly socket: string;
}

/**
 * One step. Observations (`observation.ts`): each is `"ok"`, `{ errno }`, or what the comment says.
 * Sockets are named by the scenario; a name may be used again after `close`.
 */
export type Step =
  // prettier-ignore
  | Do<"socket", OnSocket & { readonly family: SocketFamily; readonly type: SocketType; readonly nonblock?: boolean; readonly protocol?: number }>
  | Do<"bind", OnSocket & { readonly address: AddressText }>
  | Do<"listen", OnSocket & { readonly backlog?: number }>
  /** A blocking socket waits until it is connected; nothing for long: `{ errno: "ETIMEDOUT" }`. Non-blocking: EINPROGRESS. */
  | Do<"connect", OnSocket & { readonly address: AddressText }>
  /** Waits for a connection. `{ peer: address }`; the new socket is `as`. None: `{ errno: "EAGAIN" }`. */
  | Do<"accept", OnSocket & { readonly as: string; readonly nonblock?: boolean }>
  /** `{ sent: bytes }`. */
  | Do<"send", OnSocket & { readonly data: Payload; readonly flags?: readonly MessageFlag[] }>
  | Do<"sendto", OnSocket & { readonly data: Payload; readonly to: AddressText; readonly flags?: readonly MessageFlag[] }>
  /**
   * Reads until `length` bytes (default 4096) have come, the stream ends, an error, or nothing comes any more. Sockets of
   * type dgram, and `once`: a single recv. `{ data }`, for the empty end of a stream `{ end: true }`, both when bytes came
   * before it; nothing came: `{ errno: "EAGAIN" }`; an error after bytes: `{ data, errno }`.
   */
  | Do<"recv", OnSocket & { readonly length?: number; readonly once?: boolean; readonly flags?: readonly MessageFlag[] }>
  /** A single recvfrom: `{ data, from: address }` (`from` is null where the socket gives none). */
  | Do<"recvfrom", OnSocket & { readonly length?: number; readonly flags?: readonly MessageFlag[] }>
  | Do<"shutdown", OnSocket & { readonly how: "read" | "write" | "both" }>
  | Do<"close", OnSocket>
  /** `{ address }`. */
  | Do<"getsockname", OnSocket>
  | Do<"getpeername", OnSocket>
  /** `value`: bytes as hex, or a 32-bit integer. */
  | Do<"setsockopt", OnSocket & Option & { readonly value: string | number }>
  /** `{ value: hex }`, of the length that the kernel gave. `length`: of the caller's buffer, default 4; filled with zeros. */
  | Do<"getsockopt", OnSocket & Option & { readonly length?: number }>
  /**
   * Waits until all of these are so. `{ ready: [...] }`: what is so then, in the order of `POLL_EVENTS` (err and hup are told
   * without being asked for).
   */
  | Do<"poll", OnSocket & { readonly for: readonly PollEvent[] }>
  /** Makes the socket an entry of a sockmap, sockhash or reuseport_sockarray (BPF_MAP_UPDATE_ELEM of user space). */
  | Do<"put", OnSocket & { readonly map: Ref; readonly key: MapValue; readonly mode?: "any" | "create" | "replace" }>
  /** The value of a socket in a sk_storage map: `{ value }`, or `{ errno: "ENOENT" }`. */
  | Do<"storage", OnSocket & { readonly map: Ref }>
  /** SO_ATTACH_REUSEPORT_EBPF with this sk_reuseport program. */
  | Do<"reuseport", OnSocket & { readonly program: Ref }>
  /** SO_DETACH_REUSEPORT_BPF. */
  | Do<"reuseport-detach", OnSocket>
  /** Map operations of user space. `get`: `{ value }` or `{ errno: "ENOENT" }`; in maps of sockets the value is `{ cookie }`. */
  | Do<"get", { readonly map: Ref; readonly key: MapValue }>
  | Do<"set", { readonly map: Ref; readonly key: MapValue; readonly value: MapValue }>
  | Do<"delete", { readonly map: Ref; readonly key: MapValue }>
  /**
   * `{ entries: [[key, value], ...] }` in the order of the keys' bytes. Entries of arrays whose value is all zero are left
   * out.
   */
  | Do<"dump", { readonly map: Ref }>
  /**
   * What ring buffer events have come since the last such step: `{ events: [...] }`, decoded. Waits until no more come.
   * `by`: those of one value of this member together, in the order of the first of each (two ends of a connection go on at
   * the same time: each has an order, both together have none).
   */
  | Do<"events", { readonly map: Ref; readonly by?: string }>
  | Do<"attach", { readonly attachment: Attachment }>
  | Do<"detach", { readonly id: string }>
  /** Puts another program of the same type in an attachment's place (BPF_LINK_UPDATE; for other modes BPF_F_REPLACE). */
  | Do<"replace", { readonly id: string; readonly program: Ref }>
  /** The task enters another cgroup. Its sockets stay with the cgroup they were made in. */
  | Do<"move", ByTask & { readonly cgroup: CgroupPath }>
  /** A veth device goes down or up: packets to the other end are lost meanwhile. */
  | Do<"link", { readonly netns: string; readonly device: string; readonly up: boolean }>
  /** Lets this much time pass. */
  | Do<"wait", { readonly ms: number }>;

type Do<Name extends string, Rest> = { readonly do: Name } & Rest;

/** Flags of send(2) and recv(2); MSG_NOSIGNAL is always set. */
// prettier-ignore
export const MESSAGE_FLAGS = { oob: 0x1, peek: 0x2, dontroute: 0x4, trunc: 0x20, dontwait: 0x40, waitall: 0x100, more: 0x8000 } as const;
export type MessageFlag = keyof typeof MESSAGE_FLAGS;

/** Bits of poll(2). */
export const POLL_EVENTS = { in: 0x1, out: 0x4, err: 0x8, hup: 0x10, rdhup: 0x2000 } as const;
export type PollEvent = keyof typeof POLL_EVENTS;
