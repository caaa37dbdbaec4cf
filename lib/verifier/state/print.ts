/**
 * States in the kernel's notation: `R1=ctx() R2=pkt(off=14,r=34) fp-8=mmmm????`. Differential tests compare such lines with the
 * kernel's own.
 */
import { printScalar } from "../scalar/index.ts";
import { FLAG } from "./reg.ts";
import type { Extra, Reg, RegKind } from "./reg.ts";
import { BYTE, kindOf } from "./slot.ts";
import type { Slot } from "./slot.ts";
import type { Frame, State } from "./state.ts";

// prettier-ignore
const KINDS: Readonly<Record<RegKind, string>> = {
  none: "?", scalar: "scalar", ctx: "ctx", map: "map_ptr", map_value: "map_value", map_key: "map_key", stack: "fp", packet: "pkt",
  packet_meta: "pkt_meta", packet_end: "pkt_end", flow_keys: "flow_keys", socket: "sock", sock_common: "sock_common",
  tcp_sock: "tcp_sock", xdp_sock: "xdp_sock", tp_buffer: "tp_buffer", object: "ptr_", mem: "mem", buf: "buf", func: "func",
  dynptr: "dynptr_ptr", arena: "arena",
};

const PREFIXES: readonly (readonly [flag: number, prefix: string])[] = [
  [FLAG.rdonly, "rdonly_"],
  [FLAG.ringbuf, "ringbuf_"],
  [FLAG.user, "user_"],
  [FLAG.percpu, "percpu_"],
  [FLAG.rcu, "rcu_"],
  [FLAG.untrusted, "untrusted_"],
  [FLAG.trusted, "trusted_"],
];

/** Of a slot's bytes, as `fp-8=mmmm????` shows them; by `ByteKind`. */
const BYTES = "?rm0diI";

/** `ctx`, `map_value_or_null`, `trusted_ptr_`: what kind of value it is. */
export function printKind({ kind, flags }: Pick<Reg, "kind" | "flags">): string {
  const prefix = PREFIXES.map(([flag, text]) => ((flags & flag) === 0 ? "" : text)).join("");
  const isNullable = (flags & FLAG.maybe_null) !== 0;
  return prefix + KINDS[kind] + (isNullable ? (kind === "object" ? "or_null_" : "_or_null") : "");
}

/** A register of frame number `frame`. */
export function printReg(reg: Reg, frame: number): string {
  const { kind, num, off, id, link, flags, map } = reg;
  if (kind === "scalar" && num.isConst) return (reg.precise ? "P" : "") + printSigned(num.smin);
  const whose = kind === "stack" && reg.frame !== frame ? `[${reg.frame}]` : "";
  const name = (kind === "scalar" && reg.precise ? "P" : "") + printKind(reg) + whose;
  if (kind === "arena") return name;
  if (kind === "stack" && num.isConst) return name + printSigned(num.smin + BigInt(off));
  const facts: string[] = [];
  if (id !== 0) facts.push(`id=${id}${link === 0 ? "" : `${off < 0 ? "" : "+"}${off}`}`);
  if (reg.ref !== 0) facts.push(`ref_obj_id=${reg.ref}`);
  if ((flags & FLAG.non_own_ref) !== 0) facts.push("non_own_ref");
  if (map !== null && (kind === "map" || kind === "map_value" || kind === "map_key")) {
    const { spec } = map.map;
    // the template of inner maps has no name
    if (spec.name !== "" && map.index >= 0) facts.push(`map=${spec.name.slice(0, MAP_NAME)}`);
    facts.push(`ks=${spec.keySize},vs=${spec.valueSize}`);
  }
  if (kind !== "scalar" && off !== 0) facts.push(`off=${printSigned(BigInt(off))}`);
  if (kind === "packet" || kind === "packet_meta") facts.push(`r=${printUnsigned(reg.range)}`);
  if (kind === "mem") facts.push(`sz=${printUnsigned(reg.size)}`);
  if (kind === "dynptr" && reg.extra?.kind === "dynptr") facts.push(`type=${reg.extra.of}`);
  if (!num.isConst) facts.push(printScalar(num));
  else if (num.value !== 0n) facts.push(`imm=${printSigned(num.smin)}`);
  const type = kind === "object" ? typeName(reg) : "";
  return `${name}${type}(${facts.filter((fact) => fact !== "").join(",")})`;
}

