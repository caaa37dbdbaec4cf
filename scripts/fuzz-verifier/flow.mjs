// Blocks of control flow: branches, loops of all kinds, calls of functions of the program, callbacks.
import { boundScalar } from "./arithmetic.mjs";
import { helperAt, mapIndex } from "./world.mjs";

const COMPARISONS = ["eq", "gt", "ge", "set", "ne", "sgt", "sge", "lt", "le", "slt", "sle"];
const MOST_NESTING = 3;
const MOST_FUNCTIONS = 4;
/** Offset of a loop's counter when it is on the stack, one slot for each depth; of an iterator. */
const COUNTER = -104;
const ITERATOR = -144;

function blocks(w, most) {
  w.nesting++;
  for (let i = w.random.between(1, most); i > 0; i--) w.block();
  w.nesting--;
}

/** A condition on a number; to `label` when it holds. */
function condition(w, label) {
  const { random, code } = w;
  const register = w.scalar();
  const other = random.chance(35) ? w.find("scalar") : null;
  const right = other === null ? w.constant() : { reg: other };
  code.jumpIf(random.pick(COMPARISONS), register, right, label, random.pick([32, 64, 64]));
}

function branch(w) {
  const { random, code } = w;
  if (w.nesting >= MOST_NESTING) return false;
  const [otherwise, after] = [code.label(), code.label()];
  condition(w, otherwise);
  const before = w.snapshot();
  blocks(w, 3);
  const isTwoArmed = random.chance(50);
  if (isTwoArmed) code.jump(after);
  code.mark(otherwise);
  const taken = w.snapshot();
  w.restore(before);
  if (isTwoArmed) blocks(w, 3);
  code.mark(after);
  w.merge(taken);
  return true;
}

function leaveEarly(w) {
  const { code } = w;
  if (w.held > 0) return false;
  const after = code.label();
  condition(w, after);
  w.leave();
  code.mark(after);
  return true;
}

/** What a body may change is not known before it: the loop starts with what it ends with. */
function forgetScalars(w) {
  w.kinds = w.kinds.map((kind) => (kind.k === "scalar" ? { k: "scalar", max: null } : kind));
}

function countedLoop(w) {
  const { random, code } = w;
  if (w.plain || !w.isFree() || w.nesting >= MOST_NESTING) return false;
  const onStack = random.chance(30);
  const off = COUNTER - 8 * w.nesting;
  const turns = random.between(1, 6);
  const counter = w.savedTarget();
  if (counter < 6 || w.kind(counter).k === "ctx") return false;
  const start = code.label();
  code.mov(counter, 0);
  if (onStack) code.store(8, 10, off, { reg: counter });
  forgetScalars(w);
  const before = w.snapshot();
  // The counter is no register to be overwritten.
  w.set(counter, { k: "counter" });
  code.mark(start);
  blocks(w, 2);
  if (onStack) code.load(8, counter, 10, off);
  code.alu("add", counter, 1);
  if (onStack) code.store(8, 10, off, { reg: counter });
  code.jumpIf(random.pick(["lt", "ne", "slt"]), counter, turns, start, random.pick([32, 64]));
  w.merge(before);
  w.set(counter, { k: "scalar", max: turns });
  return true;
}

function mayGotoLoop(w) {
  const { code } = w;
  if (w.plain || !w.isFree() || w.nesting >= MOST_NESTING || w.held > 0) return false;
  const [start, end] = [code.label(), code.label()];
  forgetScalars(w);
  const before = w.snapshot();
  code.mark(start);
  code.mayGoto(end);
  blocks(w, 2);
  code.jump(start);
  code.mark(end);
  w.merge(before);
  return true;
}

/** bpf_iter_num_new, _next, _destroy. */
function numbers(w) {
  const { random, code, kernel } = w;
  const [create, next, destroy] = ["new", "next", "destroy"].map((verb) => kernel.get(`bpf_iter_num_${verb}`));
  if (w.plain || !w.isFree() || create === undefined || w.nesting >= MOST_NESTING || w.held > 0 || w.iterating)
    return false;
  const at = ITERATOR;
  const iterator = (register) => {
    code.mov(register, { reg: 10 });
    code.alu("add", register, at);
  };
  iterator(1);
  code.mov(2, 0);
  code.mov(3, random.between(1, 20));
  code.callKernel(create);
  w.afterCall({ k: "scalar", max: null });
  forgetScalars(w);
  const before = w.snapshot();
  const [start, end] = [code.label(), code.label()];
  code.mark(start);
  iterator(1);
  code.callKernel(next);
  w.afterCall({ k: "none" });
  code.jumpIf("eq", 0, 0, end);
  code.load(4, 0, 0, 0);
  w.set(0, { k: "scalar", max: null });
  w.held++;
  w.iterating = true;
  blocks(w, 2);
  w.iterating = false;
  w.held--;
  code.jump(start);
  code.mark(end);
  w.merge(before);
  iterator(1);
  if (random.chance(98)) code.callKernel(destroy);
  w.afterCall({ k: "none" });
  return true;
}

