/** Whether a program may be loaded as what it says it is: type, attach type, flags, target, and the records of its functions. */
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";

/** The attach target and program type fit together; types of functions and lines are in order. Before the walk. */
export function checkAttachment(env: Env): void {
  if (env.request.target !== null) unsupported("attach targets");
}
