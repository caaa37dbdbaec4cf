/** Loads and stores: which registers take part; what is there to be read or written is memory/. */
import type { Atomic, Load, LoadAcquire, LoadPacket, Store, StoreRelease } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { setReg } from "../env.ts";
import { accessAtomic, accessMemory, loadAcquire, loadPacket, storeRelease } from "../memory/index.ts";
import { ZERO } from "../scalar/index.ts";
import { scalar } from "../state/index.ts";
import { stepExit } from "./exit.ts";
import { needValue, needWritable, sourceOf } from "./operands.ts";
import { pushPath } from "./paths.ts";

export function stepLoad(env: Env, insn: Load): number {
  const { base, dst, off, size, signed } = insn;
  needValue(env, base);
  needWritable(env, dst);
  accessMemory(env, "read", base, off, size, dst, signed ? SIGNED : PLAIN);
  return env.slot + 1;
}

const SIGNED = { signed: true } as const;
const PLAIN = {} as const;

export function stepStore(env: Env, insn: Store): number {
  const { base, off, size } = insn;
  const source = sourceOf(insn.src);
  if (source >= 0) needValue(env, source);
  needValue(env, base);
  accessMemory(env, "write", base, off, size, source, PLAIN);
  return env.slot + 1;
}

export function stepAtomic(env: Env, insn: Atomic): number {
  accessAtomic(env, insn);
  return env.slot + 1;
}

export function stepLoadAcquire(env: Env, insn: LoadAcquire): number {
  loadAcquire(env, insn);
  return env.slot + 1;
}

export function stepStoreRelease(env: Env, insn: StoreRelease): number {
  storeRelease(env, insn);
  return env.slot + 1;
}

export function stepLoadPacket(env: Env, insn: LoadPacket): number {
  loadPacket(env, insn);
  if (env.state.frames.length === 1) return env.slot + 1;
  // Where the packet is too short the load leaves the function, with 0: that path is walked first.
  pushPath(env, env.slot + 1);
  setReg(env, 0, scalar(ZERO, !env.privileges.bpf));
  return stepExit(env);
}
