/** The catalogue of what can be wrong with the mesh's inputs: YAML text, its objects, and the folder they lie in. */
import type { Diagnostic } from "ebpf-ts/diag";
import type { Place } from "./types.ts";

// prettier-ignore
export const INPUT_DIAGNOSTICS = {
  Y001: { title: "the text is not YAML",                                  remedy: "correct the syntax at this line" },
  Y002: { title: "the mesh does not read objects of this kind",           remedy: "see docs/mesh-objects.md for the kinds that it reads" },
  Y003: { title: "a field is unknown",                                    remedy: "correct its name or remove it: what is not understood is never ignored" },
  Y004: { title: "a value has another type",                              remedy: "write what is expected; text that looks like a number needs quotes" },
  Y005: { title: "a field is missing",                                    remedy: "add the field" },
  Y006: { title: "a value is none of those that are possible",            remedy: "take one of the expected values" },
  Y007: { title: "a field is known and cannot be honoured",               remedy: "remove the field, or the rule that needs it" },
  Y008: { title: "fields exclude each other",                             remedy: "keep one of them; what belongs to the other goes into a rule of its own" },
  Y009: { title: "a list is too long",                                    remedy: "spread the entries over several" },
  Y010: { title: "a label selector is malformed",                         remedy: "In and NotIn need values, Exists and DoesNotExist have none" },
  Y011: { title: "a name, label key or label value is malformed",         remedy: "use letters, digits, - _ . as Kubernetes does" },
  Y012: { title: "an address or prefix is malformed",                     remedy: "write an address like 10.0.0.1 or fd00::1, a prefix like 10.0.0.0/8" },
  Y013: { title: "an exception lies outside of its prefix",               remedy: "except only what the prefix holds" },
  Y014: { title: "a port is malformed",                                   remedy: 'write a number up to 65535 or the name of a port; ranges are port and endPort' },
  Y015: { title: "rules of an application protocol cannot apply here",    remedy: "HTTP rules need TCP and a port other than 0; DNS rules are for egress to port 53" },
  Y016: { title: "a pattern is not a regular expression that RE2 takes",  remedy: "correct the pattern; RE2 has no backreferences and no lookaround" },
  Y017: { title: "a header requirement is malformed",                     remedy: 'write "Name: value" for a value, "Name" for presence' },
  Y018: { title: "a domain name or pattern is malformed",                 remedy: "use letters, digits, - _ and . ; * only in matchPattern" },
  Y019: { title: "a policy has no rules",                                 remedy: "add ingress, egress, ingressDeny or egressDeny; `ingress: [{}]` allows nothing" },
  Y020: { title: "an object is defined twice",                            remedy: "remove one of the two; the first one known stays in force" },
  Y021: { title: "something has no effect",                               remedy: "remove it, or see that it says what was meant" },
  Y022: { title: "a file or folder cannot be read",                       remedy: "check the path and its permissions; what was last read from it stays in force" },
  Y023: { title: "the document is too large once its aliases are written out", remedy: "use fewer aliases, or split the document" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type InputCode = keyof typeof INPUT_DIAGNOSTICS;

/** A diagnostic about an object; its message starts with the field path, when it is about a field. */
export interface InputDiagnostic extends Diagnostic {
  readonly code: InputCode;
  /** As `Place.path`; empty: the whole document or file. */
  readonly path: string;
}

/** `remedy` replaces the catalogue's. `severity` is "error" when not given: the object is refused. */
export type More = Partial<Pick<Diagnostic, "expected" | "found" | "remedy" | "severity">>;

/** A diagnostic of the catalogue. `text`: the line, for the caret. */
export function inputDiagnostic(
  code: InputCode,
  message: string,
  place: Place,
  text: string | null,
  more: More = {},
): InputDiagnostic {
  const { file, line, column, path } = place;
  return {
    code,
    severity: "error",
    message: path === "" ? message : `${path}: ${message}`,
    place: { kind: "source", file, line, column, ...(text === null ? {} : { text }) },
    path,
    remedy: INPUT_DIAGNOSTICS[code].remedy,
    ...more,
  };
}
