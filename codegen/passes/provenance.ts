/**
 * Gives every pointer its origin. WebAssembly addresses are i32; the kernel's verifier wants pointers whose origin is
 * known. Pointers are born in few places (the context parameter, packet_at, map lookups, stack slots, global data, ring
 * buffer records), so a forward analysis over SSA finds what each value is:
 *
 *        unknown        not reached yet
 *       /   |    \
 *   zero  scalar  pointer(origin, nullable)
 *       \   |    /
 *       conflict        a mix: reported where it is used as a pointer
 *
 * `zero` is the constant 0: joined with a pointer it makes that nullable, joined with a scalar it is one. Values that
 * are pointers become type "ptr". What a pointer allows (adding integers, comparing with null, passing on, accessing) is
 * checked here; everything else is a diagnostic. Functions that were not inlined get their parameters' origins from
 * their callers, which must agree.
 */
import type { Diagnostic } from "../../lib/diag/index.ts";
import { FLOW_KEYS_SIZE, callable, MAPS_OF_MAPS, type MapType } from "../../lib/kernel/index.ts";
import { innerName } from "../../lib/object/index.ts";
import { problem } from "../diagnostics.ts";
import type { Block, CallHelper, Const, IrFunction, IrModule, Origin, Phi, Value } from "../ir/ir.ts";

/** What the pass asks about the object's maps; `key` and `value`: bytes of one. */
export interface MapFacts {
  /** The map behind a handle that top-level code left in a constant. */
  mapOf(handle: number): { name: string } | null;
  map(name: string): { type: MapType; key: number; value: number } | null;
}

type Fact =
  | { kind: "unknown" }
  | { kind: "zero" }
  | { kind: "scalar" }
  | { kind: "pointer"; origin: Origin }
  | { kind: "conflict"; a: string; b: string };

const UNKNOWN: Fact = { kind: "unknown" };
const SCALAR: Fact = { kind: "scalar" };
const ZERO: Fact = { kind: "zero" };

/** Types the pointers of all functions; gives the diagnostics of what pointers do not allow. */
export function findProvenance(module: IrModule, facts: MapFacts): Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  const params = new Map<string, Fact[]>();
  const results = new Map<string, Fact>();
  // Callers first; a function's result feeds back into its callers until nothing changes.
  for (let round = 0; round < 8; round++) {
    let changed = false;
    for (const fn of module.functions.values()) {
      const analysis = new Analysis(fn, facts, params, results);
      changed = analysis.solve() || changed;
    }
    if (!changed) break;
  }
  for (const fn of module.functions.values()) {
    const analysis = new Analysis(fn, facts, params, results);
    analysis.solve();
    diagnostics.push(...new Typing(fn, analysis, facts).run());
  }
  return diagnostics;
}

class Analysis {
  readonly facts = new Map<Value, Fact>();
  private readonly fn: IrFunction;
  private readonly maps: MapFacts;
  private readonly params: Map<string, Fact[]>;
  private readonly results: Map<string, Fact>;

  constructor(fn: IrFunction, maps: MapFacts, params: Map<string, Fact[]>, results: Map<string, Fact>) {
    this.fn = fn;
    this.maps = maps;
    this.params = params;
    this.results = results;
  }

  of(value: Value): Fact {
    return this.facts.get(value) ?? UNKNOWN;
  }

  /** Iterates to the fixpoint; true when what other functions see changed. */
  solve(): boolean {
    for (let changed = true; changed;) {
      changed = false;
      for (const block of this.fn.blocks) {
        for (const value of [...block.phis, ...block.values]) {
          const fact = this.transfer(value);
          if (same(fact, this.of(value))) continue;
          this.facts.set(value, fact);
          changed = true;
        }
      }
    }
    return this.publish();
  }

  private publish(): boolean {
    let changed = false;
    let result: Fact = this.results.get(this.fn.name) ?? UNKNOWN;
    for (const block of this.fn.blocks) {
      const t = block.terminator;
      if (t.op === "return" && t.value !== null) result = join(result, this.of(t.value));
      for (const value of block.values) {
        if (value.op === "call")
          changed =
            this.pass(
              value.callee,
              value.args.map((a) => this.of(a)),
            ) || changed;
        const callback = value.op === "call_helper" ? value.args.find((a) => a.op === "function_address") : undefined;
        if (value.op === "call_helper" && callback?.op === "function_address")
          changed = this.pass(callback.callee, this.callbackArguments(value)) || changed;
      }
    }
    if (!same(result, this.results.get(this.fn.name) ?? UNKNOWN)) {
      this.results.set(this.fn.name, result);
      changed = true;
    }
    return changed;
  }

