/** Null checks: what a pointer is when it is known not to be null, and who follows when one of several copies was checked. */
import type { Env } from "../env.ts";
import type { Reg, State } from "../state/index.ts";
import { FLAG, change, changeRegs, scalar, withFlags, withId } from "../state/index.ts";
import { ZERO } from "../scalar/index.ts";
import { hasField, recordOf } from "../types/index.ts";

/** Flags that an object's pointer may have and still be known to be valid. */
const TRUSTED = FLAG.alloc | FLAG.trusted | FLAG.non_own_ref;

export function mayBeNull(reg: Reg): boolean {
  return (reg.flags & FLAG.maybe_null) !== 0;
}

/** A pointer that is never 0. */
export function isNotNull(reg: Reg): boolean {
  if (mayBeNull(reg)) return false;
  switch (reg.kind) {
    case "socket":
    case "tcp_sock":
    case "sock_common":
    case "map_value":
    case "map_key":
    case "map":
      return true;
    case "object":
      return reg.ref !== 0 || ((reg.flags & TRUSTED) !== 0 && (reg.flags & ~TRUSTED) === 0);
    case "mem":
      return (reg.flags & FLAG.untrusted) === 0;
    default:
      return false;
  }
}

/** The register once it is known not to be null: the value in a map of maps is a map, in a map of sockets a socket. */
export function notNull(reg: Reg): Reg {
  const flags = reg.flags & ~FLAG.maybe_null;
  const { map } = reg;
  if (reg.kind !== "map_value" || map === null) return withFlags(reg, flags);
  if (map.inner !== null) {
    const isShared = map.inner.record.fields.some(
      ({ kind }) => kind === "timer" || kind === "workqueue" || kind === "task_work",
    );
    return change(reg, { kind: "map", flags: 0, map: map.inner, mapUid: isShared ? reg.id : reg.mapUid });
  }
  switch (map.map.spec.type) {
    case "xskmap":
      return change(reg, { kind: "xdp_sock", flags: 0 });
    case "sockmap":
    case "sockhash":
      return change(reg, { kind: "socket", flags: 0 });
    default:
      return withFlags(reg, flags);
  }
}

/** A lookup's result (id) is known to be null or not: all registers with that id follow. */
export function resolveNull(env: Env, state: State, id: number, isNull: boolean): void {
  changeRegs(state, (reg) => (mayBeNull(reg) && reg.id === id ? resolved(env, reg, isNull) : reg));
}

function resolved(env: Env, reg: Reg, isNull: boolean): Reg {
  if (isNull) return scalar(ZERO, !env.privileges.bpf);
  const checked = notNull(reg);
  return keepsId(env, checked) ? checked : withId(checked, 0);
}

/** Pointers to where a spin lock may be keep their id: locking and unlocking have to name the same one. */
function keepsId(env: Env, { kind, flags, map, btf, type }: Reg): boolean {
  if (kind === "map_value" && map !== null) return hasField(map.record, "spin_lock", "res_spin_lock");
  if (kind !== "object" || btf === null || (flags & FLAG.alloc) === 0) return false;
  return hasField(recordOf(btf, type, env.request.kernel), "spin_lock", "res_spin_lock");
}
