/**
 * The context that r1 points to: built from the run's input by field name, read back by field name afterwards.
 * Fields that the input leaves out have the values that a plain event at that hook would have (`defaults`).
 */
import { CONTEXTS, CONTEXT_FIELDS, HOOKS, storableFields } from "../kernel/index.ts";
import type { AttachType, ContextField, ContextFieldName, ContextKind, ProgramType } from "../kernel/index.ts";
import { vmError } from "./diagnostics.ts";
import { readField, readFields, writeField } from "./fields.ts";
import type { FieldValue } from "./fields.ts";
import type { Memory, Region } from "./memory.ts";
import type { Packet } from "./packet.ts";
import { FROM_NETWORK } from "./skb.ts";
import type { Socket } from "./socket.ts";

/** Context fields by the kernel's names; those of the hook's context may be given. Types of values: fields.ts. */
export type ContextInput = { readonly [name in ContextFieldName]?: FieldValue };

const AF_INET = 2;
const AF_INET6 = 10;
const STREAM = { type: 1, protocol: 6 };
const DATAGRAM = { type: 2, protocol: 17 };

export class Context {
  readonly kind: ContextKind;
  readonly region: Region;
  /** Offset of `data_meta`, which only some contexts have. */
  private readonly meta: number | null;

  constructor(memory: Memory, kind: ContextKind) {
    this.kind = kind;
    const fields: readonly ContextField[] = CONTEXT_FIELDS[kind];
    this.meta = fields.find((f) => f.name === "data_meta")?.offset ?? null;
    const writable = storableFields(kind);
    this.region = memory.map(`the context (${kind})`, CONTEXTS[kind].size, {
      writable: (offset, size) => writable.some((f) => offset >= f.offset && offset + size <= f.offset + f.size),
    });
  }

  /** Starts over: defaults, then what the input gives, then the pointers. */
  fill(
    program: { readonly type: ProgramType; readonly attach: AttachType | null },
    input: ContextInput,
    packet: Packet | null,
    socket: Socket | null,
  ): void {
    // prettier-ignore
    this.region.bytes.fill(0);
    this.put({ ...defaults(this.kind, program, packet), ...input });
    this.point(packet);
    if (socket !== null) this.pointer(CONTEXTS[this.kind].sk, 8, socket.region.start);
  }

  /** Sets the packet pointers, after the packet was moved too. */
  point(packet: Packet | null): void {
    const window = CONTEXTS[this.kind].packet;
    if (window === null || packet === null) return;
    this.pointer(window.data, window.size, packet.dataAddress);
    this.pointer(window.dataEnd, window.size, packet.endAddress);
    this.pointer(this.meta, 4, packet.metaAddress);
    if (this.kind === "__sk_buff") this.put({ len: packet.length });
  }

  /** All fields but the pointers, which mean nothing outside. */
  read(): Record<string, FieldValue> {
    return readFields(this.region.view, [...settableFields(this.kind).values()]);
  }

  /** A field that is a number; 0 for one that this context does not have. */
  number(name: ContextFieldName): number {
    const field = settableFields(this.kind).get(name);
    return field === undefined ? 0 : Number(readField(this.region.view, field));
  }

  /** What `read` gives now, made when it is asked for: most runs' contexts nobody looks at. */
  snapshot(): () => Record<string, FieldValue> {
    const view = new DataView(this.region.bytes.slice().buffer);
    let fields: Record<string, FieldValue> | null = null;
    return () => (fields ??= readFields(view, [...settableFields(this.kind).values()]));
  }

  /** Writes fields by name, as the kernel would. Throws V007 for one that the context does not have. */
  put(values: ContextInput): void {
    putFields(this.region.view, this.kind, values);
  }

  /** Makes a pointer field hold an address. Throws V007 when the context has no such field. */
  setPointer(name: ContextFieldName, address: number): void {
    const fields: readonly ContextField[] = CONTEXT_FIELDS[this.kind];
    const field = fields.find((f) => f.name === name && f.kind === "pointer");
    if (field === undefined) throw vmError("V007", `${this.kind} has no pointer ${name}`, { found: name });
    this.pointer(field.offset, 8, address);
  }

