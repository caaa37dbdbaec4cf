/**
 * Types as the running kernel sees them: arguments of tracepoints, iterators and struct_ops, walks through the kernel's
 * structures, prototypes of global functions. Verdicts and the registers that come of it are compared.
 */
import { describe, expect, test } from "vitest";
import { encode, parse } from "../../../lib/asm/index.ts";
import type { Btf, BtfType, TypeId } from "../../../lib/btf/index.ts";
import { ITERATORS, NULLABLE_ARGUMENTS } from "../../../lib/kernel/index.ts";
import { resolveType } from "../../../lib/btf/index.ts";
import type { LoadRequest } from "../../../lib/verifier/index.ts";
import { noKernel } from "../../kernel/bed.ts";
import { requestOf } from "../request.ts";
import { Random } from "../scalar/random.ts";
import { askKernel, askModel, kernelTypes, registerIn } from "./ask.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const COUNT = Number(process.env["COUNT"] ?? 100);

const kernel: Btf = noKernel ? { types: [] } : kernelTypes();
const find = (kind: BtfType["kind"], name: string): TypeId =>
  kernel.types.findIndex((type) => type.kind === kind && "name" in type && type.name === name);

type Hook = Pick<LoadRequest, "type" | "attach" | "flags" | "target">;

/** The kernel's and our answer: a verdict, and the register that the program's last load sets. */
function compare(hook: Hook, assembly: string, register: number): { kernel: string; model: string } {
  const request = requestOf(assembly, { kernel, ...hook });
  const theirs = askKernel(request);
  const ours = askModel(request);
  const print = (answer: typeof ours | null): string =>
    answer?.verdict === "accept" ? `accept ${registerIn(answer.log, register)}` : (answer?.verdict ?? "");
  return { kernel: print(theirs), model: print(ours) };
}

const tracing = (attach: "trace_raw_tp" | "trace_iter", type: TypeId, flags = 0): Hook => ({
  type: "tracing",
  attach,
  flags,
  target: { type, member: null },
});

interface Root extends Hook {
  readonly name: string;
}

function tracepoints(): Root[] {
  return kernel.types.flatMap((type, id) =>
    type.kind === "typedef" && type.name.startsWith("btf_trace_")
      ? [{ name: type.name.slice("btf_trace_".length), ...tracing("trace_raw_tp", id) }]
      : [],
  );
}

function iterators(): Root[] {
  return Object.keys(ITERATORS).flatMap((name) => {
    const type = find("func", `bpf_iter_${name}`);
    return type < 0 ? [] : [0, 16].map((flags) => ({ name, ...tracing("trace_iter", type, flags) }));
  });
}

function members(): Root[] {
  return ["bpf_dummy_ops", "tcp_congestion_ops"].flatMap((name) => {
    const type = find("struct", name);
    const struct = kernel.types[type];
    if (struct?.kind !== "struct") return [];
    return struct.members.flatMap((member, index) =>
      [0, 16].map((flags) => ({
        name: `${name}.${member.name}`,
        type: "struct_ops" as const,
        attach: null,
        flags,
        target: { type, member: index },
      })),
    );
  });
}

/** Loads of each argument, and of one behind the last. */
function argumentsOf(root: Root): string[] {
  const wrong: string[] = [];
  for (let argument = 0; argument < 12; argument++) {
    const answers = compare(root, `r2 = *(u64 *)(r1 + ${8 * argument})\nr0 = 0\nexit`, 2);
    if (answers.kernel !== answers.model) {
      wrong.push(`${root.name} ${argument} ${root.flags}: kernel ${answers.kernel}, model ${answers.model}`);
    }
    if (answers.kernel === "reject") break;
  }
  return wrong;
}

describe.skipIf(noKernel)("arguments as the kernel knows them", () => {
  test("of tracepoints: all that may be null, and a sample", () => {
    const roots = tracepoints().filter(({ name }, index) => name in NULLABLE_ARGUMENTS || index % 60 === SEED % 60);
    expect(roots.flatMap(argumentsOf)).toEqual([]);
  });
  test("of iterators", () => {
    expect(iterators().flatMap(argumentsOf)).toEqual([]);
  });
  test("of members of struct_ops", () => {
    expect(members().flatMap(argumentsOf)).toEqual([]);
  });
});

// ---- walks

interface Place {
  readonly off: number;
  /** Of a pointer to a structure: the structure. */
  readonly to: TypeId | null;
}

/** What lies in a structure, members of members, too. */
function placesIn(struct: TypeId, base = 0, depth = 0): Place[] {
  const type = kernel.types[struct];
  if (type === undefined || (type.kind !== "struct" && type.kind !== "union") || depth > 5) return [];
  return type.members.flatMap((member): Place[] => {
    const off = base + (member.bitOffset >>> 3);
    const of = resolveType(kernel, member.type);
    if (of.type.kind === "struct" || of.type.kind === "union") return placesIn(of.id, off, depth + 1);
    return [{ off, to: of.type.kind === "ptr" ? structOf(of.type.type) : null }];
  });
}

