/** Which maps a helper takes in this program. */
import { MAP_FLAGS, MAP_HELPERS, takesMap } from "../../kernel/index.ts";
import type { AnyHelperName, MapHelperName, MapType } from "../../kernel/index.ts";
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import type { VerifierMap } from "../program/maps.ts";
import type { CallFacts } from "./facts.ts";

const TAKES_MAPS: ReadonlySet<AnyHelperName> = new Set(MAP_HELPERS);

/** Helpers that change what is in a map by themselves. */
const CHANGES: ReadonlySet<AnyHelperName> = new Set([
  "map_update_elem",
  "map_delete_elem",
  "map_push_elem",
  "map_pop_elem",
]);

export function checkMap(env: Env, { map, prototype: { name } }: CallFacts): void {
  if (map === null) return;
  const { type, flags } = map.map.spec;
  if (CHANGES.has(name) && (flags & MAP_FLAGS.rdonly_prog) !== 0)
    reject(env, "map_write_forbidden", { register: 1, map: map.map.spec.name });
  if (TAKES_MAPS.has(name) && !takesMap(name as MapHelperName, type, env.request.type, env.request.attach))
    refuseMap(env, name, type);
  if (name === "tail_call") checkTailCallMap(env, map);
}

/** Changing which sockets are in a map takes locks that some programs run under: it hangs on the program, not on the helper. */
function refuseMap(env: Env, helper: AnyHelperName, map: MapType): never {
  const isUpdate = helper === "map_update_elem" || helper === "map_delete_elem";
  if (isUpdate && (map === "sockmap" || map === "sockhash"))
    reject(env, "helper_attach_rule", { what: `it cannot change a ${map}` });
  return reject(env, "map_kind", { helper, map });
}

const TAIL_CALL_MAPS = "maps of tail calls";

/** Where speculation is guarded against, a tail call is through one map on all paths: the bound of its index is written into the program. */
function checkTailCallMap(env: Env, map: VerifierMap): void {
  if (env.privileges.perfmon) return;
  let maps = env.notes.get(TAIL_CALL_MAPS) as Map<number, VerifierMap> | undefined;
  if (maps === undefined) {
    maps = new Map();
    env.notes.set(TAIL_CALL_MAPS, maps);
  }
  const before = maps.get(env.slot);
  if (before !== undefined && before !== map) reject(env, "tail_call_maps");
  maps.set(env.slot, map);
}
