/**
 * Random programs of calls of kernel functions: nested blocks that open, use and close (objects, sections, locks, iterators,
 * dynptrs), as well-formed as programs are, then broken in a line or two.
 */
import { encode, parse } from "../../../lib/asm/index.ts";
import { BtfBuilder } from "../../../lib/btf/index.ts";
import type { Btf, Member } from "../../../lib/btf/index.ts";
import { slotsOf } from "../../../lib/isa/index.ts";
import type { Insn } from "../../../lib/isa/index.ts";
import { helperNumber } from "../../../lib/kernel/index.ts";
import type { AnyHelperName, AttachType, ProgramType } from "../../../lib/kernel/index.ts";
import type { LoadRequest, MapReference, RequestMap } from "../../../lib/verifier/index.ts";
import { map as mapSpec } from "../../kernel/specs.ts";
import type { Random } from "../scalar/random.ts";

// ---- types and maps

const types = new BtfBuilder();
const u32 = types.int("unsigned int", 4);
const u64 = types.int("unsigned long long", 8);
const opaque = (name: string, words: number): number =>
  types.struct(name, words * 8, [{ name: "__opaque", type: types.array(u64, words), bitOffset: 0 }]);
const spinLock = types.struct("bpf_spin_lock", 4, [{ name: "val", type: u32, bitOffset: 0 }]);
const resLock = types.struct("bpf_res_spin_lock", 4, [{ name: "val", type: u32, bitOffset: 0 }]);
const refcount = types.struct("bpf_refcount", 4, [{ name: "__opaque", type: types.array(u32, 1), bitOffset: 0 }]);
const listHead = opaque("bpf_list_head", 2);
const listNode = opaque("bpf_list_node", 3);
const rbRoot = opaque("bpf_rb_root", 2);
const rbNode = opaque("bpf_rb_node", 4);
const workqueue = opaque("bpf_wq", 2);

const member = (name: string, type: number, offset: number): Member => ({ name, type, bitOffset: offset * 8 });
const LINK = 8;
const BRANCH = 32;
/** With a reference count, in lists and trees; without, in a list, and in a tree. */
const COUNTED = types.struct("counted", 72, [
  member("value", u64, 0),
  member("link", listNode, LINK),
  member("branch", rbNode, BRANCH),
  member("count", refcount, 64),
]);
const PLAIN = types.struct("plain", 32, [member("value", u64, 0), member("link", listNode, LINK)]);
const LEAF = types.struct("leaf", 64, [member("value", u64, 0), member("branch", rbNode, BRANCH)]);
const NUMBERS = types.struct("numbers", 16, [member("a", u64, 0), member("b", u64, 8)]);
const HEAD = { counted: 8, plain: 24 } as const;
const ROOT = { counted: 40, leaf: 56 } as const;
const VALUE = types.struct("value", 80, [
  member("lock", spinLock, 0),
  member("heads", listHead, HEAD.counted),
  member("others", listHead, HEAD.plain),
  member("roots", rbRoot, ROOT.counted),
  member("branches", rbRoot, ROOT.leaf),
  member("rest", u64, 72),
]);
for (const [index, what] of [
  [1, "counted:link"],
  [2, "plain:link"],
  [3, "counted:branch"],
  [4, "leaf:branch"],
] as const)
  types.add({ kind: "decl_tag", name: `contains:${what}`, type: VALUE, component: index });
const GUARDED = types.struct("guarded", 16, [member("lock", resLock, 0), member("count", u64, 8)]);
const WORK = types.struct("work", 24, [member("count", u64, 0), member("work", workqueue, 8)]);
const int = types.int("int", 4, "signed");
const mainType = types.func("main_func", types.funcProto(int, [{ name: "ctx", type: types.ptr(0) }]));
const lessType = types.func(
  "less",
  types.funcProto(int, [
    { name: "a", type: types.ptr(0) },
    { name: "b", type: types.ptr(0) },
  ]),
  "static",
);
const TYPES: Btf = types.finish();

function typed(name: string, valueType: number, size: number): RequestMap {
  return {
    spec: { ...mapSpec(name, "array", 4, size, 4), keyType: u32, valueType },
    btf: TYPES,
    contents: null,
    inner: null,
  };
}
const MAPS: readonly RequestMap[] = [
  typed("values", VALUE, 80),
  typed("guarded", GUARDED, 16),
  typed("works", WORK, 24),
];

