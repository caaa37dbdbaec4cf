/** Calls: arguments in r1..r5, result in r0; r1..r5 are lost. Parameters arrive the same way. */
import { HELPERS, isKfunc } from "../../lib/kernel/index.ts";
import type { CallFunction, CallHelper, ParamValue } from "../ir/ir.ts";
import { isMadeAtUse } from "./context.ts";
import type { Lowering } from "./context.ts";

const MAX_ARGUMENTS = 5;

export function callHelper(l: Lowering, value: CallHelper): boolean {
  passArguments(l, value);
  const argCount = value.args.length;
  if (isKfunc(value.helper)) {
    const target = { kind: "kfunc", kfunc: value.helper } as const;
    l.emit({ kind: "call", target: { kind: "kfunc", btfId: 0, off: 0 } }, { target, argCount });
  } else l.emit({ kind: "call", target: { kind: "helper", id: HELPERS[value.helper].id } }, { argCount });
  if (!l.isWanted(value)) return true;
  // A helper may leave more than 32 bits: a negative errno is sign-extended.
  const truncate = value.type === "i32" && l.needsClean(value);
  l.alu("mov", truncate ? 32 : 64, l.result(value), { reg: 0 });
  return true;
}

/** Our own functions return an i32 zero-extended. */
export function callFunction(l: Lowering, value: CallFunction): boolean {
  passArguments(l, value);
  const target = { kind: "call", func: value.callee } as const;
  l.emit({ kind: "call", target: { kind: "local", delta: -1 } }, { target, argCount: value.args.length });
  if (l.isWanted(value)) l.move(l.result(value), 0);
  return true;
}

/** Copies of registers first: constants and addresses then only live up to the call. */
function passArguments(l: Lowering, value: CallHelper | CallFunction): void {
  if (value.args.length > MAX_ARGUMENTS) {
    l.fail("C017", `a call has ${value.args.length} arguments`, value.place, {
      found: `${value.args.length}, at most ${MAX_ARGUMENTS}`,
    });
  }
  value.args.forEach((arg, i) => isMadeAtUse(arg) || l.copy(i + 1, arg));
  value.args.forEach((arg, i) => isMadeAtUse(arg) && l.copy(i + 1, arg));
}

export function parameter(l: Lowering, value: ParamValue): boolean {
  if (value.index >= MAX_ARGUMENTS) {
    l.fail("C017", `function "${l.fn.name}" has ${l.fn.params.length} parameters`, value.place ?? l.fn.place);
  }
  l.move(l.result(value), value.index + 1);
  return true;
}
