/**
 * What is known of a callee before the walk: how many registers a call reads, whether it runs a callback, whether it moves
 * the packet or may sleep. For the marks of the flow (flow.ts) and for live registers (registers.ts).
 */
import { isPermitted, prototypeOf } from "../calls/prototypes.ts";
import { KF, flagsOf } from "../kfuncs/flags.ts";
import type { LoadRequest } from "../request.ts";
import type { RawCode } from "./raw.ts";
import type { Who } from "./subprograms.ts";

export interface Callee {
  /** Arguments, r1 on; null when not known: then r1 to r5 count as read. */
  readonly params: number | null;
  /** Runs a function of the program before it comes back, or lets one be run later. */
  readonly callback: "sync" | "async" | null;
  /** Takes an iterator a step further. */
  readonly iteratorNext: boolean;
  readonly movesPacket: boolean;
  readonly maySleep: boolean;
  readonly throws: boolean;
}

const UNKNOWN: Callee = {
  params: null,
  callback: null,
  iteratorNext: false,
  movesPacket: false,
  maySleep: false,
  throws: false,
};

const SYNC = new Set(["for_each_map_elem", "find_vma", "loop", "user_ringbuf_drain", "bpf_rbtree_add_impl"]);
const ASYNC = new Set([
  "timer_set_callback",
  "bpf_wq_set_callback_impl",
  "bpf_task_work_schedule_signal_impl",
  "bpf_task_work_schedule_resume_impl",
]);

/** The callee of the helper or kernel function call at a slot. */
export function calleeAt(raw: RawCode, slot: number, request: LoadRequest, who: Who): Callee {
  return raw.isHelperCall(slot) ? helper(raw.imm(slot), request, who) : kernelFunction(raw, slot, request);
}

/** BPF_F_SLEEPABLE. */
const SLEEPABLE = 1 << 4;

function helper(id: number, { type, attach, flags }: LoadRequest, { profile, privileges }: Who): Callee {
  const prototype = prototypeOf(id, type, attach);
  if (prototype === null) return UNKNOWN;
  const { name, args, moves, sleeps } = prototype;
  // The kernel has no prototype for one that may not call it.
  const isGiven = profile.mayCall(name, type, attach) && isPermitted(prototype, privileges);
  return {
    ...named(name, isGiven ? args.length : null),
    // A program that is called as a tail may do whatever moves the packet.
    movesPacket: moves || name === "tail_call",
    maySleep: sleeps === "if_program_may" ? (flags & SLEEPABLE) !== 0 : sleeps,
  };
}

function kernelFunction(raw: RawCode, slot: number, request: LoadRequest): Callee {
  const func = request.kernel?.types[raw.imm(slot)];
  if (func?.kind !== "func" || raw.off(slot) !== 0) return UNKNOWN;
  const proto = request.kernel?.types[func.type];
  return named(func.name, proto?.kind === "func_proto" ? proto.params.length : null);
}

function named(name: string, params: number | null): Callee {
  const flags = flagsOf(name) ?? 0;
  return {
    params,
    callback: SYNC.has(name) ? "sync" : ASYNC.has(name) ? "async" : null,
    iteratorNext: (flags & KF.iter_next) !== 0,
    movesPacket: name === "bpf_xdp_pull_data",
    maySleep: (flags & KF.sleepable) !== 0,
    throws: name === "bpf_throw",
  };
}