// ---- places and the stack

interface Place {
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  readonly flags?: number;
  readonly buffer?: true;
  readonly frame?: true;
}
const PLACES: readonly Place[] = [
  { type: "sched_cls", attach: null, buffer: true },
  { type: "sched_cls", attach: null, buffer: true },
  { type: "xdp", attach: null, frame: true },
  { type: "cgroup_skb", attach: "cgroup_inet_egress", buffer: true },
  { type: "syscall", attach: null, flags: 16 },
  { type: "syscall", attach: null, flags: 16 },
];

/** Bytes below the frame pointer. */
const OBJECTS = [-8, -16, -24, -32];
const DYNPTRS = [-64, -80];
const ITERATORS = [-88, -96];
const BITS = -112;
const FLAGS = [-120, -128];
const BUFFER = -144;
const TASKS = -168;
const KEY = -176;

const fp = (register: number, offset: number): string => `r${register} = r10\nr${register} += ${offset}`;
const helper = (name: AnyHelperName): string => `call ${helperNumber(name)}`;
const kept = (register: number, slot: number): string => `r${register} = *(u64 *)(r10 ${slot})`;
const keep = (slot: number): string => `*(u64 *)(r10 ${slot}) = r0`;
const lookup = (map: number): string =>
  `${fp(2, KEY)}\nr1 = map[id:${map}]\n${helper("map_lookup_elem")}\nif r0 == 0 goto out`;
const at = (register: number, offset: number): string => `r${register} = r7\nr${register} += ${offset}`;
const LOCK = `r1 = r7\n${helper("spin_lock")}`;
const UNLOCK = `r1 = r7\n${helper("spin_unlock")}`;

// ---- blocks

class Writer {
  private readonly random: Random;
  private readonly place: Place;
  private labels = 0;

  constructor(random: Random, place: Place) {
    this.random = random;
    this.place = place;
  }

  label(): string {
    return `l${this.labels++}`;
  }

  /** A few statements; `depth`: how deep they may nest. */
  block(depth: number): string[] {
    const count = 1 + this.random.below(depth > 1 ? 3 : 2);
    return Array.from({ length: count }, () => this.statement(depth)).flat();
  }

  private statement(depth: number): string[] {
    const { random } = this;
    const leaves = [
      () => this.number(),
      () => this.size(),
      () => this.cast(),
      () => this.text(),
      () => this.popped(),
      () => this.first(),
      () => this.currentTask(),
    ];
    const nests = [
      () => this.task(depth - 1),
      () => this.object(depth - 1),
      () => this.object(depth - 1),
      () => this.object(depth - 1),
      () => this.mask(depth - 1),
      () => this.group(depth - 1),
      () => this.rcu(depth - 1),
      () => this.preemption(depth - 1),
      () => this.interrupts(depth - 1),
      () => this.guarded(depth - 1),
      () => this.numbers(depth - 1),
      () => this.bits(),
      () => this.tasks(),
      () => this.dynptr(depth - 1),
      () => this.locked(),
      () => this.perCpu(depth - 1),
      () => this.work(),
    ];
    return (depth <= 0 || random.chance(0.25) ? random.pick(leaves) : random.pick(nests))();
  }

  private number(): string[] {
    return [
      this.random.pick([
        helper("ktime_get_ns"),
        helper("get_prandom_u32"),
        "r9 += 1",
        "r9 = 0",
        "r9 &= 7",
        this.thrown(),
      ]),
    ];
  }

  private thrown(): string {
    return this.random.chance(0.1) ? "r1 = 0\ncall bpf_throw" : "r0 = 0";
  }

  /** Something acquired: used in a block, then given back. */
  private acquired(call: string[], depth: number, use: (slot: number) => string[], release: string): string[] {
    const slot = this.random.pick(OBJECTS);
    const end = this.label();
    return [
      ...call,
      `if r0 == 0 goto ${end}`,
      keep(slot),
      ...use(slot),
      ...(this.random.chance(0.5) ? this.block(depth) : []),
      kept(1, slot),
      release,
      `${end}:`,
    ];
  }

