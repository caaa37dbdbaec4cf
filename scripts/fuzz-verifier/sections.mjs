// Blocks that stand between a beginning and an end: RCU, no preemption, no interrupts; what ends the program at once, and what
// runs later (timers).
import { functionOf } from "./flow.mjs";
import { helperAt, mapIndex } from "./world.mjs";

const MOST_NESTING = 3;
/** Program types that may throw. */
const THROWING = ["xdp", "sched_cls", "cgroup_skb"];
/** Below buffers: interrupt flags, by depth. */
const FLAGS = -232;

/** [begins, ends, whether each takes the place where flags are kept]. */
const SECTIONS = [
  ["bpf_rcu_read_lock", "bpf_rcu_read_unlock", false],
  ["bpf_preempt_disable", "bpf_preempt_enable", false],
  ["bpf_local_irq_save", "bpf_local_irq_restore", true],
];

/** A section, nested at times, with blocks in it. */
function section(w) {
  const { random, code, kernel } = w;
  const [begin, end, keepsFlags] = random.pick(SECTIONS);
  const first = kernel.get(begin);
  if (w.plain || first === undefined || w.nesting >= MOST_NESTING || (w.held > 0 && !random.chance(20))) return false;
  const off = FLAGS - 8 * w.nesting;
  const call = (id) => {
    if (keepsFlags) {
      code.mov(1, { reg: 10 });
      code.alu("add", 1, off);
    }
    code.callKernel(id);
    w.afterCall({ k: "none" });
  };
  call(first);
  w.held++;
  w.nesting++;
  for (let i = random.between(1, 2); i > 0; i--) w.block();
  w.nesting--;
  w.held--;
  if (random.chance(97)) call(kernel.get(end));
  return true;
}

/** Leaves the program from wherever it is, when a number is what it should not be. */
function assertion(w) {
  const { random, code, kernel, hook } = w;
  const id = kernel.get("bpf_throw");
  if (!THROWING.includes(hook.type) && !random.chance(2)) return false;
  if (w.plain || id === undefined || (w.held > 0 && !random.chance(10))) return false;
  const fine = code.label();
  code.jumpIf(random.pick(["lt", "ne", "sge", "set"]), w.scalar(), random.below(9), fine);
  code.mov(1, random.below(3));
  code.callKernel(id);
  code.mark(fine);
  // On the path that goes on, nothing was called.
  return true;
}

/** A timer in a value of `timed`: made, given a function, started. */
function timer(w) {
  const { random, code, hook } = w;
  const ids = ["map_lookup_elem", "timer_init", "timer_set_callback", "timer_start"].map((name) =>
    helperAt(hook, name),
  );
  if (!w.typed || ids.includes(null) || w.held > 0 || w.current !== null) return false;
  const callee = functionOf(w, "callback", (f) => f.shape === "timer");
  const value = w.savedTarget();
  if (callee === null || w.kind(value).k === "ctx") return false;
  callee.shape ??= "timer";
  const [lookUp, init, setCallback, start] = ids;
  const key = w.buffer(4);
  code.mov(2, { reg: 10 });
  code.alu("add", 2, key);
  code.map(1, mapIndex("timed"));
  code.call(lookUp);
  w.afterCall({ k: "none" });
  const found = code.label();
  code.jumpIf("ne", 0, 0, found);
  w.leave();
  code.mark(found);
  code.mov(value, { reg: 0 });
  const steps = [
    () => {
      code.map(2, mapIndex("timed"));
      code.mov(3, random.pick([0, 1, 7]));
      code.call(init);
    },
    () => {
      code.functionAddress(2, callee.label);
      code.call(setCallback);
    },
    () => {
      code.mov(2, random.below(1000));
      code.mov(3, random.below(2));
      code.call(start);
    },
  ];
  for (const step of steps) {
    if (random.chance(10)) continue;
    code.mov(1, { reg: value });
    code.alu("add", 1, random.chance(97) ? 8 : 0);
    step();
    w.afterCall({ k: "scalar", max: null });
  }
  w.set(value, { k: "value", id: w.nextId++, map: "timed", size: 8 });
  return true;
}

export const SECTIONED = [
  [4, section],
  [2, assertion],
  [2, timer],
];