  /** Tells a function what it is called with; true when that is new. */
  private pass(callee: string, given: readonly Fact[]): boolean {
    const known = this.params.get(callee) ?? [];
    const next = given.map((fact, i) => join(known[i] ?? UNKNOWN, fact));
    if (next.every((fact, i) => same(fact, known[i] ?? UNKNOWN))) return false;
    this.params.set(callee, next);
    return true;
  }

  /** What the kernel passes to the function that a helper was given. */
  private callbackArguments(call: CallHelper): Fact[] {
    const [first, , context] = call.args as [Value, Value, Value];
    if (call.helper === "loop") return [SCALAR, this.of(context)];
    const name = this.mapOf(first);
    const map = name === null ? null : this.maps.map(name);
    if (name === null || map === null) return [];
    return [
      pointer({ kind: "map", map: name, nullable: false }),
      pointer({ kind: "map_key", map: name, size: map.key, nullable: false }),
      pointer({ kind: "map_value", map: name, size: map.value, nullable: false }),
      this.of(context),
    ];
  }

  private transfer(value: Value): Fact {
    switch (value.op) {
      case "const":
        return value.value === 0n ? ZERO : SCALAR;
      case "param":
        if (this.fn.entry !== null) return pointer({ kind: "ctx", context: this.fn.entry.context, nullable: false });
        return this.params.get(this.fn.name)?.[value.index] ?? UNKNOWN;
      case "phi":
        return [...value.inputs.values()].map((v) => this.of(v)).reduce(join, UNKNOWN);
      case "select":
        return join(this.of(value.args[1]), this.of(value.args[2]));
      case "binary":
        return this.binary(value.operator, value.args);
      case "stack_slot":
        return pointer({ kind: "stack", size: value.size, nullable: false });
      case "global_address":
        return pointer({ kind: "global", map: value.map, size: Number.MAX_SAFE_INTEGER, nullable: false });
      case "map_address":
        return pointer({ kind: "map", map: value.map, nullable: false });
      case "function_address":
        return pointer({ kind: "function", nullable: false });
      case "packet_at":
        return pointer({ kind: "packet", size: value.size, nullable: true });
      case "context_pointer":
        return pointer(
          value.pointee === "socket"
            ? { kind: "socket", nullable: true }
            : { kind: "flow_keys", size: FLOW_KEYS_SIZE, nullable: false },
        );
      case "call_helper":
        return this.helperResult(value);
      case "call":
        return this.results.get(value.callee) ?? UNKNOWN;
      case "compare":
      case "unary":
      case "load":
      case "store":
      case "atomic":
        return SCALAR;
    }
  }

  private binary(operator: string, args: readonly Value[]): Fact {
    const [a, b] = args.map((v) => this.of(v)) as [Fact, Fact];
    if (a.kind === "pointer" && (operator === "add" || operator === "sub") && b.kind !== "pointer") return a;
    if (b.kind === "pointer" && operator === "add" && a.kind !== "pointer") return b;
    return a.kind === "unknown" && b.kind === "unknown" ? UNKNOWN : SCALAR;
  }

  private helperResult(value: CallHelper): Fact {
    switch (callable(value.helper).result) {
      case "map_value_or_null":
        return this.lookupResult(value, true);
      case "map_value":
        return this.lookupResult(value, false);
      case "task":
        return pointer({ kind: "kernel", struct: "task_struct", nullable: false });
      case "task_or_null":
        return pointer({ kind: "kernel", struct: "task_struct", nullable: true });
      case "cgroup_or_null":
        return pointer({ kind: "kernel", struct: "cgroup", nullable: true });
      case "mem_or_null": {
        const size = value.args[1];
        return pointer({ kind: "mem", size: size?.op === "const" ? Number(size.value) : 0, nullable: true });
      }
      case "sock_or_null":
        return pointer({ kind: "socket", nullable: true });
      case "scalar":
      case "void":
        return SCALAR;
    }
  }

