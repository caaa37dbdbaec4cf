/** The catalogue of what can be wrong with an ObjectSpec: one row for each code, the default remedy beside it. */
import type { Diagnostic } from "../diag/index.ts";

// prettier-ignore
export const OBJECT_DIAGNOSTICS = {
  O001: { title: "two things of one name", remedy: "rename one of them" },
  O002: { title: "a relocation to something that the object does not have", remedy: "define the map or function, or remove the reference" },
  O003: { title: "a relocation that does not fit its place", remedy: "a call relocation belongs to a call, the others to a 64-bit immediate load" },
  O004: { title: "source lines out of order", remedy: "list lines by ascending slot, each at the start of an instruction, the first at slot 0" },
  O005: { title: "a section's name that says something else than the program", remedy: "use the section name of the hook (lib/kernel HOOKS)" },
  O006: { title: "an impossible map definition", remedy: "make sizes, types and initial value of the map agree" },
  O007: { title: "a wrong BTF type", remedy: "give every function its func type, or none of them one" },
  O008: { title: "a name that is reserved for the ELF form", remedy: "use another section name; `.maps`, `.text`, `license` and the like are the ELF writer's" },
  O009: { title: "a CO-RE relocation that cannot be applied", remedy: "compile the object again with -g, and see whether the kernel's types are whole" },
  O010: { title: "a value that the kernel's configuration does not have", remedy: "declare the variable __weak to have 0 where the kernel does not say, or name the configuration of the kernel that it is for" },
  O011: { title: "something that the ELF writer does not write", remedy: "keep the object file that it was read from" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type ObjectCode = keyof typeof OBJECT_DIAGNOSTICS;

/** A diagnostic of the catalogue about a part of the object: `programs[filter].relocations[2]`. */
export function objectProblem(
  code: ObjectCode,
  message: string,
  path: string,
  details: { readonly expected?: string; readonly found?: string; readonly remedy?: string } = {},
): Diagnostic {
  const place = { kind: "path", file: "object", path } as const;
  return { code, severity: "error", message, place, remedy: OBJECT_DIAGNOSTICS[code].remedy, ...details };
}
