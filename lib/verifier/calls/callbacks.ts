/** Helpers that call a function of the program: what its arguments are, and when it is walked. */
import type { Env } from "../env.ts";
import { frameOf, regOf } from "../env.ts";
import { markPrecise } from "../prune/index.ts";
import { dynptrArgument } from "../state/dynptr.ts";
import { NONE, pointer } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { enterCallback, unknown } from "../step/index.ts";
import { kernelType } from "../types/index.ts";
import { isNull } from "./arguments.ts";
import type { CallFacts } from "./facts.ts";

const MAY_STOP = [0, 1] as const;

/** r1 to r5 of a callback from what the caller has in r0 to r5. */
type Setup = (caller: readonly Reg[]) => readonly Reg[];

const none = (count: number): readonly Reg[] => Array.from({ length: count }, () => NONE);
const at = (caller: readonly Reg[], register: number): Reg => caller[register] ?? NONE;

/** (map, key, value, context) */
export function walkForEach(env: Env, { subprogram, map }: CallFacts): void {
  const setup: Setup = (caller) => [
    at(caller, 1),
    pointer("map_key", 0, { map }),
    pointer("map_value", 0, { map }),
    at(caller, 3),
    NONE,
  ];
  enterCallback(env, subprogram, { setup, returns: MAY_STOP });
}

/** (map, key, value): later, when the timer fires. */
export function walkTimer(env: Env, { subprogram, map, mapUid }: CallFacts): void {
  const setup: Setup = () => [
    pointer("map", 0, { map, mapUid }),
    pointer("map_key", 0, { map, mapUid }),
    pointer("map_value", 0, { map, mapUid }),
    ...none(2),
  ];
  enterCallback(env, subprogram, { setup, returns: [0, 0], async: true });
}

/** (task, area, context) */
export function walkFindVma(env: Env, { subprogram }: CallFacts): void {
  const { kernel: btf } = env.request;
  const type = kernelType(env, "vm_area_struct") ?? 0;
  const setup: Setup = (caller) => [at(caller, 1), pointer("object", 0, { btf, type }), at(caller, 4), ...none(2)];
  enterCallback(env, subprogram, { setup, returns: MAY_STOP });
}

/** (dynptr, context) */
export function walkUserRing(env: Env, { subprogram }: CallFacts): void {
  const setup: Setup = (caller) => [dynptrArgument(env, "local"), at(caller, 3), ...none(3)];
  enterCallback(env, subprogram, { setup, returns: MAY_STOP });
}

/** (index, context): as often as r1 says at most. */
export function walkLoop(env: Env, { subprogram }: CallFacts): void {
  considerInlining(env, subprogram);
  markPrecise(env, 1);
  const frame = frameOf(env);
  const { umax } = regOf(env, 1).num;
  const turns = umax === 0n && !env.profile.has("counted_callbacks") ? 1n : umax;
  if (BigInt(frame.callbackDepth) >= turns) {
    frame.callbackDepth = 0;
    return;
  }
  const setup: Setup = (caller) => [unknown(env), at(caller, 3), ...none(3)];
  enterCallback(env, subprogram, { setup, returns: MAY_STOP });
}

/** Calls of bpf_loop that the kernel writes out in the program: always the same function, and no flags. */
const INLINED = "calls of loop that can be inlined";

/** Whether a call is inlined hangs on its flags, so that they are looked at precisely as long as it may be. */
function considerInlining(env: Env, subprogram: number): void {
  const calls = inlined(env);
  const before = calls.get(env.slot);
  if (before === NEVER) return;
  const fits = isNull(regOf(env, 4));
  if (fits) markPrecise(env, 4);
  calls.set(env.slot, fits && (before === undefined || before === subprogram) ? subprogram : NEVER);
}
const NEVER = -1;

function inlined(env: Env): Map<number, number> {
  let calls = env.notes.get(INLINED) as Map<number, number> | undefined;
  if (calls === undefined) {
    calls = new Map();
    env.notes.set(INLINED, calls);
  }
  return calls;
}
