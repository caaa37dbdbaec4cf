/**
 * The optimiser: which passes run, in which order, and why. docs/passes.md says it in prose, and a test holds the two
 * together.
 */
import { checkFunction } from "../ir/check.ts";
import type { IrFunction, IrModule } from "../ir/ir.ts";
import type { FunctionPass, ModulePass, PassContext, Stage } from "../ir/pass.ts";
import { removeUnreached } from "../ir/reach.ts";
import { constantArguments } from "./arguments.ts";
import { cfg } from "./cfg.ts";
import { dce } from "./dce.ts";
import { dse } from "./dse.ts";
import { forward } from "./forward.ts";
import { gvn } from "./gvn.ts";
import { inline } from "./inline.ts";
import { known } from "./known.ts";
import { mergeStores } from "./merge-stores.ts";
import { phis } from "./phis.ts";
import { shareSlots } from "./share-slots.ts";
import { simplify } from "./simplify/index.ts";
import { sroa } from "./sroa.ts";
import { thread } from "./thread.ts";

export type { FunctionPass, ModulePass, PassContext, Stage } from "../ir/pass.ts";

export interface OptimiseOptions {
  /** Checks each function after each pass that changed it; a broken invariant is thrown as an Error. */
  readonly check?: boolean;
  /** Called after each pass that changed the function. */
  readonly dump?: (pass: string, fn: IrFunction) => void;
  /** Of the object's maps; without them a helper is taken to read all of a stack object that it gets. */
  readonly mapSizes?: PassContext["mapSizes"];
}

export interface PassRow {
  readonly pass: FunctionPass;
  readonly stages: readonly Stage[];
  /** What it does here. */
  readonly why: string;
}

const BOTH: readonly Stage[] = ["scalar", "pointers"];

/** Run once, first, in the scalar stage. */
// prettier-ignore
export const MODULE_PASSES: readonly { pass: ModulePass; why: string }[] = [
  { pass: inline,            why: "asc calls a function for every accessor, and a call hides where a pointer comes from" },
  { pass: constantArguments, why: "a call that stays hides what all callers pass, and a null that all pass has no type" },
];

/** Runs in this order, again and again while something changes. */
// prettier-ignore
export const FUNCTION_PASSES: readonly PassRow[] = [
  { pass: phis,        stages: BOTH,         why: "removes the phis of locals that never change, which hide their value" },
  { pass: simplify,    stages: BOTH,         why: "computes constants, applies identities, brings comparisons into one form" },
  { pass: known,       stages: BOTH,         why: "puts in what a branch found out: null checks and bounds made twice" },
  { pass: thread,      stages: BOTH,         why: "goes past tests that the way to them has decided" },
  { pass: cfg,         stages: BOTH,         why: "turns branches on constants into jumps, merges and skips blocks" },
  { pass: gvn,         stages: BOTH,         why: "computes equal things once" },
  { pass: forward,     stages: BOTH,         why: "loads from memory what was stored or loaded before only once" },
  { pass: sroa,        stages: BOTH,         why: "turns fields of stack objects into values" },
  { pass: dse,         stages: BOTH,         why: "drops stores to stack objects that nobody reads: the zeroing of new ones" },
  { pass: mergeStores, stages: ["pointers"], why: "stores neighbouring constants at once" },
  { pass: dce,         stages: BOTH,         why: "removes what the others left unused" },
];

/** Run once, at the very end: what they do would be in the way of the others. */
// prettier-ignore
export const FINAL_PASSES: readonly PassRow[] = [
  { pass: shareSlots,  stages: ["pointers"], why: "gives stack objects that are never alive together one place" },
];

/** Pairs of passes whose order matters. */
// prettier-ignore
export const BEFORE: readonly { first: string; then: string; why: string }[] = [
  { first: "simplify", then: "known",        why: "a condition in its one form (x, not x != 0) says something about x itself" },
  { first: "known",    then: "thread",       why: "threading looks for phis with constant inputs: `a && b` gets its 0 from the branch on a" },
  { first: "thread",   then: "cfg",          why: "the copies that threading makes are merged into their neighbours" },
  { first: "gvn",      then: "forward",      why: "addresses of the same place are one value then" },
  { first: "forward",  then: "sroa",         why: "with fewer loads, more fields are accessed in one way only" },
  { first: "sroa",     then: "dse",          why: "wide stores of constants to replaced fields are left for it" },
  { first: "dse",      then: "merge-stores", why: "a dead store must not be merged into a live one" },
  { first: "dse",      then: "dce",          why: "what only dead stores used goes with them" },
];

/** Each round enables the next; real programs settle in four or five. */
const MAX_ROUNDS = 16;

/** Optimises all functions. Stage "scalar" runs before the pass `provenance`, "pointers" after it. */
export function optimise(module: IrModule, stage: Stage, options: OptimiseOptions = {}): void {
  checkOrder();
  if (stage === "scalar") {
    for (const { pass } of MODULE_PASSES) {
      if (!pass.runModule(module)) continue;
      for (const fn of module.functions.values()) after(pass.name, fn, options);
    }
  }
  const context: PassContext = { stage, module, mapSizes: options.mapSizes };
  for (const fn of module.functions.values()) {
    const run = (rows: readonly PassRow[]): boolean => runOnce(rows, fn, context, options);
    for (let round = 0; round < MAX_ROUNDS && run(FUNCTION_PASSES); round++);
    run(FINAL_PASSES);
  }
  // Calls went with branches that are never taken.
  removeUnreached(module);
}

/** True when something changed. */
function runOnce(rows: readonly PassRow[], fn: IrFunction, context: PassContext, options: OptimiseOptions): boolean {
  let changed = false;
  for (const { pass, stages } of rows) {
    if (!stages.includes(context.stage) || !pass.run(fn, context)) continue;
    changed = true;
    after(pass.name, fn, options);
  }
  return changed;
}

function after(pass: string, fn: IrFunction, options: OptimiseOptions): void {
  options.dump?.(pass, fn);
  const problems = options.check === true ? checkFunction(fn) : [];
  if (problems.length > 0) throw new Error(`pass "${pass}" broke "${fn.name}": ${problems.join("; ")}`);
}

/** Throws when the list is in an order that `BEFORE` forbids. */
export function checkOrder(rows: readonly Pick<PassRow, "pass">[] = FUNCTION_PASSES): void {
  const position = (name: string): number => rows.findIndex((row) => row.pass.name === name);
  for (const { first, then, why } of BEFORE) {
    const late = position(then) >= 0 && position(first) > position(then);
    if (late) throw new Error(`pass "${first}" must run before "${then}": ${why}`);
  }
}