  private lookupResult(value: CallHelper, nullable: boolean): Fact {
    const name = this.mapOf(value.args[0]);
    const map = name === null ? null : this.maps.map(name);
    if (name === null || map === null) return SCALAR;
    if (map.type === "sockmap" || map.type === "sockhash") return pointer({ kind: "socket", nullable });
    if (MAPS_OF_MAPS.has(map.type)) return pointer({ kind: "map", map: innerName(name), nullable });
    return pointer({ kind: "map_value", map: name, size: map.value, nullable });
  }

  /** The map that an argument names: a map of the object, or one that a map of maps gave. */
  private mapOf(value: Value | undefined): string | null {
    const fact = value === undefined ? UNKNOWN : this.of(value);
    if (fact.kind === "pointer" && fact.origin.kind === "map") return fact.origin.map;
    return mapName(value, this.maps);
  }
}

function pointer(origin: Origin): Fact {
  return { kind: "pointer", origin };
}

/** The map that an argument names: a handle constant, or a map address. */
function mapName(value: Value | undefined, maps: MapFacts): string | null {
  if (value?.op === "map_address") return value.map;
  return value?.op === "const" ? (maps.mapOf(Number(value.value))?.name ?? null) : null;
}

function join(a: Fact, b: Fact): Fact {
  if (a.kind === "unknown" || same(a, b)) return b;
  if (b.kind === "unknown") return a;
  if (a.kind === "conflict") return a;
  if (b.kind === "conflict") return b;
  if (a.kind === "zero") return b.kind === "pointer" ? nullable(b.origin) : b;
  if (b.kind === "zero") return a.kind === "pointer" ? nullable(a.origin) : a;
  if (a.kind === "pointer" && b.kind === "pointer") return joinOrigins(a.origin, b.origin);
  return { kind: "conflict", a: describe(a), b: describe(b) };
}

const NEVER_NULL: ReadonlySet<Origin["kind"]> = new Set(["ctx", "global", "flow_keys", "function", "map_key"]);

function nullable(origin: Origin): Fact {
  if (NEVER_NULL.has(origin.kind)) {
    return { kind: "conflict", a: describeOrigin(origin), b: "null" };
  }
  return pointer({ ...origin, nullable: true } as Origin);
}

function joinOrigins(a: Origin, b: Origin): Fact {
  const conflict: Fact = { kind: "conflict", a: describeOrigin(a), b: describeOrigin(b) };
  if (a.kind !== b.kind) return conflict;
  if ("struct" in a && "struct" in b && a.struct !== b.struct) return conflict;
  const origin = { ...a, nullable: a.nullable || b.nullable } as Origin & { size?: number; map?: string };
  if ("map" in a && "map" in b && a.map !== b.map) {
    // The verifier follows each path with its own map; here it is enough that what is accessed is in either value.
    if (a.kind !== "map_value") return conflict;
    origin.map = eitherMap(a.map, b.map);
  }
  if ("size" in a && "size" in b) origin.size = Math.min(a.size, b.size);
  return pointer(origin as Origin);
}

const EITHER = " or ";

/** The maps of a pointer that comes from one map here and from another there, in an order that does not depend on the path. */
function eitherMap(a: string, b: string): string {
  return [...new Set([...a.split(EITHER), ...b.split(EITHER)])].toSorted().join(EITHER);
}

function same(a: Fact, b: Fact): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind !== "pointer" || b.kind !== "pointer") return true;
  const x = a.origin as Record<string, unknown>;
  const y = b.origin as Record<string, unknown>;
  return Object.keys(x).every((k) => x[k] === y[k]) && x["kind"] === y["kind"];
}

function describe(fact: Fact): string {
  if (fact.kind === "pointer") return describeOrigin(fact.origin);
  return fact.kind === "zero" ? "null" : "an integer";
}

/** A pointer in words. */
export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case "ctx":
      return "the context";
    case "packet":
      return "a pointer into the packet";
    case "map_value":
      return `a pointer to a value of map "${origin.map}"`;
    case "stack":
      return "a pointer to a stack object";
    case "mem":
      return "a pointer to a ring buffer record";
    case "global":
      return `a pointer to global data (${origin.map})`;
    case "socket":
      return "a socket";
    case "flow_keys":
      return "a pointer to flow keys";
    case "map_key":
      return `a pointer to a key of map "${origin.map}"`;
    case "function":
      return "a function";
    case "kernel":
      return `a ${origin.struct} of the kernel`;
    case "map":
      return `map "${origin.map}"`;
  }
}

