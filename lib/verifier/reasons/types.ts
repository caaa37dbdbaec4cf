/** Reasons (R5xx) about types: BTF objects, contexts, attach targets, kptrs, arguments of global functions. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const TYPE_REASONS = reasons({
  context_access: { code: "R501", says: "{size} bytes at offset {offset} of the context cannot be accessed here", remedy: "use a field that this hook shows", kernel: [/^invalid bpf_context access/] },
});
