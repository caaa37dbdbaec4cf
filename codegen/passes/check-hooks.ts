/**
 * Checks what each program does against what its hook offers: which fields of the context programs of its type may read and
 * write (`lib/kernel/context-access.ts`), and which helpers they may call (`helper-programs.ts`). The verifier would say
 * "invalid bpf_context access off=8 size=4"; here it is the field's name, at the source line, before anything is loaded.
 *
 * Runs after provenance, on each program and all that it calls.
 */
import type { Diagnostic } from "../../lib/diag/index.ts";
import {
  CONTEXTS,
  CONTEXT_FIELDS,
  HOOKS,
  contextAccess,
  isKfunc,
  mayCall,
  mayLoad,
  mayStore,
} from "../../lib/kernel/index.ts";
import type { ContextAccess, Hook, HookName } from "../../lib/kernel/index.ts";
import { problem } from "../diagnostics.ts";
import type { IrFunction, IrModule, Value } from "../ir/ir.ts";
import { reachedFrom } from "../ir/reach.ts";

/** What the hooks do not allow; `hooks` has the hook of each program by the program's name. */
export function checkHooks(module: IrModule, hooks: ReadonlyMap<string, HookName>): Diagnostic[] {
  const seen = new Set<string>();
  return [...hooks].flatMap(([program, name]) => {
    const hook: Hook = HOOKS[name];
    const access = contextAccess(hook.type, hook.attach);
    const values = reachedBy(module, program).flatMap((fn) => fn.blocks.flatMap((b) => b.values));
    return values.flatMap((value) => {
      const found = checkCall(value, hook) ?? (access === null ? null : checkContext(value, hook, access));
      // A function that several programs call is told once.
      const key = `${found?.message} ${value.place?.file}:${value.place?.line}`;
      if (found === null || seen.has(key)) return [];
      seen.add(key);
      return [found];
    });
  });
}

function reachedBy(module: IrModule, program: string): IrFunction[] {
  const fn = module.functions.get(program);
  return fn === undefined ? [] : [...reachedFrom(module, [fn])];
}

function checkCall(value: Value, { section, type, attach }: Hook): Diagnostic | null {
  if (value.op !== "call_helper" || isKfunc(value.helper) || mayCall(value.helper, type, attach)) return null;
  return problem("C027", `a ${section} program may not call ${value.helper}`, value.place);
}

function checkContext(value: Value, { section }: Hook, access: ContextAccess): Diagnostic | null {
  const wanted = accessOf(value, access);
  if (wanted === null) return null;
  const { offset, size, store } = wanted;
  if ((store ? mayStore : mayLoad)(access, offset, size)) return null;
  const field = CONTEXT_FIELDS[access.context].find((f) => offset >= f.offset && offset < f.offset + f.size);
  const what = field === undefined ? `offset ${offset}` : `"${field.name}"`;
  const allowed = (store ? access.stores : access.loads).map((f) => f.name).join(", ");
  return problem(
    "C026",
    `a ${section} program may not ${store ? "write" : "read"} ${what} of ${access.context}`,
    value.place,
    {
      expected: allowed === "" ? "nothing" : allowed,
    },
  );
}

/** The bytes of the context that a value reads or writes. */
function accessOf(value: Value, { context }: ContextAccess): { offset: number; size: number; store: boolean } | null {
  if (value.op === "packet_at") {
    const window = CONTEXTS[context][value.window];
    return window === null ? null : { offset: window.data, size: window.size, store: false };
  }
  if (value.op === "context_pointer") return { offset: value.offset, size: 8, store: false };
  if (value.op !== "load" && value.op !== "store") return null;
  let base: Value = value.args[0];
  let { offset } = value;
  for (; base.op === "binary" && base.args[1].op === "const"; base = base.args[0])
    offset += Number(BigInt.asIntN(32, base.args[1].value));
  return base.origin?.kind === "ctx" ? { offset, size: value.size, store: value.op === "store" } : null;
}
