/**
 * One instruction, one kind of pointer: the kernel rewrites accesses to contexts, sockets and kernel objects, so an
 * instruction may not meet one of those on one path and something else on another.
 */
import { reject } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, change } from "../state/index.ts";
import type { Reg, RegKind } from "../state/index.ts";
import { describe } from "./describe.ts";

/** Kinds whose accesses the kernel rewrites. Source: the verifier's reg_type_mismatch rule. */
const REWRITTEN: ReadonlySet<RegKind> = new Set([
  "ctx",
  "socket",
  "sock_common",
  "tcp_sock",
  "xdp_sock",
  "object",
  "arena",
]);

/** The current instruction has gone through `reg`. `mixed`: trusted and untrusted objects, and memory, may meet here (loads). */
export function seePointer(env: Env, reg: Reg, mixed: boolean): void {
  const seen = env.accessed;
  const before = seen[env.slot];
  if (before === undefined) {
    seen[env.slot] = reg;
    return;
  }
  if (before === reg || (before.kind === reg.kind && before.flags === reg.flags)) return;
  if (!REWRITTEN.has(before.kind) && !REWRITTEN.has(reg.kind)) return;
  if (!mixed || !isProbed(before) || !isProbed(reg))
    reject(env, "two_pointers_one_access", { wanted: describe(before), found: describe(reg) });
  const kind = before.kind === "mem" || reg.kind === "mem" ? "mem" : "object";
  const flags = (before.flags | reg.flags) & (FLAG.untrusted | FLAG.rdonly);
  seen[env.slot] = change(before, { kind, flags });
}

function isProbed(reg: Reg): boolean {
  return reg.kind === "object" || reg.kind === "mem";
}
