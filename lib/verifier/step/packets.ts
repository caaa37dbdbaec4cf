/**
 * Comparisons of packet pointers: `p + n <= end` proves n bytes behind p for every pointer that has p's base (the same id),
 * in all frames. The mirror images (`end >= p`, `p > end` in the branch that is not taken ...) are one table.
 */
import type { JumpOp } from "../../isa/index.ts";
import type { Reg, State } from "../state/index.ts";
import { changeRegs, topFrame, withRange } from "../state/index.ts";
import { smallConstant } from "../scalar/index.ts";

/** `Reg.range` of a pointer that is known to be at the end of the packet, or behind it. */
const AT_END = -1;
const BEYOND_END = -2;

/** Packet pointers are proven in 16 bits. */
const MAX_PACKET = 0xffff;

/** `b op a` for `a op b`. */
// prettier-ignore
const MIRRORED: Readonly<Record<JumpOp, JumpOp>> = {
  eq: "eq", ne: "ne", set: "set", ge: "le", gt: "lt", le: "ge", lt: "gt", sge: "sle", sgt: "slt", sle: "sge", slt: "sgt",
};

function mirrored(op: JumpOp): JumpOp {
  return MIRRORED[op];
}

/**
 * What `pointer op end` proves. `inside`: the branch in which the pointer is not behind the end, with the byte at the pointer
 * itself when `open`; in the other branch the pointer is at the end or behind it.
 */
interface Proof {
  readonly inside: "taken" | "fallThrough";
  readonly open: boolean;
}
const PROOFS: Readonly<Partial<Record<JumpOp, Proof>>> = {
  gt: { inside: "fallThrough", open: false },
  lt: { inside: "taken", open: true },
  ge: { inside: "fallThrough", open: true },
  le: { inside: "taken", open: false },
};

export function isPacketKind(reg: Reg): boolean {
  return reg.kind === "packet" || reg.kind === "packet_meta" || reg.kind === "packet_end";
}

/** The packet's first byte: what metadata ends at. */
function isPacketStart(reg: Reg): boolean {
  return reg.kind === "packet" && reg.id === 0 && reg.off === 0 && smallConstant(reg.num) === 0;
}

/** Whether `reg` is bounded by `end`: packet data by its end, metadata by the start of the data. */
function isBoundedBy(reg: Reg, end: Reg): boolean {
  return reg.kind === "packet" ? end.kind === "packet_end" : reg.kind === "packet_meta" && isPacketStart(end);
}

/** The jump `a op b` is decided by what is known of a pointer's place: true, false, or null. */
export function packetBranch(op: JumpOp, a: Reg, b: Reg): boolean | null {
  if (b.kind === "packet_end") return behindEnd(op, a.range);
  if (a.kind === "packet_end") return behindEnd(mirrored(op), b.range);
  return null;
}

function behindEnd(op: JumpOp, range: number): boolean | null {
  if (range >= 0) return null;
  if ((op === "le" || op === "gt") && range === BEYOND_END) return op === "gt";
  if (op === "lt" || op === "ge") return op === "ge";
  return null;
}

/** Learns from `a op b` in both branches; false when it is not a comparison of a packet pointer with its end. */
export function provePackets(
  op: JumpOp,
  a: Reg,
  b: Reg,
  registers: readonly [a: number, b: number],
  taken: State,
  fallThrough: State,
): boolean {
  let pointer = a;
  let register = registers[0];
  let proof = PROOFS[op];
  if (!isBoundedBy(a, b)) {
    if (!isBoundedBy(b, a)) return false;
    pointer = b;
    register = registers[1];
    proof = PROOFS[mirrored(op)];
  }
  if (proof === undefined) return false;
  const inside = proof.inside === "taken" ? taken : fallThrough;
  const outside = proof.inside === "taken" ? fallThrough : taken;
  proveRange(inside, pointer, proof.open);
  markOutside(outside, register, proof.open ? AT_END : BEYOND_END);
  return true;
}

/** `pointer.off` bytes behind its base are there (one more when the byte at the pointer is inside, too). */
function proveRange(state: State, pointer: Reg, open: boolean): void {
  const { off, kind, id, num } = pointer;
  if (off < 0 || (off === 0 && open)) return;
  const most = num.umaxRounded;
  if (most > MAX_PACKET || most + off > MAX_PACKET) return;
  const range = open ? off + 1 : off;
  changeRegs(state, (reg) => (reg.kind === kind && reg.id === id && reg.range < range ? withRange(reg, range) : reg));
}

/** Only the register that was compared: others with its base may still be inside. */
function markOutside(state: State, register: number, range: number): void {
  const { regs } = topFrame(state);
  const reg = regs[register] as Reg;
  // metadata is compared with the start of the packet, which says nothing of its end
  if (reg.kind === "packet") regs[register] = withRange(reg, range);
}