  private task(depth: number): string[] {
    const call = this.random.pick([
      ["r1 = 1", "call bpf_task_from_pid"],
      [helper("get_current_task_btf"), "r1 = r0", "call bpf_task_acquire"],
    ]);
    const use = (slot: number): string[] =>
      this.random.pick([
        [],
        [kept(1, slot), "r2 = *(u64 *)(r1 +0)"],
        [kept(1, slot), "call bpf_task_acquire", "r9 = r0"],
      ]);
    return this.acquired(call, depth, use, "call bpf_task_release");
  }

  private currentTask(): string[] {
    return [
      helper("get_current_task_btf"),
      "r1 = r0",
      "r2 = 0",
      this.random.chance(0.05) ? "call bpf_task_under_cgroup" : "r1 = *(u64 *)(r0 +0)",
    ];
  }

  private group(depth: number): string[] {
    const use = (slot: number): string[] => {
      const end = this.label();
      return [
        kept(1, slot),
        "r2 = 1",
        "call bpf_cgroup_ancestor",
        `if r0 == 0 goto ${end}`,
        "r1 = r0",
        "call bpf_cgroup_release",
        `${end}:`,
      ];
    };
    return this.acquired(
      ["r1 = 1", "call bpf_cgroup_from_id"],
      depth,
      this.random.chance(0.5) ? use : () => [],
      "call bpf_cgroup_release",
    );
  }

  private mask(depth: number): string[] {
    if (this.place.type !== "syscall" && this.random.chance(0.95)) return this.task(depth);
    const use = (slot: number): string[] =>
      this.random.pick([
        ["r1 = 1", kept(2, slot), "call bpf_cpumask_set_cpu"],
        [kept(1, slot), "call bpf_cpumask_empty"],
        [kept(1, slot), kept(2, slot), kept(3, slot), "call bpf_cpumask_and"],
      ]);
    return this.acquired(["call bpf_cpumask_create"], depth, use, "call bpf_cpumask_release");
  }

  private perCpu(depth: number): string[] {
    const type = this.random.pick([NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, PLAIN]);
    return this.acquired(
      [`r1 = ${type}`, "r2 = 0", "call bpf_percpu_obj_new_impl"],
      depth,
      () => [],
      "r2 = 0\ncall bpf_percpu_obj_drop_impl",
    );
  }

  private object(depth: number): string[] {
    const { random } = this;
    const inList = random.pick(["counted", "plain"] as const);
    const inTree = random.pick(["counted", "leaf"] as const);
    const kind = random.pick([inList, inTree]);
    const call = [`r1 = ${{ counted: COUNTED, plain: PLAIN, leaf: LEAF }[kind]}`, "r2 = 0", "call bpf_obj_new_impl"];
    const use = (slot: number): string[] => {
      const end = this.label();
      const share = [
        kept(1, slot),
        "r2 = 0",
        "call bpf_refcount_acquire_impl",
        ...(random.chance(0.3) ? [`if r0 == 0 goto ${end}`] : []),
        "r1 = r0",
        "r2 = 0",
        "call bpf_obj_drop_impl",
        `${end}:`,
      ];
      const touches = [[], [kept(1, slot), "r2 = *(u64 *)(r1 +0)"], [kept(1, slot), "*(u64 *)(r1 +0) = 5"]];
      return random.pick(kind === "counted" || random.chance(0.05) ? [...touches, share] : touches);
    };
    const drop = "r2 = 0\ncall bpf_obj_drop_impl";
    const link = `r9 = r1\n${LOCK}\n${at(1, HEAD[inList])}\nr2 = r9\nr2 += ${LINK}\nr3 = 0\nr4 = 0\ncall bpf_list_push_${random.pick(["front", "back"])}_impl\n${random.chance(0.3) ? "r2 = *(u64 *)(r9 +0)\n" : ""}${UNLOCK}`;
    const plant = `r9 = r1\n${LOCK}\n${at(1, ROOT[inTree])}\nr2 = r9\nr2 += ${BRANCH}\nr3 = less\nr4 = 0\nr5 = 0\ncall bpf_rbtree_add_impl\n${UNLOCK}`;
    const ways = random.chance(0.05)
      ? [link, plant]
      : [drop, ...(kind === inList ? [link] : []), ...(kind === inTree ? [plant] : [])];
    const put = random.pick(ways);
    return this.acquired(call, depth, use, put);
  }

