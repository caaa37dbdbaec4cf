/** The walk's tool box, new. */
import type { Size } from "../isa/index.ts";
import type { Env } from "./env.ts";
import type { Recorder } from "./explain/index.ts";
import { SILENT } from "./log.ts";
import type { Program } from "./program/program.ts";
import { newPruning } from "./prune/index.ts";
import { ROOT } from "./privileges.ts";
import type { LoadRequest } from "./request.ts";
import { UNKNOWN, zeroExtend } from "./scalar/index.ts";
import { NONE, scalar, withNumber } from "./state/index.ts";
import type { Reg } from "./state/index.ts";
import { makeFrame, makeState } from "./step/frames.ts";
import { newSpeculation } from "./step/speculation.ts";
import { Trace } from "./trace.ts";
import type { VerifyOptions } from "./verify.ts";

/** BPF_F_STRICT_ALIGNMENT and BPF_F_ANY_ALIGNMENT of BPF_PROG_LOAD; the second overrules the first. */
const STRICT_ALIGNMENT = 1 << 0;
const ALIGNMENT = STRICT_ALIGNMENT | (1 << 1);

/** @param trail - remembers the path being walked */
export function createEnv(
  request: LoadRequest,
  program: Program,
  options: VerifyOptions,
  trail: Recorder | null = null,
): Env {
  const privileges = options.privileges ?? ROOT;
  const slots = program.insns.length;
  const empty = <T>(): (T | undefined)[] => Array.from<T | undefined>({ length: slots });
  const unknown = scalar(UNKNOWN, !privileges.bpf);
  return {
    request,
    program,
    profile: options.kernel,
    privileges,
    strictAlignment: options.strictAlignment ?? (request.flags & ALIGNMENT) === STRICT_ALIGNMENT,
    root: 0,
    state: makeState(makeFrame(0, 0, -1, [NONE]), 0, false),
    slot: 0,
    previous: -1,
    pending: [],
    pruning: newPruning(program),
    lastId: 0,
    counts: {
      processed: 0,
      visits: new Uint32Array(slots),
      totalStates: 0,
      peakStates: 0,
      maxStatesPerInsn: 0,
      previousProcessed: 0,
      previousJumps: 0,
      jumps: 0,
    },
    log: options.log ?? SILENT,
    unknown,
    loaded: loadedOf(unknown),
    immediates: empty(),
    accessed: empty(),
    speculation: newSpeculation(),
    called: new Uint8Array(program.subprograms.length),
    thrown: false,
    trace: options.log === undefined || options.log.level === 0 ? null : new Trace(options.log, request.lines),
    trail,
    notes: new Map(),
  };
}

const SIZES: readonly Size[] = [1, 2, 4, 8];

/** What a load of each size leaves of a number of which nothing is known, by size. */
function loadedOf(unknown: Reg): Reg[] {
  const loaded: Reg[] = [];
  for (const size of SIZES) loaded[size] = withNumber(unknown, zeroExtend(UNKNOWN, size));
  return loaded;
}