// ---- functions

/** A number, or at times a pointer, for an argument register; its kind. */
function argument(w, register, mayBePointer) {
  const { random, code } = w;
  const pointer =
    mayBePointer && random.chance(35) ? w.registersOf("packet", "value", "ctx").find((r) => r > 5) : undefined;
  if (pointer !== undefined) {
    code.mov(register, { reg: pointer });
    return w.kind(pointer);
  }
  if (mayBePointer && random.chance(15)) {
    const off = w.buffer(8);
    code.mov(register, { reg: 10 });
    code.alu("add", register, off);
    return { k: "value", map: "stack", size: 8 };
  }
  const scalar = w.registersOf("scalar").find((r) => r > 5 || r < register === false);
  if (scalar === undefined) code.mov(register, w.constant());
  else code.mov(register, { reg: scalar });
  return { k: "scalar", max: null };
}

/** A function to call: one that is there, or a new one. */
export function functionOf(w, kind, matches) {
  const known = w.functions.filter(
    (f) => f.kind === kind && f !== w.current && f.order > (w.current?.order ?? -1) && matches(f),
  );
  if (known.length > 0 && w.random.chance(60)) return w.random.pick(known);
  if (w.functions.length >= MOST_FUNCTIONS) return known[0] ?? null;
  const made = { kind, label: w.code.label(), order: w.functions.length, args: null };
  w.functions.push(made);
  return made;
}

/** Frames add up: functions seldom call functions. */
function isDeep(w) {
  return w.current !== null && w.random.chance(85);
}

function callStatic(w) {
  const { random, code } = w;
  if (w.plain || isDeep(w)) return false;
  const args = [1, 2, 3].slice(0, random.between(1, 3)).map((register) => argument(w, register, true));
  const callee = functionOf(w, "static", (f) => JSON.stringify(f.args) === JSON.stringify(args) || random.chance(5));
  if (callee === null) return false;
  callee.args ??= args;
  code.callLocal(callee.label);
  w.afterCall({ k: "scalar", max: null });
  return true;
}

function callGlobal(w) {
  const { random, code } = w;
  if (!w.typed || w.held > 0 || isDeep(w)) return false;
  const isPointer = random.chance(40);
  if (isPointer) {
    code.mov(1, { reg: 10 });
    code.alu("add", 1, w.buffer(16));
  } else argument(w, 1, false);
  code.mov(2, random.below(8));
  const callee = functionOf(w, isPointer ? "globalPointer" : "global", () => true);
  if (callee === null) return false;
  code.callLocal(callee.label);
  w.afterCall({ k: "scalar", max: null });
  return true;
}

/** bpf_loop or bpf_for_each_map_elem with a function of ours. */
function callBack(w) {
  const { random, code, hook } = w;
  const isLoop = random.chance(60);
  const shape = isLoop ? "loop" : "each";
  const helper = helperAt(hook, isLoop ? "loop" : "for_each_map_elem");
  if (!w.typed || !w.isFree(30) || helper === null || w.held > 0 || isDeep(w)) return false;
  const callee = functionOf(w, "callback", (f) => f.shape === shape);
  if (callee === null) return false;
  callee.shape ??= shape;
  const context = w.buffer(8);
  const turns = isLoop && random.chance(30) ? boundScalar(w, 15) : null;
  code.functionAddress(2, callee.label);
  code.mov(3, { reg: 10 });
  code.alu("add", 3, context);
  if (isLoop) code.mov(1, turns === null || turns === 2 || turns === 3 ? random.between(1, 12) : { reg: turns });
  else code.map(1, mapIndex(random.pick(["hash", "array", "lru"])));
  code.mov(4, 0);
  code.call(helper);
  w.afterCall({ k: "scalar", max: null });
  return true;
}

export const FLOW = [
  [8, branch],
  [4, leaveEarly],
  [3, countedLoop],
  [1, mayGotoLoop],
  [2, numbers],
  [4, callStatic],
  [3, callGlobal],
  [3, callBack],
];