/** What has no memory of its own for programs, and what they may only read. */
const OPAQUE: ReadonlySet<Origin["kind"]> = new Set(["map", "kernel", "function"]);
const READ_ONLY: ReadonlySet<Origin["kind"]> = new Set(["socket", "map_key"]);

/** Writes the facts into the IR and reports what pointers do not allow. */
class Typing {
  private readonly fn: IrFunction;
  private readonly analysis: Analysis;
  private readonly maps: MapFacts;
  private readonly diagnostics: Diagnostic[] = [];
  private readonly nulls = new Map<Block, Const>();
  private readonly reported = new Set<Value>();

  constructor(fn: IrFunction, analysis: Analysis, maps: MapFacts) {
    this.fn = fn;
    this.analysis = analysis;
    this.maps = maps;
  }

  run(): Diagnostic[] {
    for (const block of this.fn.blocks) {
      for (const value of [...block.phis, ...block.values]) {
        const fact = this.analysis.of(value);
        if (fact.kind !== "pointer") continue;
        value.type = "ptr";
        value.origin = fact.origin;
      }
    }
    for (const block of this.fn.blocks) {
      for (const phi of block.phis) this.phi(phi);
      // A copy: uses may add constants and addresses to the block.
      for (const value of [...block.values]) this.value(value);
      const t = block.terminator;
      if (t.op !== "return" || t.value === null) continue;
      if (this.isPointer(t.value) && this.fn.entry !== null)
        this.report("C013", "a program returns a pointer", t.value);
      if (this.isPointer(t.value)) this.fn.result = "ptr";
    }
    return this.diagnostics;
  }

  private isPointer(value: Value): boolean {
    return value.type === "ptr";
  }

  private report(
    code: Parameters<typeof problem>[0],
    message: string,
    at: Value,
    more: { found?: string; expected?: string; remedy?: string } = {},
  ): void {
    if (this.reported.has(at)) return;
    this.reported.add(at);
    this.diagnostics.push(problem(code, message, at.place, more));
  }

  /** A null pointer at the head of the function. */
  private nullPointer(): Const {
    const entry = this.fn.blocks[0] as Block;
    let value = this.nulls.get(entry);
    if (value === undefined) {
      value = { op: "const", id: this.fn.nextId++, type: "ptr", block: entry, place: null, args: [], value: 0n };
      entry.values.splice(this.fn.params.length, 0, value);
      this.nulls.set(entry, value);
    }
    return value;
  }

  private isZero(value: Value): boolean {
    return value.op === "const" && value.value === 0n && value.type !== "ptr";
  }

  private phi(phi: Phi): void {
    if (!this.isPointer(phi)) return;
    for (const [pred, input] of phi.inputs) if (this.isZero(input)) phi.inputs.set(pred, this.nullPointer());
  }

  private value(value: Value): void {
    switch (value.op) {
      case "select":
        if (this.isPointer(value)) {
          for (const i of [1, 2] as const) if (this.isZero(value.args[i])) value.args[i] = this.nullPointer();
        }
        return;
      case "binary":
        return this.binary(value);
      case "compare":
        return this.compare(value);
      case "unary":
        if (this.isPointer(value.args[0]))
          this.report("C013", "a pointer is converted to a number", value, { found: this.describe(value.args[0]) });
        return;
      case "load":
        return this.access(value, value.args[0]);
      case "store":
        this.access(value, value.args[0]);
        if (this.isPointer(value.args[1]))
          this.report("C014", "a pointer is stored in memory", value, { found: this.describe(value.args[1]) });
        return;
      case "atomic":
        return this.access(value, value.args[0] as Value);
      case "packet_at":
        if (value.args[0].origin?.kind !== "ctx")
          this.report("C015", "packet access through something that is not the context", value);
        return;
      case "context_pointer":
        if (value.args[0].origin?.kind !== "ctx")
          this.report("C015", "a member of the context is read through something that is not the context", value);
        return;
      case "call_helper":
        return this.helper(value);
      default:
    }
  }

  private describe(value: Value): string {
    return describe(this.analysis.of(value));
  }

