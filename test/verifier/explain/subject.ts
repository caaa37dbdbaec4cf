/** A program of which nothing is known but its name: explanations of logs do without. */
import { subjectOfProgram } from "../../../lib/verifier/explain/index.ts";

export const BARE_SUBJECT = subjectOfProgram({
  name: "filter",
  type: "xdp",
  attach: null,
  flags: 0,
  license: "GPL",
  insns: [{ kind: "exit" }],
  functions: [],
  lines: [],
  mapReferences: [],
  kernelCalls: [],
  kernelAddresses: [],
});
