/** Reasons (R5xx) about types: BTF objects, contexts, attach targets, kptrs, arguments of global functions. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const TYPE_REASONS = reasons({
  context_access: { code: "R501", says: "{size} bytes at offset {offset} of the context cannot be {access} here", remedy: "use a field that this hook shows, at a width that it allows", kernel: [/^invalid bpf_context access off=(?<offset>-?\d+) size=(?<size>\d+)/, /^func '.*' (?:offset -?\d+ is not multiple of 8|doesn't have \d+-th argument|size \d+ must be 8|arg\d+ .*Only pointer access is allowed|arg\d+ type \w+ is not a struct)/, /^ret type \w+ not allowed for fmod_ret/] },
  special_field: { code: "R502", says: "the structure {struct} cannot have special fields like this: {problem}", remedy: "change the structure: one lock, a lock beside each list or tree, `contains:TYPE:MEMBER` on each", kernel: [] },
  map_field: { code: "R503", says: "values of the map {map} (a {type}) cannot have a field of kind {kind}", remedy: "use a map type that can: hash or array can have all of them", kernel: [] },
});
