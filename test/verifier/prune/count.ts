/** What the model takes to verify a program, as the cases write it. */
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { requestOf } from "../request.ts";

const kernel = profileOf("6.18") as KernelProfile;

/** "accept|reject processed total peak longest" of a program for sched_cls. */
export function countOf(text: string, flags = 0): string {
  const { verdict, statistics } = verify(requestOf(text, { type: "sched_cls", flags }), { kernel });
  const { processed, totalStates, peakStates, maxStatesPerInsn } = statistics;
  return `${verdict} ${processed} ${totalStates} ${peakStates} ${maxStatesPerInsn}`;
}
