/**
 * Calls of kernel functions, as Linux 6.18 judges them: by the kernel's own BTF (prototype.ts) and the flags that a function is
 * registered with (flags.ts). What must hold: who may call (availability.ts), the arguments (arguments.ts). What is known next:
 * callbacks that are walked, sections, what is given back, the result.
 */
import type { TypeId } from "../../btf/index.ts";
import type { Env } from "../env.ts";
import { frameOf, regOf, reject, unsupported } from "../env.ts";
import { invalidatePackets } from "../memory/index.ts";
import { UNKNOWN, withinInt32 } from "../scalar/index.ts";
import { change, NONE, pointer, scalar, topFrame } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { clearCallerSaved, enterCallback, pushPath, releaseReference } from "../step/index.ts";
import { inRcuSection } from "../types/index.ts";
import { checkArguments } from "./arguments.ts";
import { checkAvailable } from "./availability.ts";
import type { CallFacts } from "./facts.ts";
import { newFacts } from "./facts.ts";
import { KF } from "./flags.ts";
import { giveToCollection, walkComparison } from "./graph.ts";
import { advance } from "./iterator.ts";
import { prototypeOf } from "./prototype.ts";
import { isResLock, setResult } from "./result.ts";
import { changeSections, throwException } from "./scopes.ts";

/** The call instruction at `env.slot` of the kernel's function with BTF id `type`; `off` names a module's BTF. */
export function callKfunc(env: Env, type: TypeId, off: number): void {
  if (off !== 0) unsupported("functions of kernel modules");
  if (type === 0) reject(env, "unknown_kfunc", { name: "of that name" });
  const prototype = prototypeOf(env, type);
  const { name, flags } = prototype;
  checkAvailable(env, prototype);
  if (isResLock(name)) pushFailedLock(env);
  const facts = newFacts(prototype);
  checkArguments(env, facts);
  walkCallbacks(env, facts);
  changeSections(env, name, (flags & KF.sleepable) !== 0);
  if ((flags & KF.rcu_protected) !== 0 && !inRcuSection(env)) reject(env, "iterator_scope", { kind: name });
  if (facts.release !== 0) releaseReference(env, regOf(env, facts.release).ref);
  if (GIVES.has(name)) giveToCollection(env, regOf(env, 2).ref);
  if (name === "bpf_throw") {
    throwException(env);
    return;
  }
  clearCallerSaved(env);
  setResult(env, facts);
  if (name === "bpf_xdp_pull_data") invalidatePackets(env);
  if ((flags & KF.iter_next) !== 0) advance(env, facts);
}

/** Functions whose second argument belongs to the list or tree afterwards. */
const GIVES: ReadonlySet<string> = new Set([
  "bpf_list_push_front_impl",
  "bpf_list_push_back_impl",
  "bpf_rbtree_add_impl",
]);

/** The greatest error number. */
const MAX_ERRNO = 4095;
const ERROR = scalar(withinInt32(UNKNOWN, -MAX_ERRNO, -1));

/** Taking a lock may fail: that way waits, with the error in r0 and nothing taken. */
function pushFailedLock(env: Env): void {
  const failed = pushPath(env, env.slot + 1);
  const { regs } = topFrame(failed);
  for (let i = 1; i <= 5; i++) regs[i] = NONE;
  regs[0] = env.privileges.bpf ? ERROR : change(ERROR, { precise: true });
}

const INT32: readonly [min: number, max: number] = [-0x8000_0000, 0x7fff_ffff];

function walkCallbacks(env: Env, facts: CallFacts): void {
  switch (facts.prototype.name) {
    case "bpf_rbtree_add_impl":
      walkComparison(env, facts);
      return;
    case "bpf_wq_set_callback_impl":
      walkLater(env, facts, frameOf(env).regs[1] as Reg, [0, 0]);
      return;
    case "bpf_task_work_schedule_signal_impl":
    case "bpf_task_work_schedule_resume_impl":
      walkLater(env, facts, frameOf(env).regs[3] as Reg, INT32);
      return;
    default:
  }
}

/** (map, key, value), later and where it may sleep. */
function walkLater(
  env: Env,
  { subprogram }: CallFacts,
  { map, mapUid }: Reg,
  returns: readonly [number, number],
): void {
  const args = [
    pointer("map", 0, { map, mapUid }),
    pointer("map_key", 0, { map, mapUid }),
    pointer("map_value", 0, { map, mapUid }),
    NONE,
    NONE,
  ];
  enterCallback(env, subprogram, { setup: () => args, returns, async: true, sleepable: true });
}