/** Names of maps are as long as this in the kernel. */
const MAP_NAME = 15;

function typeName({ btf, type }: Reg): string {
  const row = btf?.types[type];
  return row !== undefined && "name" in row ? (row.name ?? "") : "";
}

/** Short numbers in decimal, others as 64 bits in hexadecimal. */
function printSigned(value: bigint): string {
  return value >= -0x8000n && value <= 0x7fffn ? String(value) : `0x${BigInt.asUintN(64, value).toString(16)}`;
}

/** Counts as the kernel prints them: a negative one as the 64-bit number that it is stored as. */
function printUnsigned(value: number): string {
  if (value >= 0 && value <= 0xffff) return String(value);
  return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
}

/** What of a frame to print: all, or the registers (a bit each) and slots that changed. */
export interface Shown {
  readonly registers: number;
  readonly slots: (slot: number) => boolean;
}
export const ALL: Shown = { registers: 0x7ff, slots: () => true };

/** ` R1=ctx() R10=fp0 fp-8=... refs=1`, with a space in front of each part. */
export function printFrame(state: State, frame: Frame, shown: Shown = ALL): string {
  let text = frame.number === 0 ? "" : ` frame${frame.number}:`;
  for (let i = 0; i < frame.regs.length; i++) {
    const reg = frame.regs[i] as Reg;
    if (reg.kind !== "none" && (shown.registers & (1 << i)) !== 0) text += ` R${i}=${printReg(reg, frame.number)}`;
  }
  for (let i = 0; i < frame.slots.length; i++) {
    if (!shown.slots(i)) continue;
    const slot = frame.slots[i] as Slot;
    if (slot.bytes === 0) continue;
    // a dynptr is shown once, by its second slot
    if (kindOf(slot, 0) === BYTE.dynptr) i++;
    const value = printSlot(frame.slots[i] as Slot, frame.number);
    if (value !== "") text += ` fp-${(i + 1) * 8}=${value}`;
  }
  const held = state.held.filter(({ id }) => id !== 0);
  if (held.length > 0) text += ` refs=${held.map(({ id }) => id).join(",")}`;
  if (frame.callback !== null) text += " cb";
  if (frame.async) text += " async_cb";
  return text;
}

function printSlot(slot: Slot, frame: number): string {
  const { reg } = slot;
  // the byte at the highest address first
  let bytes = "";
  for (let i = 7; i >= 0; i--) bytes += BYTES[kindOf(slot, i)];
  if (reg === null) return bytes;
  const { extra } = reg;
  switch (kindOf(slot, 0)) {
    case BYTE.spill:
      return bytes.slice(0, bytes.indexOf("r")) + printReg(reg, frame);
    case BYTE.dynptr:
      return printDynptr(reg, extra);
    case BYTE.iterator:
      return reg.ref === 0 ? "" : printIterator(reg, extra);
    default:
      return bytes;
  }
}

function printDynptr(reg: Reg, extra: Extra | null): string {
  const facts: string[] = [];
  if (reg.id !== 0) facts.push(`id=${reg.id}`);
  if (reg.ref !== 0) facts.push(`ref_id=${reg.ref}`);
  if (reg.id !== 0) facts.push(`dynptr_id=${reg.id}`);
  return `dynptr_${extra?.kind === "dynptr" ? extra.of : ""}(${facts.join(",")})`;
}

function printIterator(reg: Reg, extra: Extra | null): string {
  if (extra?.kind !== "iterator") return "";
  const type = reg.btf?.types[extra.type];
  const name = type !== undefined && "name" in type ? (type.name ?? "").replace(/^bpf_iter_/, "") : "";
  return `iter_${name}(ref_id=${reg.ref},state=${extra.state},depth=${extra.depth})`;
}
