/**
 * Contexts as tables: for each offset and width what a load gives and whether a store is possible, worked out once for each
 * program type and attach type. The facts are the kernel's tables of fields (lib/kernel); here a field becomes a register.
 */
import { contextAccess, mayLoad, mayStore, plainContext } from "../../kernel/index.ts";
import type { AttachType, ContextField, ProgramType } from "../../kernel/index.ts";
import type { Size } from "../../isa/index.ts";
import type { RuleName } from "../profiles/rules.ts";
import { FLAG, pointer, scalar } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { UNKNOWN, zeroExtend } from "../scalar/index.ts";

/** What a program may do at one offset and width. */
export interface ContextCell {
  /** Null: not to be loaded. Shared: of a pointer that may be null, a copy with an id of its own is needed. */
  readonly load: Reg | null;
  readonly store: boolean;
  readonly field: string;
  /** The rule of kernels that have the field; null: all have it. */
  readonly since: RuleName | null;
}

/** Cells by offset and width, see `cellAt`. Only offsets that lie in some field have one. */
export type ContextView = ReadonlyMap<number, ContextCell>;

const WIDTHS: readonly Size[] = [1, 2, 4, 8];

/** Where `size` bytes at an offset are in a view. */
export function cellAt(view: ContextView, off: number, size: Size): ContextCell | undefined {
  return view.get(off * 16 + size);
}

const MAYBE = FLAG.maybe_null;

/** Pointers in contexts, by context and field; those of the packet by the field's name alone. */
const PACKET_POINTERS: Readonly<{ [field: string]: Reg }> = {
  data: pointer("packet"),
  data_end: pointer("packet_end"),
  data_meta: pointer("packet_meta"),
  skb_data: pointer("packet"),
  skb_data_end: pointer("packet_end"),
  optval: pointer("packet"),
  optval_end: pointer("packet_end"),
  flow_keys: pointer("flow_keys"),
};
const SOCKETS: Readonly<{ [field: string]: Reg }> = {
  "__sk_buff.sk": pointer("sock_common", MAYBE),
  "bpf_sock_addr.sk": pointer("socket"),
  "bpf_sock_ops.sk": pointer("socket", MAYBE),
  "sk_msg_md.sk": pointer("socket"),
  "bpf_sk_lookup.sk": pointer("socket", MAYBE),
  "bpf_sockopt.sk": pointer("socket"),
  "sk_reuseport_md.sk": pointer("socket"),
  "sk_reuseport_md.migrating_sk": pointer("sock_common", MAYBE),
};

/** Structures of the kernel that contexts have trusted pointers to, by field. */
export const CONTEXT_OBJECTS: Readonly<{ [field: string]: string }> = { state: "nf_hook_state", skb: "sk_buff" };
const OBJECT = pointer("object", FLAG.trusted);
const TRACE_BUFFER = pointer("tp_buffer");

/** Fields that older kernels lack. */
const SINCE: Readonly<{ [field: string]: RuleName }> = {
  "__sk_buff.hwtstamp": "skb_hwtstamp",
  "__sk_buff.tstamp_type": "skb_tstamp_type",
  "bpf_sock_ops.skb_hwtstamp": "sockops_hwtstamp",
  "bpf_sk_lookup.ingress_ifindex": "lookup_ingress",
  "sk_reuseport_md.sk": "reuseport_migration",
  "sk_reuseport_md.migrating_sk": "reuseport_migration",
};

/** Bytes behind a field that read as zero though no field is there. */
const PADDING: Readonly<{ [context: string]: readonly ContextField[] }> = {
  bpf_sk_lookup: [{ name: "padding", offset: 38, size: 2, kind: "uint", load: "narrow" }],
};

const views = new Map<string, ContextView | null>();

/** The view of a program type and attach type; null for types whose context is not made of fields. */
export function contextView(type: ProgramType, attach: AttachType | null): ContextView | null {
  const key = `${type} ${attach ?? ""}`;
  let view = views.get(key);
  if (view === undefined) views.set(key, (view = makeView(type, attach)));
  return view;
}

function makeView(type: ProgramType, attach: AttachType | null): ContextView | null {
  const fields = contextAccess(type, attach);
  const plain = plainContext(type);
  if (fields === null && plain === null) return null;
  const context = fields?.context ?? plain?.name ?? "";
  const loads = [...(fields?.loads ?? plain?.loads ?? []), ...(PADDING[context] ?? [])];
  const stores = fields?.stores ?? plain?.stores ?? [];
  const view = new Map<number, ContextCell>();
  for (const field of [...loads, ...stores]) addCells(view, context, field, loads, stores);
  return view;
}

function addCells(
  view: Map<number, ContextCell>,
  context: string,
  field: ContextField,
  loads: readonly ContextField[],
  stores: readonly ContextField[],
): void {
  for (const size of WIDTHS) {
    for (let off = field.offset; off < field.offset + field.size; off += 1) {
      if (off % size !== 0 || view.has(off * 16 + size)) continue;
      const loaded = mayLoad({ loads: [field] }, off, size) ? loadOf(context, field, size) : null;
      const load = loads.includes(field) ? loaded : null;
      const store = mayStore({ stores }, off, size);
      if (load !== null || store) {
        const since = SINCE[`${context}.${field.name}`] ?? null;
        view.set(off * 16 + size, { load, store, field: field.name, since });
      }
    }
  }
}

function loadOf(context: string, field: ContextField, size: Size): Reg {
  if (field.kind !== "pointer") return scalar(zeroExtend(UNKNOWN, size));
  if (context === "bpf_nf_ctx") return OBJECT;
  if (context === "writable tracepoint arguments") return TRACE_BUFFER;
  const known = SOCKETS[`${context}.${field.name}`] ?? PACKET_POINTERS[field.name];
  if (known === undefined) throw new Error(`nobody knows what ${context}.${field.name} points to`);
  return known;
}
