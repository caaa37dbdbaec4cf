/**
 * AssemblyScript's messages, told in the terms of eBPF where the kernel's rules are the reason.
 * A row: asc's code, a pattern of its message, our code.
 */
import type { Diagnostic, Place } from "../../lib/diag/index.ts";
import { COMPILER_DIAGNOSTICS, type CompilerCode } from "../diagnostics.ts";

// prettier-ignore
const ROWS: readonly { asc: number; message: RegExp; code: CompilerCode; say?: (m: RegExpMatchArray) => string }[] = [
  // 100: Not implemented: {0}. Also comes with 2454 (used before being assigned) for the same variable.
  { asc: 100, message: /Closures/, code: "C003", say: () => "the function captures a variable of the function around it" },
  // 2322: Type '{0}' is not assignable to type '{1}', where only `| null` differs.
  { asc: 2322, message: /^Type '(.+) \| null' is not assignable to type '\1'/, code: "C004", say: (m) => `this value of type '${m[1]} | null' may be null` },
  { asc: 2531, message: /possibly 'null'/, code: "C004" },
];

/** An asc error as one of ours. */
export function explainAscDiagnostic(asc: number, full: string, place: Place): Diagnostic {
  // Types of the library by their name alone.
  const message = full.replace(/~lib\/ebpf-ts\/std\/\w+\//g, "");
  for (const row of ROWS) {
    const match = row.asc === asc ? message.match(row.message) : null;
    if (match !== null) return make(row.code, row.say?.(match) ?? message, place);
  }
  return make("C002", `${message} (TS${asc})`, place);
}

function make(code: CompilerCode, message: string, place: Place): Diagnostic {
  return { code, severity: "error", message, place, remedy: COMPILER_DIAGNOSTICS[code].remedy };
}
