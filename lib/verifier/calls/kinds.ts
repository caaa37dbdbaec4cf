/**
 * What a helper may want in an argument register, as data: one row a kind, named as prototypes.ts uses it. A row says which
 * registers fit (kind and flags, see `FITS`) and what the helper does with what it is given; arguments.ts checks by it.
 *
 * Source: the argument kinds of the kernel's function prototypes (include/linux/bpf.h, 6.18), by their meaning.
 */
import type { DynptrKind, RegKind } from "../state/index.ts";
import { FLAG } from "../state/index.ts";

/** The check that an argument gets, see `checkArgument`. */
// prettier-ignore
export type Base =
  | "any" | "scalar" | "ctx" | "map" | "key" | "value" | "mem" | "fixed" | "size" | "alloc_size" | "lock" | "timer" | "func"
  | "stack" | "string" | "kptr" | "sock_common" | "sock" | "socket" | "ringbuf_mem" | "percpu" | "object" | "dynptr";

export interface Argument {
  readonly base: Base;
  /** A null pointer will do, and a pointer that may be null. */
  readonly nullable: boolean;
  /** What is passed is given back: it has to be held, and is gone after the call. */
  readonly release: boolean;
  /** Memory, dynptr: `uninit` may hold nothing and is filled by the helper. */
  readonly access: "read" | "write" | "uninit";
  /** Memory that the helper promises not to write: read-only memory and kernel objects fit, too. */
  readonly constant: boolean;
  /** fixed: bytes, which have to be aligned to their size when `aligned`. */
  readonly bytes: number;
  readonly aligned: boolean;
  /** size: may be 0. */
  readonly zero: boolean;
  /** object: the kernel's struct. Null: any (kptr_xchg looks for itself). */
  readonly type: string | null;
  /** dynptr: of this kind only. */
  readonly dynptr: DynptrKind | null;
}

function argument(base: Base, more: Partial<Argument> = {}): Argument {
  return {
    base,
    nullable: false,
    release: false,
    access: "read",
    constant: false,
    bytes: 0,
    aligned: false,
    zero: false,
    type: null,
    dynptr: null,
    ...more,
  };
}

const NULLABLE = { nullable: true };
/** Read by the helper only. */
const CONSTANT = { constant: true };
const UNINIT = { access: "uninit" } as const;

/**
 * A name ending in `?` is nullable. `mem` is read, `mem_write` written, `mem_out` written and need not be initialised; each is
 * followed by its `size` (at least 1) or `size0`.
 */
// prettier-ignore
const ARGUMENTS = {
  any:          argument("any"),
  scalar:       argument("scalar"),
  ctx:          argument("ctx"),
  "ctx?":       argument("ctx", NULLABLE),
  map:          argument("map"),
  key:          argument("key"),
  value:        argument("value"),
  "value?":     argument("value", NULLABLE),
  value_out:    argument("value", UNINIT),
  mem:          argument("mem", CONSTANT),
  "mem?":       argument("mem", { ...CONSTANT, ...NULLABLE }),
  mem_write:    argument("mem", { access: "write" }),
  "mem_write?": argument("mem", { access: "write", ...NULLABLE }),
  mem_out:      argument("mem", UNINIT),
  size:         argument("size"),
  size0:        argument("size", { zero: true }),
  alloc_size:   argument("alloc_size"),
  u64_out:      argument("fixed", { ...UNINIT, bytes: 8, aligned: true }),
  u32_write:    argument("fixed", { access: "write", bytes: 4, aligned: true }),
  ipv4_header:  argument("fixed", { ...CONSTANT, bytes: 20 }),
  ipv6_header:  argument("fixed", { ...CONSTANT, bytes: 40 }),
  tcp_header:   argument("fixed", { ...CONSTANT, bytes: 20 }),
  lock:         argument("lock"),
  timer:        argument("timer"),
  func:         argument("func"),
  "stack?":     argument("stack", NULLABLE),
  string:       argument("string"),
  /** Where a kptr is: in a map's value or an object of the program. */
  kptr:         argument("kptr"),
  /** What is put there; given away. */
  "kptr_value?": argument("object", { ...NULLABLE, release: true }),
  sock_common:  argument("sock_common"),
  /** Any socket, the kernel's structs too. */
  sock:         argument("sock"),
  "sock?":      argument("sock", NULLABLE),
  sock_release: argument("sock", { release: true }),
  "socket?":    argument("socket", NULLABLE),
  ringbuf_mem_release: argument("ringbuf_mem", { release: true }),
  percpu:       argument("percpu"),
  dynptr:       argument("dynptr", CONSTANT),
  dynptr_local_out:       argument("dynptr", { ...UNINIT, dynptr: "local" }),
  dynptr_ringbuf_out:     argument("dynptr", { ...UNINIT, dynptr: "ringbuf" }),
  dynptr_ringbuf_release: argument("dynptr", { release: true, dynptr: "ringbuf" }),
} as const satisfies Readonly<Record<string, Argument>>;