  private binary(value: Value & { op: "binary" }): void {
    const [a, b] = value.args;
    if (!this.isPointer(a) && !this.isPointer(b)) return;
    if (!this.isPointer(value)) {
      this.report("C013", `"${value.operator}" is applied to a pointer`, value, {
        found: this.describe(this.isPointer(a) ? a : b),
      });
      return;
    }
    if (this.isPointer(b)) value.args = [b, a];
    const [base, offset] = value.args;
    if (value.operator === "sub") this.negateOffset(value, offset);
    if (base.origin?.kind === "ctx" && offset.op !== "const")
      this.report("C013", "a variable is added to the context pointer", value);
  }

  /** p - n becomes p + (-n); only for constants, since an i32 offset is zero-extended. */
  private negateOffset(value: Value & { op: "binary" }, offset: Value): void {
    if (offset.op !== "const") {
      this.report("C013", "a variable is subtracted from a pointer", value);
      return;
    }
    const negated: Const = { ...offset, id: this.fn.nextId++, value: BigInt.asIntN(32, -offset.value) };
    offset.block.values.splice(offset.block.values.indexOf(offset) + 1, 0, negated);
    value.operator = "add";
    value.args = [value.args[0], negated];
  }

  private compare(value: Value & { op: "compare" }): void {
    const [a, b] = value.args;
    if (!this.isPointer(a) && !this.isPointer(b)) return;
    const equality = value.operator === "eq" || value.operator === "ne";
    // `p != 0` may arrive as the unsigned `p > 0`, `0 < p`.
    const zero = this.isZero(a) || this.isZero(b);
    if (!equality && zero && (value.operator === "gt_u" || value.operator === "lt_u")) value.operator = "ne";
    else if (!equality) this.report("C013", "pointers are compared by size", value);
    if (this.isZero(a)) value.args = [b, this.nullPointer()];
    else if (this.isZero(b)) value.args = [a, this.nullPointer()];
    else if (!this.isPointer(a) || !this.isPointer(b))
      this.report("C013", "a pointer is compared with a number", value);
  }

  private access(at: Value, base: Value): void {
    if (this.isPointer(base)) {
      const { origin } = base;
      if (origin === undefined) return;
      if (OPAQUE.has(origin.kind)) this.report("C015", `memory is accessed through ${describeOrigin(origin)}`, at);
      if (READ_ONLY.has(origin.kind) && at.op !== "load")
        this.report("C015", `${describeOrigin(origin)} can only be read`, at, {
          remedy: "write to a value or an object",
        });
      return;
    }
    const fact = this.analysis.of(base);
    const found = fact.kind === "conflict" ? `either ${fact.a} or ${fact.b}` : this.describe(base);
    this.report("C015", "memory is accessed through a value whose origin is not known", at, {
      expected: "one kind of pointer on every path",
      found,
    });
  }

  private helper(call: CallHelper): void {
    // prettier-ignore
    callable(call.helper).args.forEach((kind, i) => {
      const arg = call.args[i] as Value;
      if (kind === "map") return this.mapArgument(call, i);
      if (kind === "stack" && arg.origin !== undefined && arg.origin.kind !== "stack")
        this.report("C015", `argument ${i + 1} of ${call.helper} is not an object of this function`, call, { found: this.describe(arg), remedy: "pass an object made with `new` here: both sides see it" });
      const wantsNumber = kind === "any" || kind === "size";
      if (wantsNumber && this.isPointer(arg)) this.report("C013", `argument ${i + 1} of ${call.helper} is a pointer`, call, { expected: "a number", found: this.describe(arg) });
      if (wantsNumber || this.isPointer(arg)) return;
      if (this.isZero(arg) && (kind === "stack" || kind === "mem" || kind === "init")) call.args[i] = this.nullPointer();
      else this.report("C015", `argument ${i + 1} of ${call.helper} is not a pointer`, call, { expected: "a pointer", found: this.describe(arg) });
    });
  }

  private mapArgument(call: CallHelper, index: number): void {
    const arg = call.args[index] as Value;
    if (arg.op === "map_address" || arg.origin?.kind === "map") return;
    const name = mapName(arg, this.maps);
    if (name === null) {
      this.report("C016", `the map that ${call.helper} works on is not known when compiling`, call);
      return;
    }
    // prettier-ignore
    const address: Value = {
      op: "map_address", id: this.fn.nextId++, type: "ptr", block: call.block, place: call.place, args: [], map: name,
      origin: { kind: "map", map: name, nullable: false },
    };
    call.block.values.splice(call.block.values.indexOf(call), 0, address);
    call.args[index] = address;
  }
}