function structOf(target: TypeId): TypeId | null {
  const { id, type } = resolveType(kernel, target);
  return type.kind === "struct" || type.kind === "union" ? id : null;
}

interface Start {
  readonly root: Root;
  readonly off: number;
  readonly struct: TypeId;
}

/** Arguments that point to structures. */
function starts(roots: readonly Root[]): Start[] {
  return roots.flatMap((root) => {
    const of = kernel.types[root.target?.type ?? 0];
    const pointer = of?.kind === "typedef" ? kernel.types[of.type] : null;
    const proto = kernel.types[of?.kind === "func" ? of.type : pointer?.kind === "ptr" ? pointer.type : 0];
    if (proto?.kind !== "func_proto") return [];
    const params = of?.kind === "typedef" ? proto.params.slice(1) : proto.params;
    return params.flatMap((param, index): Start[] => {
      const type = resolveType(kernel, param.type).type;
      const struct = type.kind === "ptr" ? structOf(type.type) : null;
      return struct === null ? [] : [{ root, off: 8 * index, struct }];
    });
  });
}

const SIZES = [1, 2, 4, 8] as const;

/** A walk of up to three loads, mostly along pointers to structures, some in places where nothing begins. */
function randomWalk(random: Random, { off, struct }: Start): { assembly: string; register: number } {
  const lines = [`r2 = *(u64 *)(r1 + ${off})`, "if r2 == 0 goto out"];
  let register = 2;
  let at: TypeId | null = struct;
  for (let left = random.below(3); at !== null && left >= 0; left--) {
    const places = placesIn(at);
    const pointers = places.filter(({ to }) => to !== null);
    const from = left > 0 && pointers.length > 0 ? pointers : places;
    const place = from[random.below(Math.max(from.length, 1))];
    const chosen: Place = place === undefined || random.below(6) === 0 ? { off: random.below(300), to: null } : place;
    if (chosen.off > 32_000) break;
    const size = chosen.to === null ? random.pick(SIZES) : 8;
    lines.push(`r${register + 1} = *(u${8 * size} *)(r${register} + ${chosen.off})`);
    register++;
    if (chosen.to !== null && random.below(2) === 0) lines.push(`if r${register} == 0 goto out`);
    at = chosen.to;
  }
  return { assembly: [...lines, "out:", "r0 = 0", "exit"].join("\n"), register };
}

