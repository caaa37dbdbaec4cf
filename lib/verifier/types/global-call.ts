/** Calls of global functions: what they are called with fits their prototypes. */
import { regOf, reject, setReg } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, withFlags } from "../state/index.ts";
import type { Reg, RegKind } from "../state/index.ts";
import { ZERO, sameScalar, smallConstant } from "../scalar/index.ts";
import { checkFixedOffset } from "../memory/fixed-offset.ts";
import { checkRegion } from "../memory/region.ts";
import { prototypeOf } from "./prototype.ts";
import type { Argument } from "./prototype.ts";
import { sameOrEmbedded } from "./same.ts";

const { maybe_null, rcu, trusted } = FLAG;

/** Pointers that may be passed with any offset within what they point to. */
const FREE: ReadonlySet<RegKind> = new Set<RegKind>([
  "scalar",
  "stack",
  "packet",
  "packet_meta",
  "map_key",
  "map_value",
  "mem",
  "buf",
  "arena",
]);

/** A call of a global function: r1 to r5 fit its prototype. What it gives is any number, which the caller marks. */
export function checkGlobalCall(env: Env, subprogram: number): void {
  prototypeOf(env, subprogram).forEach((argument, index) => {
    checkArgument(env, subprogram, argument, index + 1);
  });
}

function checkArgument(env: Env, subprogram: number, argument: Argument, register: number): void {
  const reg = regOf(env, register);
  const refuse = (what: string): never =>
    reject(env, "global_argument", {
      function: env.program.subprograms[subprogram]?.name ?? "?",
      argument: register,
      what,
    });
  switch (argument.kind) {
    case "scalar":
      if (reg.kind !== "scalar") refuse("a number is expected");
      return;
    case "ctx":
      if (reg.kind !== "ctx") refuse("the context is expected");
      return checkFixedOffset(env, reg, register, false);
    case "untrusted_mem":
      return;
    case "arena":
      if (reg.kind !== "arena" && reg.kind !== "scalar") refuse("a pointer to an arena is expected");
      return;
    case "mem":
      return checkMemory(env, reg, register, argument, refuse);
    case "dynptr":
      return checkDynptr(env, reg, register, refuse);
    case "object":
      if (argument.trusted) checkObject(env, reg, register, argument, refuse);
  }
}

type Refuse = (what: string) => never;

function checkMemory(
  env: Env,
  reg: Reg,
  register: number,
  { size, nullable }: Extract<Argument, { kind: "mem" }>,
  refuse: Refuse,
): void {
  if (!FREE.has(reg.kind)) checkFixedOffset(env, reg, register, reg.kind === "object");
  if (isNull(reg)) return;
  const perhaps = (reg.flags & maybe_null) !== 0;
  // Whether it is null is another question than what it points to.
  if (perhaps) setReg(env, register, withFlags(reg, reg.flags & ~maybe_null));
  checkRegion(env, register, size, { access: "both", zeroAllowed: true });
  if (perhaps) setReg(env, register, reg);
  if (perhaps && !nullable) refuse("it may be null");
}

function isNull(reg: Reg): boolean {
  return reg.kind === "scalar" && sameScalar(reg.num, ZERO);
}

function checkDynptr(env: Env, reg: Reg, register: number, refuse: Refuse): void {
  if (reg.kind === "dynptr") return checkFixedOffset(env, reg, register, false);
  if (reg.kind !== "stack") refuse("a dynptr is expected");
  const variable = smallConstant(reg.num);
  const off = variable === null ? null : reg.off + variable;
  if (off === null || off % 8 !== 0 || off >= 0) return refuse("a dynptr at a constant, aligned place is expected");
  const slot = env.state.frames[reg.frame]?.slots[-off / 8 - 1];
  const extra = slot?.reg?.extra ?? null;
  if (extra?.kind !== "dynptr" || !extra.firstSlot) refuse("a dynptr that has been made is expected");
}

function checkObject(
  env: Env,
  reg: Reg,
  register: number,
  { type, nullable }: Extract<Argument, { kind: "object" }>,
  refuse: Refuse,
): void {
  if (nullable && isNull(reg)) return;
  if (reg.kind !== "object" || reg.btf === null) return refuse("a pointer to an object of the kernel is expected");
  const { flags } = reg;
  const without = flags & ~maybe_null;
  if (without !== 0 && without !== trusted && without !== rcu) refuse("a trusted pointer is expected");
  if ((flags & maybe_null) !== 0 && !nullable) refuse("it may be null");
  const { kernel } = env.request;
  if (kernel === null || !sameOrEmbedded(reg.btf, reg.type, reg.off, kernel, type)) refuse("it points to another type");
  checkFixedOffset(env, reg, register, true);
}
