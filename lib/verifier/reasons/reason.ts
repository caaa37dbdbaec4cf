export interface Reason {
  /** Stable: `R101`. Hundreds by area; never given to another reason. */
  readonly code: string;
  /** One sentence for the author of a TypeScript program; `{name}` is a fact that whoever raises it gives. */
  readonly says: string;
  /** What to do about it, in terms of the source. */
  readonly remedy: string;
  /** How the kernels' logs put it: a line that matches is this reason. Named groups become facts. */
  readonly kernel: readonly RegExp[];
}

/** Rows keep their names as literal types. */
export function reasons<const T extends Readonly<Record<string, Reason>>>(rows: T): T {
  return rows;
}
