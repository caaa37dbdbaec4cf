// A program for one of our hooks that the kernel takes, most of the time: blocks of arithmetic, memory, calls and flow, one after
// the other, each with what the blocks before it left.
import { ADDRESSES } from "./addresses.mjs";
import { ARITHMETIC } from "./arithmetic.mjs";
import { CALLS } from "./calls.mjs";
import { DYNPTRS } from "./dynptrs.mjs";
import { FLOW } from "./flow.mjs";
import { MEMORY } from "./memory.mjs";
import { SECTIONED } from "./sections.mjs";
import { WORLD_HOOKS } from "./world.mjs";
import { Writer } from "./writer.mjs";

const TABLE = [
  [20, ARITHMETIC],
  [38, MEMORY],
  [26, CALLS],
  [16, FLOW],
  [7, ADDRESSES],
  [3, DYNPTRS],
  [3, SECTIONED],
];
const TRIES = 6;
/** Load flags: most often none; BPF_F_TEST_STATE_FREQ stores states wherever they are compared, BPF_F_TEST_REG_INVARIANTS refuses contradictions. */
const FLAGS = [
  [92, 0],
  [4, 1 << 3],
  [4, 1 << 7],
];
/** Slots after which a program comes to its end. */
const LONG = 220;

class Program extends Writer {
  /** The function being written; null: the main program. */
  current = null;
  returns = this.hook.returns;

  /** One block, of whatever fits. */
  block() {
    if (this.code.length > LONG && this.nesting > 0) return;
    for (let i = 0; i < TRIES; i++) {
      const table = this.random.weighted(TABLE);
      if (this.random.weighted(table)(this)) return;
    }
  }

  /** Returns from the function being written. */
  leave() {
    const { random, code } = this;
    const [least, most] = this.returns ?? [0, 7];
    const known = this.returns === null ? this.find("scalar") : null;
    if (known !== null && random.chance(50)) code.mov(0, { reg: known });
    else code.mov(0, random.chance(99) ? random.between(least, most) : random.below(9));
    code.exit();
  }

  writeMain() {
    this.code.mov(6, { reg: 1 });
    this.set(1, { k: "ctx" });
    this.set(6, { k: "ctx" });
    for (let i = this.random.between(2, 14); i > 0; i--) this.block();
    this.leave();
  }

  writeFunction(made) {
    const { code, random } = this;
    this.current = made;
    this.kinds = this.kinds.map(() => ({ k: "none" }));
    this.stack.clear();
    this.returns = made.kind === "callback" ? [0, made.shape === "timer" ? 0 : 1] : null;
    argumentsOf(made).forEach((kind, i) => this.set(i + 1, kind));
    code.mark(made.label);
    if (made.kind === "globalPointer" && random.chance(90)) {
      const good = code.label();
      code.jumpIf("ne", 1, 0, good);
      this.leave();
      code.mark(good);
      this.set(1, { k: "value", map: "argument", size: 16 });
    }
    for (let i = random.between(1, 4); i > 0; i--) this.block();
    this.leave();
  }
}

/** Kinds of r1 to r5 at the start of a function. */
function argumentsOf({ kind, args, shape }) {
  const number = { k: "scalar", max: null };
  const context = { k: "value", map: "stack", size: 8 };
  switch (kind) {
    case "static":
      return args ?? [];
    case "callback":
      if (shape === "loop") return [number, context];
      return [{ k: "map" }, { k: "key" }, { k: "value", map: "element", size: shape === "timer" ? 8 : 16 }, context];
    case "global":
      return [number, number];
    default:
      return [{ k: "pointer?" }, number];
  }
}

/**
 * { hook, flags, slots, references, functions } of a random program. `kernel`: ids of the kernel's functions by name; `loader` as in
 * LOADERS. `functions` is null for a program without types.
 */
export function generate(random, kernel, { privileges, hooks }) {
  const hook = random.pick(hooks === null ? WORLD_HOOKS : WORLD_HOOKS.filter(({ name }) => hooks.includes(name)));
  // Without CAP_BPF there are neither functions nor ways back; a few programs try.
  const plain = !privileges.bpf && !random.chance(3);
  const program = new Program(random, hook, {
    typed: !plain && random.chance(60),
    plain,
    guarded: !privileges.perfmon,
    kernel,
  });
  program.writeMain();
  // Functions may call functions that are written after them.
  for (let i = 0; i < program.functions.length; i++) program.writeFunction(program.functions[i]);
  const { slots, references } = program.code.finish();
  const made = program.functions.map(({ label, kind }) => ({ slot: program.code.slotOf(label), kind }));
  return {
    hook,
    flags: random.weighted(FLAGS),
    slots,
    references,
    functions: program.typed ? [{ slot: 0, kind: "main" }, ...made] : null,
  };
}