/** Kernel objects: `object:task_struct`. */
export type ArgumentName = keyof typeof ARGUMENTS | `object:${string}` | `object?:${string}`;

/** The argument of a name. */
export function argumentOf(name: ArgumentName): Argument {
  const row = (ARGUMENTS as Readonly<Record<string, Argument>>)[name];
  if (row !== undefined) return row;
  const [kind, type = ""] = name.split(":");
  return argument("object", { type, nullable: kind === "object?" });
}

/** A register fits by its kind with exactly these flags. */
export interface Fit {
  readonly kind: RegKind;
  readonly flags: number;
}

const fits = (...kinds: readonly RegKind[]): readonly Fit[] => kinds.map((kind) => ({ kind, flags: 0 }));
const object = (...flags: readonly number[]): readonly Fit[] => flags.map((of) => ({ kind: "object", flags: of }));

const MEMORY: readonly Fit[] = [
  ...fits("stack", "packet", "packet_meta", "map_key", "map_value", "mem"),
  { kind: "mem", flags: FLAG.ringbuf },
  ...fits("buf"),
  ...object(FLAG.trusted),
];
const SOCKETS = fits("sock_common", "socket", "tcp_sock", "xdp_sock");
const OWN = FLAG.alloc;

/** Where a map's key may lie before 6.2. */
export const OLD_KEYS: readonly Fit[] = fits("stack", "packet", "packet_meta", "map_key", "map_value");

/** Which registers fit an argument, after the flags that the argument tolerates are taken off (`checkKind`). */
export const FITS: Readonly<Record<Exclude<Base, "any">, readonly Fit[]>> = {
  scalar: fits("scalar"),
  ctx: fits("ctx"),
  map: fits("map"),
  key: MEMORY,
  value: MEMORY,
  mem: MEMORY,
  fixed: MEMORY,
  size: fits("scalar"),
  alloc_size: fits("scalar"),
  lock: [...fits("map_value"), ...object(OWN)],
  timer: fits("map_value"),
  func: fits("func"),
  stack: fits("stack"),
  string: fits("map_value"),
  kptr: [...fits("map_value"), ...object(OWN, OWN | FLAG.non_own_ref, OWN | FLAG.non_own_ref | FLAG.rcu)],
  sock_common: SOCKETS,
  sock: [...SOCKETS, ...object(0, FLAG.trusted)],
  socket: fits("socket"),
  ringbuf_mem: [{ kind: "mem", flags: FLAG.ringbuf }],
  percpu: object(FLAG.percpu, FLAG.percpu | FLAG.rcu, FLAG.percpu | FLAG.trusted),
  object: object(0, FLAG.trusted, FLAG.rcu),
  dynptr: fits("stack", "dynptr"),
};

/** What an argument wants, in words. */
// prettier-ignore
export const WANTED: Readonly<Record<Base, string>> = {
  any: "a value", scalar: "a number", ctx: "the context", map: "a map", key: "memory with a key", value: "memory with a value",
  mem: "memory", fixed: "memory", size: "a size", alloc_size: "a size", lock: "a lock in a map's value or object",
  timer: "a timer in a map's value", func: "a function", stack: "a pointer to the stack", string: "a constant string",
  kptr: "a field for a kernel pointer", sock_common: "a socket", sock: "a socket", socket: "a full socket",
  ringbuf_mem: "a record of a ring buffer", percpu: "a per-CPU variable", object: "a kernel object", dynptr: "a dynptr",
};
