/**
 * Accesses to the context: by table where its fields are known (context-view.ts), by the target's prototype where the context
 * is a list of arguments (arguments-context.ts).
 */
import type { Size } from "../../isa/index.ts";
import type { ProgramType } from "../../kernel/index.ts";
import { newId, reject, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, NONE, change, withId } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { accessArguments } from "./arguments-context.ts";
import { attachOf } from "./attach-types.ts";
import { CONTEXT_OBJECTS, cellAt, contextView } from "./context-view.ts";
import type { ContextCell, ContextView } from "./context-view.ts";
import { findType } from "./lookup.ts";

const viewOf = new WeakMap<Env, ContextView>();

/** Program types whose context is a list of arguments. */
const ARGUMENTS: ReadonlySet<ProgramType> = new Set<ProgramType>(["tracing", "lsm", "struct_ops"]);

/**
 * Checks an access to `size` bytes at an offset of the context (its register's offset included) and says what a load gives;
 * numbers are as wide as the load. A signed load gets the same, to be extended by who asks.
 */
export function accessContext(env: Env, access: "read" | "write", off: number, size: Size): Reg {
  let view = viewOf.get(env);
  if (view === undefined) {
    const { type } = env.request;
    if (ARGUMENTS.has(type)) return accessArguments(env, access, off, size);
    const made = contextView(type, attachOf(env.request));
    if (made === null) unsupported(`context of ${type}`);
    viewOf.set(env, (view = made));
  }
  const cell = cellAt(view, off, size);
  if (cell === undefined || (cell.since !== null && !env.profile.has(cell.since))) refuse(env, access, off, size);
  if (access === "write") {
    if (!cell.store || needsPrivilege(env, access, cell)) refuse(env, access, off, size);
    return NONE;
  }
  const { load } = cell;
  if (load === null || needsPrivilege(env, access, cell)) refuse(env, access, off, size);
  if (load.kind === "scalar") return load;
  if (isSigned(env)) refuse(env, access, off, size);
  if (load.kind === "object") return objectOf(env, cell);
  return (load.flags & FLAG.maybe_null) === 0 ? load : withId(load, newId(env));
}

function refuse(env: Env, access: "read" | "write", off: number, size: number): never {
  reject(env, "context_access", { offset: off, size, access: access === "read" ? "readable" : "writable" });
}

/** A kernel object that the context has a pointer to; the view says which by its name only. */
function objectOf(env: Env, { load, field }: ContextCell): Reg {
  const { kernel } = env.request;
  const struct = CONTEXT_OBJECTS[field];
  const type = kernel === null || struct === undefined ? null : findType(kernel, "struct", struct);
  if (load === null || type === null) unsupported("kernel objects without the kernel's types");
  return change(load, { btf: kernel, type });
}

/** A pointer of the context cannot be sign-extended. */
function isSigned(env: Env): boolean {
  const insn = env.program.insns[env.slot];
  return insn !== null && insn !== undefined && insn.kind === "load" && insn.signed;
}

/** Without CAP_BPF programs see neither a packet's bytes nor set its time. */
function needsPrivilege(env: Env, access: "read" | "write", { field }: ContextCell): boolean {
  if (env.privileges.bpf || env.request.type !== "cgroup_skb") return false;
  return access === "write" ? field === "tstamp" : field === "data" || field === "data_end";
}
