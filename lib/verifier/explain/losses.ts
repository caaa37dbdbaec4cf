/** Calls that take pointers from their caller: what was given back, and the packet that may have moved. */
import { HELPERS } from "../../kernel/index.ts";
import type { Helper } from "../../kernel/index.ts";

/** Functions that give back what a program acquired. */
export const RELEASES: ReadonlySet<string> = new Set([
  "sk_release",
  "ringbuf_submit",
  "ringbuf_discard",
  "ringbuf_submit_dynptr",
  "ringbuf_discard_dynptr",
  "bpf_cgroup_release",
  "bpf_task_release",
]);

/** Pointers into the packet are void after a call of it. */
export function movesPacket(callee: string): boolean {
  const helpers: Readonly<Record<string, Helper>> = HELPERS;
  return helpers[callee]?.movesPacket === true || callee === "bpf_xdp_pull_data";
}

export function takesPointers(callee: string): boolean {
  return RELEASES.has(callee) || movesPacket(callee);
}
