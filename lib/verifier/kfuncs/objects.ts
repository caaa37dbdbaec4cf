/** Arguments that are kernel objects, sockets and maps: whether they can be trusted, and are of the type. */
import type { Btf, TypeId } from "../../btf/index.ts";
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { checkFixedOffset, describe } from "../memory/index.ts";
import { FLAG } from "../state/index.ts";
import type { Reg, RegKind } from "../state/index.ts";
import { kernelType, sameOrEmbedded } from "../types/index.ts";
import { nameOf, skipModifiers } from "../types/lookup.ts";
import { KF } from "./flags.ts";
import type { Prototype } from "./prototype.ts";

/** Flags that say that a pointer is good, and do not take anything away from it. */
const TRUSTED = FLAG.alloc | FLAG.trusted | FLAG.non_own_ref;

/** Pointers that stand for a structure of the kernel. */
const STANDS_FOR: Partial<Readonly<Record<RegKind, string>>> = {
  socket: "sock",
  sock_common: "sock_common",
  tcp_sock: "tcp_sock",
  map: "bpf_map",
};

/** The register is an object, or stands for one. */
export function isObjectLike(reg: Reg): boolean {
  return reg.kind === "object" || STANDS_FOR[reg.kind] !== undefined;
}

function isSafe(reg: Reg): boolean {
  return (reg.flags & ~TRUSTED) === 0;
}

/** Functions that want trusted pointers get none that may be gone; some are content with those good in an RCU section. */
export function checkTrust(env: Env, { flags }: Prototype, reg: Reg, register: number): void {
  if ((flags & (KF.trusted | KF.rcu | KF.release)) === 0) return;
  const trusted = reg.ref !== 0 || (isSafe(reg) && (STANDS_FOR[reg.kind] !== undefined || (reg.flags & TRUSTED) !== 0));
  if (trusted || ((flags & KF.rcu) !== 0 && (reg.flags & FLAG.rcu) !== 0)) return;
  reject(env, "kfunc_untrusted_argument", { register });
}

/** Flags that an object's pointer may have and still carry a constant offset. */
const MAY_HAVE_OFFSET: readonly number[] = [
  0,
  FLAG.alloc,
  FLAG.trusted,
  FLAG.rcu,
  FLAG.alloc | FLAG.non_own_ref,
  FLAG.alloc | FLAG.non_own_ref | FLAG.rcu,
];

/** Pointers into memory may point anywhere; objects have a constant offset at most, and none where they are given back. */
export function checkOffset(env: Env, reg: Reg, register: number, released: boolean): void {
  if (released) {
    if (reg.off !== 0) reject(env, "argument_offset", { register });
    checkFixedOffset(env, reg, register, false);
    return;
  }
  switch (reg.kind) {
    case "stack":
    case "packet":
    case "packet_meta":
    case "map_key":
    case "map_value":
      if (reg.flags === 0) return;
      break;
    case "mem":
      if (reg.flags === 0 || reg.flags === FLAG.rdonly || reg.flags === FLAG.ringbuf) return;
      break;
    case "buf":
      if ((reg.flags & ~FLAG.rdonly) === 0) return;
      break;
    case "arena":
    case "scalar":
      return;
    case "object":
      if (MAY_HAVE_OFFSET.includes(reg.flags)) {
        checkFixedOffset(env, reg, register, true);
        return;
      }
      break;
    default:
  }
  checkFixedOffset(env, reg, register, false);
}

/** The register is a pointer to `type` of the kernel, or to what has it at its start. */
export function checkObject(env: Env, prototype: Prototype, reg: Reg, register: number, type: TypeId): void {
  const argument = register - 1;
  const wrong = (what: string): never => reject(env, "kfunc_argument_type", { argument, what });
  if (!isObjectLike(reg) || (reg.kind === "object" && !isSafe(reg) && (reg.flags & FLAG.rcu) === 0))
    return wrong(`it is ${describe(reg)}`);
  const wantedName = nameOf(prototype.btf, type);
  const stands = STANDS_FOR[reg.kind];
  const btf: Btf = stands === undefined ? (reg.btf as Btf) : prototype.btf;
  const found = stands === undefined ? skipModifiers(btf, reg.type) : kernelType(env, stands);
  if (found === null) return wrong(`the kernel has no ${stands}`);
  const name = nameOf(btf, found);
  const strict = ((prototype.flags & KF.release) !== 0 && reg.ref !== 0) || areApart(name, wantedName);
  if (isProjection(wantedName, name)) return;
  if (!sameOrEmbedded(btf, found, reg.off, prototype.btf, type, strict))
    wrong(`it points to ${name}, and should point to ${wantedName}`);
}

/** Names that stand for one structure in two states, which must not be taken for each other: `nf_conn___init`. */
function areApart(a: string, b: string): boolean {
  return `${a}___init` === b || a === `${b}___init`;
}

/** What programs see of a structure, and the kernel's own behind it. */
function isProjection(wanted: string, found: string): boolean {
  return (wanted === "__sk_buff" && found === "sk_buff") || (wanted === "xdp_md" && found === "xdp_buff");
}
