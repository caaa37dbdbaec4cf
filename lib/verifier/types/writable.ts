/**
 * The few fields of the kernel's own objects that programs may store to, by program type (for struct_ops: by the structure
 * that the program is a member of). An access may start at the field's start only, and may not go beyond its end; where
 * `inside` is said it may start anywhere in it.
 */
import type { Btf, TypeId } from "../../btf/index.ts";
import type { Env } from "../env.ts";
import { findType, nameOf, skipModifiers, typeAt } from "./lookup.ts";
import { resolveSize } from "./walk.ts";

interface Row {
  /** Program types, or names of struct_ops. */
  readonly by: readonly string[];
  readonly struct: readonly string[];
  /** Null: the whole structure. */
  readonly fields: readonly { readonly path: readonly string[]; readonly inside?: true }[] | null;
}

const at = (path: string): { readonly path: readonly string[] } => ({ path: path.split(".") });

// prettier-ignore
const ROWS: readonly Row[] = [
  { by: ["xdp", "sched_cls", "sched_act"], struct: ["nf_conn"], fields: [at("mark"), at("ct.mark")] },
  { by: ["xdp", "sched_cls", "sched_act"], struct: ["nf_conn___init"], fields: [at("ct.mark")] },
  { by: ["bpf_dummy_ops"], struct: ["bpf_dummy_ops_state"], fields: null },
  { by: ["tcp_congestion_ops"], struct: ["tcp_sock"], fields: [
    at("inet_conn.icsk_inet.sk.sk_pacing_rate"), at("inet_conn.icsk_inet.sk.sk_pacing_status"),
    { ...at("inet_conn.icsk_ca_priv"), inside: true }, at("inet_conn.icsk_ack.pending"), at("snd_cwnd"), at("snd_cwnd_cnt"),
    at("snd_cwnd_stamp"), at("snd_ssthresh"), at("ecn_flags"), at("app_limited"),
  ] },
  { by: ["sched_ext_ops"], struct: ["task_struct"], fields: [at("scx.slice"), at("scx.dsq_vtime"), { ...at("scx.disallow") }] },
];

/** Whether the program may store `size` bytes at an offset of a kernel object. */
export function isWritable(env: Env, btf: Btf, type: TypeId, off: number, size: number): boolean {
  if (btf !== env.request.kernel) return false;
  const by = writerOf(env);
  const name = nameOf(btf, type);
  // The structure itself, not another of its name.
  if (findType(btf, "struct", name) !== type) return false;
  return ROWS.some(
    (row) =>
      row.by.includes(by) &&
      row.struct.includes(name) &&
      (row.fields === null
        ? off + size <= (resolveSize(btf, type)?.size ?? 0)
        : row.fields.some((field) => fits(btf, type, field, off, size))),
  );
}

function writerOf({ request }: Env): string {
  if (request.type !== "struct_ops") return request.type;
  return request.kernel === null || request.target === null ? "" : nameOf(request.kernel, request.target.type);
}

function fits(
  btf: Btf,
  struct: TypeId,
  { path, inside }: { readonly path: readonly string[]; readonly inside?: true },
  off: number,
  size: number,
): boolean {
  const range = locate(btf, struct, path);
  if (range === null) return false;
  return (inside === true ? off >= range.start : off === range.start) && off < range.end && off + size <= range.end;
}

/** Where a member of members lies, looking through members without a name. */
function locate(btf: Btf, struct: TypeId, path: readonly string[]): { start: number; end: number } | null {
  const [name, ...rest] = path;
  const type = typeAt(btf, skipModifiers(btf, struct));
  if (name === undefined || (type.kind !== "struct" && type.kind !== "union")) return null;
  for (const member of type.members) {
    const start = member.bitOffset >>> 3;
    if (member.name === name && rest.length === 0) {
      const size = resolveSize(btf, member.type)?.size ?? 0;
      return { start, end: start + size };
    }
    if (member.name !== name && member.name !== "") continue;
    const found = locate(btf, member.type, member.name === "" ? path : rest);
    if (found !== null) return { start: start + found.start, end: start + found.end };
  }
  return null;
}
