/** Loads and stores: which registers take part; what is there to be read or written is memory/. */
import type { Atomic, Load, LoadAcquire, LoadPacket, Store, StoreRelease } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { frameOf, reject } from "../env.ts";
import { accessAtomic, accessMemory, loadAcquire, loadPacket, storeRelease } from "../memory/index.ts";
import type { Reg, RegKind } from "../state/index.ts";
import { needValue, needWritable, sourceOf } from "./operands.ts";

export function stepLoad(env: Env, insn: Load): number {
  const { base, dst, off, size, signed } = insn;
  const pointer = needValue(env, base);
  needWritable(env, dst);
  accessMemory(env, "read", base, off, size, dst, signed ? SIGNED : PLAIN);
  needSameKind(env, pointer, true);
  return env.slot + 1;
}

const SIGNED = { signed: true } as const;
const PLAIN = {} as const;

export function stepStore(env: Env, insn: Store): number {
  const { base, off, size } = insn;
  const source = sourceOf(insn.src);
  if (source >= 0) needValue(env, source);
  const pointer = needValue(env, base);
  accessMemory(env, "write", base, off, size, source, PLAIN);
  needSameKind(env, pointer, false);
  return env.slot + 1;
}

export function stepAtomic(env: Env, insn: Atomic): number {
  const pointer = frameOf(env).regs[insn.base] as Reg;
  accessAtomic(env, insn);
  needSameKind(env, pointer, false);
  return env.slot + 1;
}

export function stepLoadAcquire(env: Env, insn: LoadAcquire): number {
  const pointer = frameOf(env).regs[insn.base] as Reg;
  loadAcquire(env, insn);
  needSameKind(env, pointer, true);
  return env.slot + 1;
}

export function stepStoreRelease(env: Env, insn: StoreRelease): number {
  const pointer = frameOf(env).regs[insn.base] as Reg;
  storeRelease(env, insn);
  needSameKind(env, pointer, false);
  return env.slot + 1;
}

export function stepLoadPacket(env: Env, insn: LoadPacket): number {
  loadPacket(env, insn);
  return env.slot + 1;
}

/** Kinds whose accesses the kernel rewrites: an instruction that meets one meets no other kind of pointer. */
const REWRITTEN: ReadonlySet<RegKind> = new Set<RegKind>([
  "ctx",
  "socket",
  "sock_common",
  "tcp_sock",
  "xdp_sock",
  "object",
  "arena",
]);

function needSameKind(env: Env, pointer: Reg, mayMix: boolean): void {
  const before = env.accessed[env.slot];
  if (before === undefined) {
    env.accessed[env.slot] = pointer;
    return;
  }
  if (before === pointer || (before.kind === pointer.kind && before.flags === pointer.flags)) return;
  if (!REWRITTEN.has(before.kind) && !REWRITTEN.has(pointer.kind)) return;
  if (mayMix && isFaultTolerant(before) && isFaultTolerant(pointer)) return;
  reject(env, "two_pointers_one_access", { wanted: before.kind, found: pointer.kind });
}

/** Loads of trusted and untrusted pointers may share an instruction: the kernel then reads with care. */
function isFaultTolerant(pointer: Reg): boolean {
  return pointer.kind === "object" || pointer.kind === "mem";
}
