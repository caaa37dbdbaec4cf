/**
 * The compiler's catalogue of diagnostics: one row per code, the default remedy beside it. `docs/errors.md` has a section
 * for each code and a test holds the two together.
 */
import type { Diagnostic, Place } from "../lib/diag/index.ts";
import type { SourcePlace } from "./ir/ir.ts";

// prettier-ignore
export const COMPILER_DIAGNOSTICS = {
  C001: { title: "the AssemblyScript compiler failed", remedy: "reduce the program to the statement that causes it and report it" },
  C002: { title: "the source does not type-check", remedy: "correct the type error" },
  C003: { title: "a closure captures variables", remedy: "pass what the function needs as parameters, or make it a module-level constant: kernel code has no heap to keep captured variables in" },
  C004: { title: "a value that may be null is used without a check", remedy: "test it first: `if (!value) return ...;` is the check that the kernel's verifier wants" },
  C005: { title: "floating point", remedy: "use integers (scale fractions, for instance thousandths): the kernel does not run floating-point code" },
  C006: { title: "recursion", remedy: "write a loop with a constant bound: the verifier needs to see every call chain end" },
  C007: { title: "the stack is too big", remedy: "keep big objects in a per-CPU array of one entry, or split the function: one call chain has 512 bytes" },
  C008: { title: "a packet access outside of what was checked", remedy: "get a pointer to all that is read with ctx.at<T>(offset): it checks the bounds of the whole T" },
  C009: { title: "an access outside of the object", remedy: "stay inside of the object's fields" },
  C010: { title: "managed memory in kernel code", remedy: "declare the class `@unmanaged`, use integers and fixed structures; strings may only be literals passed to printk" },
  C011: { title: "an unknown intrinsic or helper", remedy: "use a helper that lib/kernel/helpers.ts lists" },
  C012: { title: "an indirect call", remedy: "call the function by its name" },
  C013: { title: "arithmetic that a pointer does not allow", remedy: "only integers may be added to a pointer; compute with offsets and take the pointer last" },
  C014: { title: "a pointer is stored in memory", remedy: "keep pointers in local variables; store a key or an index instead" },
  C015: { title: "memory is read through something that is not a pointer", remedy: "use the context, a header from ctx.at<T>(), a map value or `new` of an unmanaged class" },
  C016: { title: "a map that is not known when compiling", remedy: "use a module-level `const` map in the call" },
  C017: { title: "too many arguments", remedy: "pass at most five; put more into an unmanaged object" },
  C018: { title: "an operation that kernel code does not have", remedy: "express it with integer operations" },
  C019: { title: "the module's top-level code failed", remedy: "correct the top-level statement; it runs when the program is built" },
  C020: { title: "an invalid map definition", remedy: "see the map's documentation" },
  C021: { title: "an invalid program definition", remedy: "export each program as a constant: `export const name = xdp((ctx) => ...)`" },
  C022: { title: "a run-time check in a function that is not inlined", remedy: "remove `@noinline`, or test the index yourself" },
  C023: { title: "an object made in a loop is used after its iteration", remedy: "make the object before the loop" },
  C024: { title: "a packet pointer is used after a helper that may move the packet", remedy: "take the pointer again with ctx.at<T>() after the call" },
  C025: { title: "a file cannot be read", remedy: "check the path" },
  C026: { title: "a part of the context that the hook does not offer", remedy: "use what programs of this hook may access; other hooks see other parts of the same structure" },
  C027: { title: "a helper that the hook does not offer", remedy: "do it in a program of a hook that may call the helper" },
  C030: { title: "an error in the compiler itself", remedy: "please report it with the source file" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type CompilerCode = keyof typeof COMPILER_DIAGNOSTICS;

/** A place as diagnostics want it; `text` comes from `sources` later (`withSourceText`). */
export function toPlace(place: SourcePlace | null): Place {
  return place === null ? { kind: "none" } : { kind: "source", ...place };
}

/** A diagnostic of the catalogue. */
export function problem(
  code: CompilerCode,
  message: string,
  place: SourcePlace | null,
  more: { expected?: string; found?: string; remedy?: string } = {},
): Diagnostic {
  return {
    code,
    severity: "error",
    message,
    place: toPlace(place),
    remedy: COMPILER_DIAGNOSTICS[code].remedy,
    ...more,
  };
}

/** Adds the source line to a diagnostic that has a place in a known file. */
export function withSourceText(d: Diagnostic, sources: ReadonlyMap<string, string>): Diagnostic {
  if (d.place.kind !== "source" || d.place.text !== undefined) return d;
  const text = sources.get(d.place.file)?.split("\n")[d.place.line - 1];
  return text === undefined ? d : { ...d, place: { ...d.place, text } };
}