  private popped(): string[] {
    const kind = this.random.pick(["counted", "plain"] as const);
    const slot = this.random.pick(OBJECTS);
    const end = this.label();
    return [
      LOCK,
      at(1, HEAD[kind]),
      `call bpf_list_pop_${this.random.pick(["front", "back"])}`,
      keep(slot),
      UNLOCK,
      kept(1, slot),
      `if r1 == 0 goto ${end}`,
      ...(this.random.chance(0.9) ? [`r1 += -${LINK}`] : []),
      "r2 = 0",
      "call bpf_obj_drop_impl",
      `${end}:`,
    ];
  }

  private first(): string[] {
    const kind = this.random.pick(["counted", "leaf"] as const);
    const [none, end] = [this.label(), this.label()];
    const slot = this.random.pick(OBJECTS);
    const search = this.random.pick(["bpf_rbtree_first", "bpf_rbtree_first", "bpf_rbtree_root"]);
    return [
      LOCK,
      at(1, ROOT[kind]),
      `call ${search}`,
      `if r0 == 0 goto ${none}`,
      at(1, ROOT[kind]),
      "r2 = r0",
      `call ${this.random.pick(["bpf_rbtree_remove", "bpf_rbtree_remove", "bpf_rbtree_left"])}`,
      keep(slot),
      UNLOCK,
      kept(1, slot),
      `if r1 == 0 goto ${end}`,
      `r1 += -${BRANCH}`,
      "r2 = 0",
      "call bpf_obj_drop_impl",
      `goto ${end}`,
      `${none}:`,
      UNLOCK,
      `${end}:`,
    ];
  }

  private rcu(depth: number): string[] {
    return ["call bpf_rcu_read_lock", ...this.block(depth), "call bpf_rcu_read_unlock"];
  }

  private preemption(depth: number): string[] {
    return ["call bpf_preempt_disable", ...this.block(depth), "call bpf_preempt_enable"];
  }

  private interrupts(depth: number): string[] {
    const slot = this.random.pick(FLAGS);
    return [fp(1, slot), "call bpf_local_irq_save", ...this.block(depth), fp(1, slot), "call bpf_local_irq_restore"];
  }

  private locked(): string[] {
    return [
      LOCK,
      this.random.pick([
        "r1 = *(u64 *)(r7 +72)",
        "r9 = 1",
        this.random.chance(0.1) ? helper("ktime_get_ns") : "r9 = 2",
      ]),
      UNLOCK,
    ];
  }

  private guarded(depth: number): string[] {
    const end = this.label();
    if (this.random.chance(0.5))
      return [
        "r1 = r8",
        "call bpf_res_spin_lock",
        `if r0 != 0 goto ${end}`,
        ...(this.random.chance(0.3) ? this.numbers(depth) : ["r1 = *(u64 *)(r8 +8)"]),
        "r1 = r8",
        "call bpf_res_spin_unlock",
        `${end}:`,
      ];
    const slot = this.random.pick(FLAGS);
    return [
      "r1 = r8",
      fp(2, slot),
      "call bpf_res_spin_lock_irqsave",
      `if r0 != 0 goto ${end}`,
      "r1 = r8",
      fp(2, slot),
      "call bpf_res_spin_unlock_irqrestore",
      `${end}:`,
    ];
  }

  private loop(make: string[], slot: number, name: string, body: string[]): string[] {
    const [again, end] = [this.label(), this.label()];
    return [
      fp(1, slot),
      ...make,
      `call bpf_iter_${name}_new`,
      `${again}:`,
      fp(1, slot),
      `call bpf_iter_${name}_next`,
      `if r0 == 0 goto ${end}`,
      ...body,
      `goto ${again}`,
      `${end}:`,
      fp(1, slot),
      `call bpf_iter_${name}_destroy`,
    ];
  }

  private numbers(depth: number): string[] {
    const body = this.random.pick([["r1 = *(u32 *)(r0 +0)", "r9 += r1"], ["r9 += 1"], [], this.block(depth - 1)]);
    return this.loop(["r2 = 0", `r3 = ${this.random.pick([3, 100])}`], this.random.pick(ITERATORS), "num", body);
  }

  private bits(): string[] {
    return this.loop([fp(2, BUFFER), "r3 = 2"], BITS, "bits", ["r1 = *(u32 *)(r0 +0)"]);
  }

