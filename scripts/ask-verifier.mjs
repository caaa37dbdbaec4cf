// The verifier of this package as the scripts ask it: never an exception, and what the model itself gets wrong is told apart.
import { performance } from "node:perf_hooks";
import { verify } from "../dist/lib/verifier/verify.js";

/** What `verify` says when a part of it throws: a bug of the model, not a feature that it lacks. */
const FAULT = /^a part of the model that fails/;

/** {verdict: accept|reject|unsupported|crash, reason, insn, processed, ms}. */
export function ask(request, options) {
  const begun = performance.now();
  try {
    const { verdict, error, unsupported, statistics } = verify(request, options);
    const ms = performance.now() - begun;
    const reason = error === null ? unsupported : `${error.code} ${error.name ?? ""}: ${error.reason}`;
    const isFault = verdict === "unsupported" && FAULT.test(reason);
    return {
      verdict: isFault ? "crash" : verdict,
      reason,
      insn: error?.slot ?? null,
      processed: statistics.processed,
      ms,
    };
  } catch (error) {
    return {
      verdict: "crash",
      reason: error?.stack ?? String(error),
      insn: null,
      processed: 0,
      ms: performance.now() - begun,
    };
  }
}