describe.skipIf(noKernel)("walks through the kernel's structures", () => {
  test(`random, seed ${SEED}`, () => {
    const random = new Random(SEED);
    const all = [starts(tracepoints()), starts(iterators())];
    const wrong: string[] = [];
    for (let i = 0; i < COUNT; i++) {
      const among = all[i % 2] ?? [];
      const start = among[random.below(among.length)];
      if (start === undefined) continue;
      const { assembly, register } = randomWalk(random, start);
      const answers = compare(start.root, assembly, register);
      if (answers.kernel !== answers.model) {
        wrong.push(`${start.root.name}: kernel ${answers.kernel}, model ${answers.model}\n${assembly}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe.skipIf(noKernel)("stores to the kernel's objects", () => {
  test("a congestion control to its socket, at every fourth byte", () => {
    const type = find("struct", "tcp_congestion_ops");
    const struct = kernel.types[type];
    const socket = kernel.types[find("struct", "tcp_sock")];
    const member = struct?.kind === "struct" ? struct.members.findIndex(({ name }) => name === "init") : -1;
    const size = socket?.kind === "struct" ? socket.size : 0;
    const hook: Hook = { type: "struct_ops", attach: null, flags: 0, target: { type, member } };
    const wrong: string[] = [];
    for (let off = 0; off <= size; off += 4) {
      const { kernel: theirs, model } = compare(
        hook,
        `r2 = *(u64 *)(r1 + 0)\n*(u32 *)(r2 + ${off}) = 0\nr0 = 0\nexit`,
        2,
      );
      if (theirs !== model) wrong.push(`${off}: kernel ${theirs}, model ${model}`);
    }
    expect(size).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });
});

// ---- global functions

/** Types by a name for messages, and what they refer to, added to a BTF. */
function prototypes(): { types: BtfType[]; params: Record<string, TypeId> } {
  const types: BtfType[] = [{ kind: "void" }];
  const add = (type: BtfType): TypeId => types.push(type) - 1;
  const int = add({ kind: "int", name: "int", size: 4, encoding: "signed" });
  const word = add({ kind: "int", name: "unsigned long long", size: 8, encoding: "unsigned" });
  const pointer = (type: TypeId): TypeId => add({ kind: "ptr", type });
  const struct = (name: string, size: number): TypeId =>
    pointer(add({ kind: "struct", name, size, members: size === 0 ? [] : [{ name: "m", type: word, bitOffset: 0 }] }));
  const double = add({ kind: "float", name: "double", size: 8 });
  const number = add({ kind: "enum", name: "en", size: 4, signed: false, values: [{ name: "EN_A", value: 1n }] });
  return {
    types,
    params: {
      int,
      number,
      double,
      "small *": struct("small", 8),
      "empty *": struct("empty", 0),
      "int *": pointer(int),
      "u64 *": pointer(word),
      "void *": pointer(0),
      "foo *": pointer(add({ kind: "fwd", name: "foo", union: false })),
      "int[3] *": pointer(add({ kind: "array", element: int, index: int, count: 3 })),
      "const void *": pointer(add({ kind: "const", type: 0 })),
      "regs_t *": pointer(add({ kind: "typedef", name: "bpf_user_pt_regs_t", type: int })),
      "task_struct *": struct("task_struct", 0),
      "task_struct___x *": struct("task_struct___x", 0),
      "sock *": struct("sock", 0),
      "no_such *": struct("no_such", 0),
      "bpf_dynptr *": struct("bpf_dynptr", 16),
      ...Object.fromEntries(
        ["__sk_buff", "sk_buff", "xdp_md", "pt_regs", "bpf_iter__task", "bpf_raw_tracepoint_args"].map((name) => [
          `${name} *`,
          struct(name, 8),
        ]),
      ),
    },
  };
}

const TAGS: readonly (readonly string[])[] = [
  [],
  ...["ctx", "nonnull", "nullable", "trusted", "untrusted", "arena", "bogus"].map((tag) => [tag]),
  ["trusted", "nullable"],
  ["trusted", "nonnull"],
  ["ctx", "nonnull"],
];
/** What the caller has in r1. */
const PASSED: readonly string[] = [
  "",
  "r1 += 4",
  "r1 = 0",
  "r1 = 5",
  "r1 = r10",
  "r1 = r10\nr1 += -16",
  "r2 = 0\n*(u64 *)(r10 - 8) = r2\n*(u64 *)(r10 - 16) = r2\nr1 = r10\nr1 += -16",
  "r1 = *(u64 *)(r1 + 8)",
  "r1 = *(u64 *)(r1 + 8)\nif r1 == 0 goto out",
];
/** What the function does with it. */
const DONE: readonly string[] = [
  "",
  "r0 = *(u8 *)(r1 + 0)",
  "if r1 == 0 goto end\nr0 = *(u8 *)(r1 + 0)",
  "if r1 == 0 goto end\nr2 = 1\n*(u8 *)(r1 + 0) = r2",
];

function hooks(): Record<string, Hook> {
  const plain = (type: LoadRequest["type"], flags = 0): Hook => ({ type, attach: null, flags, target: null });
  return {
    sched_cls: plain("sched_cls"),
    xdp: plain("xdp"),
    kprobe: plain("kprobe"),
    perf_event: plain("perf_event"),
    tracepoint: plain("tracepoint"),
    raw_tracepoint: plain("raw_tracepoint"),
    syscall: plain("syscall", 16),
    tp_btf: tracing("trace_raw_tp", find("typedef", "btf_trace_sched_switch")),
    iter: tracing("trace_iter", find("func", "bpf_iter_task")),
  };
}

describe.skipIf(noKernel)("global functions", () => {
  test(`of random prototypes, seed ${SEED}`, () => {
    const random = new Random(SEED + 1);
    const { types, params } = prototypes();
    const all = { hooks: Object.entries(hooks()), params: Object.entries(params) };
    const wrong: string[] = [];
    for (let i = 0; i < 3 * COUNT; i++) {
      const [hook, [name, param], tags] = [random.pick(all.hooks), random.pick(all.params), random.pick(TAGS)];
      const [passed, done] = [random.pick(PASSED), random.pick(DONE)];
      const request = callOf(hook[1], types, param, tags, passed, done);
      const theirs = askKernel(request)?.verdict;
      const ours = askModel(request).verdict;
      if (theirs !== undefined && theirs !== ours) {
        wrong.push(`${hook[0]} (${name} ${tags.join(" ")}) ${passed} | ${done}: kernel ${theirs}, model ${ours}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

/** A program that calls a global function of one parameter. */
function callOf(
  hook: Hook,
  base: readonly BtfType[],
  param: TypeId,
  tags: readonly string[],
  passed: string,
  done: string,
): LoadRequest {
  const types = [...base];
  const add = (type: BtfType): TypeId => types.push(type) - 1;
  const func = (name: string, of: TypeId): TypeId => {
    const type = add({ kind: "func_proto", result: 1, params: [{ name: "x", type: of }] });
    return add({ kind: "func", name, type, linkage: "global" });
  };
  const main = func("main", add({ kind: "ptr", type: 0 }));
  const sub = func("sub", param);
  for (const tag of tags) add({ kind: "decl_tag", name: `arg:${tag}`, type: sub, component: 0 });
  const caller = `${passed}\ncall sub\nout:\nr0 = 0\nexit`;
  const assembly = `${caller}\nsub:\nr0 = 0\n${done}\nend:\nr0 = 0\nexit`;
  const start = encode(parse(`${passed}\nr0 = 0\nout:\nr0 = 0\nexit`)).length / 8;
  const functions = [
    { slot: 0, type: main },
    { slot: start, type: sub },
  ];
  return requestOf(assembly, { kernel, ...hook, btf: { types }, functions });
}