  private tasks(): string[] {
    const end = this.label();
    const acquire = [
      "r1 = r0",
      "call bpf_task_acquire",
      `if r0 == 0 goto ${end}`,
      "r1 = r0",
      "call bpf_task_release",
      `${end}:`,
    ];
    const loop = this.loop(["r2 = 0", "r3 = 0"], TASKS, "task", this.random.pick([["r1 = *(u64 *)(r0 +0)"], acquire]));
    return this.random.chance(0.7) ? ["call bpf_rcu_read_lock", ...loop, "call bpf_rcu_read_unlock"] : loop;
  }

  private dynptr(depth: number): string[] {
    const { buffer, frame } = this.place;
    const slot = this.random.pick(DYNPTRS);
    if (buffer === undefined && frame === undefined) return this.number();
    const make = [
      "r1 = r6",
      "r2 = 0",
      fp(3, slot),
      buffer === undefined ? "call bpf_dynptr_from_xdp" : "call bpf_dynptr_from_skb",
    ];
    return [
      ...make,
      ...Array.from({ length: 1 + this.random.below(3) }, () => this.slice(slot)).flat(),
      ...(this.random.chance(0.3) ? this.block(depth) : []),
    ];
  }

  private slice(slot: number): string[] {
    const end = this.label();
    const other = DYNPTRS.find((one) => one !== slot) ?? slot;
    const func = this.random.pick(["bpf_dynptr_slice", "bpf_dynptr_slice_rdwr"]);
    const slice = (buffer: string): string[] => [
      fp(1, slot),
      "r2 = 0",
      buffer,
      "r4 = 8",
      `call ${func}`,
      `if r0 == 0 goto ${end}`,
      this.random.pick([
        "r1 = *(u8 *)(r0 +0)",
        "r1 = *(u64 *)(r0 +0)",
        "*(u8 *)(r0 +7) = 1",
        "r9 = r0",
        "r1 = *(u8 *)(r0 +8)",
      ]),
      ...(this.random.chance(0.2)
        ? ["r9 = r0", "r1 = r6", "r2 = 0", helper("skb_pull_data"), "r1 = *(u8 *)(r9 +0)"]
        : []),
      `${end}:`,
    ];
    return this.random.pick([
      slice(fp(3, BUFFER)),
      slice("r3 = 0"),
      slice(fp(3, BUFFER)),
      [fp(1, slot), "r2 = 1", "r3 = 4", "call bpf_dynptr_adjust"],
      [fp(1, slot), fp(2, other), "call bpf_dynptr_clone", fp(1, other), "call bpf_dynptr_size"],
      [fp(1, slot), "call bpf_dynptr_is_null"],
      [fp(1, slot), "call bpf_dynptr_size", "r9 = r0"],
      [`*(u64 *)(r10 ${slot + this.random.pick([0, 8])}) = 0`],
    ]);
  }

  private size(): string[] {
    const slot = this.random.pick(DYNPTRS);
    return this.random.chance(0.2) ? [fp(1, slot), "call bpf_dynptr_size"] : ["r9 = 1"];
  }

  private cast(): string[] {
    return this.random.pick([
      ["r1 = r6", "call bpf_cast_to_kern_ctx", "r1 = *(u64 *)(r0 +0)"],
      [helper("get_current_task_btf"), "r1 = r0", "r2 = 0", "call bpf_rdonly_cast", "r1 = *(u8 *)(r0 +5)"],
      [fp(1, BUFFER), "r2 = 0", "call bpf_rdonly_cast"],
      ["r1 = 5", "call bpf_get_kmem_cache"],
    ]);
  }

  private text(): string[] {
    return this.random.pick([
      [fp(1, BUFFER), fp(2, BUFFER), "call bpf_strcmp"],
      [this.random.chance(0.1) ? "r1 = r7" : "r1 = map[id:0]", "call bpf_map_sum_elem_count"],
    ]);
  }

  private work(): string[] {
    const rest = ["r1 = r9", "r2 = 0", "call bpf_wq_start"];
    return [
      lookup(2),
      "r9 = r0",
      "r9 += 8",
      "r1 = r9",
      `r2 = map[id:${this.random.pick([2, 2, 2, 0])}]`,
      "r3 = 0",
      "call bpf_wq_init",
      "r1 = r9",
      "r2 = less",
      "r3 = 0",
      "r4 = 0",
      "call bpf_wq_set_callback_impl",
      ...rest,
    ];
  }
}