  private pointer(offset: number | null, size: 4 | 8, address: number): void {
    if (offset === null) return;
    if (size === 4) this.region.view.setUint32(offset, address, true);
    else this.region.view.setBigUint64(offset, BigInt(address), true);
  }
}

/** All fields of each context but the pointers, by name. */
const SETTABLE: ReadonlyMap<string, ReadonlyMap<string, ContextField>> = new Map(
  Object.entries(CONTEXT_FIELDS).map(([kind, fields]: [string, readonly ContextField[]]) => [
    kind,
    new Map(fields.filter((f) => f.kind !== "pointer").map((f) => [f.name, f])),
  ]),
);

function settableFields(kind: ContextKind): ReadonlyMap<string, ContextField> {
  return SETTABLE.get(kind) ?? new Map<string, ContextField>();
}

function putFields(view: DataView, kind: ContextKind, values: ContextInput): void {
  for (const [name, value] of Object.entries(values)) {
    const field = settableFields(kind).get(name);
    if (field === undefined || value === undefined) {
      const expected = [...settableFields(kind).keys()].join(", ");
      throw vmError("V007", `${kind} has no field ${name} to set`, { expected, found: name });
    }
    writeField(view, field, value);
  }
}

/** A context as the kernel's test run takes it: these fields, everything else zero. Throws V007 as `RunInput.context`. */
export function encodeContext(kind: ContextKind, values: ContextInput): Uint8Array {
  const bytes = new Uint8Array(CONTEXTS[kind].size);
  putFields(new DataView(bytes.buffer), kind, values);
  return bytes;
}

/** The inverse: every field but the pointers. */
export function decodeContext(kind: ContextKind, bytes: Uint8Array): Record<string, FieldValue> {
  return readFields(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), [...settableFields(kind).values()]);
}

/** The context of programs of a type, or null when the type is not simulated. */
export function contextKindOf(type: ProgramType): ContextKind | null {
  if (type === "cgroup_skb" || type === "sched_act" || type === "socket_filter" || type === "sk_skb")
    return "__sk_buff";
  return Object.values(HOOKS).find((hook) => hook.type === type)?.context ?? null;
}

/** A plain event: on interface 1, IPv4 and TCP unless the hook or the packet says otherwise. */
function defaults(
  kind: ContextKind,
  { type, attach }: { readonly type: ProgramType; readonly attach: AttachType | null },
  packet: Packet | null,
): ContextInput {
  const family = attach !== null && /inet6|udp6/.test(attach) ? AF_INET6 : AF_INET;
  switch (kind) {
    case "xdp_md":
      return { ingress_ifindex: 1 };
    case "__sk_buff":
      return {
        ifindex: 1,
        protocol: etherType(type, packet),
        pkt_type: FROM_NETWORK.has(type) ? 0 : packetType(packet),
      };
    case "bpf_sock_addr":
      return { user_family: family, family, ...(attach?.startsWith("cgroup_udp") === true ? DATAGRAM : STREAM) };
    case "bpf_sock_ops":
      return { family: AF_INET, is_fullsock: 1, state: 1 };
    case "sk_msg_md":
      return { family: AF_INET, size: packet?.length ?? 0 };
    case "bpf_sk_lookup":
      return { family: AF_INET, protocol: STREAM.protocol, ingress_ifindex: 1 };
    case "bpf_sock":
      return { family, ...STREAM };
    case "bpf_sockopt":
      return {};
    case "sk_reuseport_md":
      return { len: packet?.length ?? 0, eth_protocol: 0x0800, ip_protocol: STREAM.protocol };
  }
}

/** Of the link-layer header; where a packet starts behind it, by the version of IP. */
function etherType(type: ProgramType, packet: Packet | null): number {
  if (FROM_NETWORK.has(type)) return (packet?.bytes[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800;
  const [high = 0, low = 0] = packet?.bytes.subarray(12, 14) ?? [];
  return (high << 8) | low;
}

/** PACKET_HOST (0) for any unicast destination, PACKET_BROADCAST (1), PACKET_MULTICAST (2). */
function packetType(packet: Packet | null): number {
  const destination = packet?.bytes.subarray(0, 6) ?? new Uint8Array(0);
  if (destination.length === 6 && destination.every((byte) => byte === 0xff)) return 1;
  return ((destination[0] ?? 0) & 1) === 1 ? 2 : 0;
}
