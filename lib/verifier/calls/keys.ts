/** Keys that are known when the program is verified: looking one up in an array within its bounds cannot fail. */
import type { Env } from "../env.ts";
import { markSlotPrecise } from "../prune/index.ts";
import type { VerifierMap } from "../program/maps.ts";
import { smallConstant } from "../scalar/index.ts";
import { BYTE, kindOf } from "../state/index.ts";
import type { ByteKind, Reg, Slot } from "../state/index.ts";

/** Not known, or of no use. */
const UNKNOWN_KEY = -1;

/** The number in the key that `reg` points to, where the map is an array and the stack holds a constant there; else -1. */
export function constantKey(env: Env, map: VerifierMap | null, reg: Reg): number {
  if (map === null || !isArray(map)) return UNKNOWN_KEY;
  const variable = smallConstant(reg.num);
  if (!env.privileges.bpf || !env.profile.has("constant_keys") || reg.kind !== "stack" || variable === null)
    return UNKNOWN_KEY;
  const { keySize } = map.map.spec;
  const off = reg.off + variable;
  const index = (-off - 1) >> 3;
  const slot = env.state.frames[reg.frame]?.slots[index];
  if (slot === undefined) return UNKNOWN_KEY;
  if (run(slot, off & 7, BYTE.zero) >= keySize) return 0;
  const { reg: spilled } = slot;
  if (kindOf(slot, 0) !== BYTE.spill || spilled?.kind !== "scalar") return UNKNOWN_KEY;
  if (run(slot, off & 7, BYTE.spill) !== keySize || !spilled.num.isConst) return UNKNOWN_KEY;
  markSlotPrecise(env, reg.frame, index);
  return smallConstant(spilled.num) ?? UNKNOWN_KEY;
}

export function isArray(map: VerifierMap): boolean {
  return map.map.spec.type === "array" || map.map.spec.type === "percpu_array";
}

/** How many bytes of a kind there are from `byte` on. */
function run(slot: Slot, byte: number, kind: ByteKind): number {
  let count = 0;
  while (byte + count < 8 && kindOf(slot, byte + count) === kind) count++;
  return count;
}