/** Breaks the text in a line. */
function broken(random: Random, lines: readonly string[]): string[] {
  const result = [...lines];
  if (result.length === 0) return result;
  const i = random.below(result.length);
  const line = result[i] as string;
  const other = random.below(result.length);
  switch (random.below(5)) {
    case 0:
      if (!line.endsWith(":")) result.splice(i, 1);
      break;
    case 1:
      if (!line.endsWith(":")) result.splice(other, 0, line);
      break;
    case 2:
      if (!line.endsWith(":")) {
        result.splice(i, 1);
        result.splice(Math.min(other, result.length), 0, line);
      }
      break;
    case 3:
      result[i] = line.replace(/-\d+/, () =>
        String(random.pick([...OBJECTS, ...DYNPTRS, ...ITERATORS, ...FLAGS, BITS, BUFFER, TASKS, -10])),
      );
      break;
    default:
      result[i] = line.replace(/r([789])/, () => `r${random.pick([6, 7, 8, 9])}`);
  }
  return result;
}

export interface KfuncProgram {
  readonly place: Place;
  readonly text: string;
  readonly request: LoadRequest;
}

export function kfuncProgram(random: Random, kernel: Btf, ids: ReadonlyMap<string, number>): KfuncProgram {
  const place = random.pick(PLACES);
  const writer = new Writer(random, place);
  let body = writer.block(3).flatMap((part) => part.split("\n"));
  for (let mutations = random.pick([0, 0, 1, 1, 2]); mutations > 0; mutations--) body = broken(random, body);
  const text = [
    "r6 = r1",
    `*(u32 *)(r10 ${KEY}) = 0`,
    lookup(0),
    "r7 = r0",
    lookup(1),
    "r8 = r0",
    "r9 = 0",
    ...OBJECTS.map((slot) => `*(u64 *)(r10 ${slot}) = 0`),
    `*(u64 *)(r10 ${BUFFER}) = 0`,
    `*(u64 *)(r10 ${BUFFER + 8}) = 0`,
    ...body,
    "out: r0 = 0",
    "exit",
    "less: r0 = 0",
    "exit",
  ].join("\n");
  return { place, text, request: request(text, place, kernel, ids) };
}

/** Calls by name become numbers that no helper has, and calls of the kernel's functions in the end. */
const FIRST = 100_000;

function request(text: string, place: Place, kernel: Btf, ids: ReadonlyMap<string, number>): LoadRequest {
  const names = [...ids.keys()];
  const named = text
    .replaceAll(/call (bpf_\w+)/g, (_, name: string) => `call ${FIRST + names.indexOf(name)}`)
    .replaceAll(/r(\d) = less$/gm, "r$1 = subprog[+0]");
  const insns = parse(named);
  const slots: number[] = [];
  let size = 0;
  for (const insn of insns) {
    slots.push(size);
    size += slotsOf(insn);
  }
  const less = slots[insns.length - 2] ?? 0;
  const hasLess = insns.some((insn) => insn.kind === "load_imm64" && insn.pseudo === "func");
  const mapReferences = new Map<number, MapReference>();
  const linked = (hasLess ? insns : insns.slice(0, -2)).map((insn, i): Insn => {
    const slot = slots[i] ?? 0;
    if (insn.kind === "call" && insn.target.kind === "helper" && insn.target.id >= FIRST)
      return {
        kind: "call",
        target: { kind: "kfunc", btfId: ids.get(names[insn.target.id - FIRST] ?? "") ?? 0, off: 0 },
      };
    if (insn.kind !== "load_imm64") return insn;
    if (insn.pseudo === "func") return { ...insn, imm: BigInt(less - slot - 1) };
    if (insn.pseudo === "map_fd")
      mapReferences.set(slot, { map: Number(insn.imm & 0xffffffffn), kind: "map", offset: 0 });
    return insn;
  });
  return {
    name: "test",
    type: place.type,
    attach: place.attach,
    flags: place.flags ?? 0,
    license: "GPL",
    code: encode(linked),
    maps: MAPS,
    mapReferences,
    btf: TYPES,
    functions: hasLess
      ? [
          { slot: 0, type: mainType },
          { slot: less, type: lessType },
        ]
      : [{ slot: 0, type: mainType }],
    lines: [],
    kernel,
    target: null,
  };
}
