/** All helpers by name. One that is missing here is a fault that names it when a program calls it. */
import { helperNumber } from "../../kernel/index.ts";
import type { AnyHelperName } from "../../kernel/index.ts";
import type { HelperFunction } from "../engine.ts";
import type { Host } from "../host.ts";
import type { Implementations } from "./helper.ts";
import { CALLBACK_HELPERS } from "./callbacks.ts";
import { CGROUP_HELPERS } from "./cgroups.ts";
import { CHECKSUM_HELPERS } from "./checksums.ts";
import { DYNPTR_HELPERS } from "./dynptr.ts";
import { FIB_HELPERS } from "./fib.ts";
import { HEADER_OPTION_HELPERS } from "./header-options.ts";
import { LOCK_HELPERS } from "./locks.ts";
import { MAP_HELPERS } from "./maps.ts";
import { MESSAGE_HELPERS } from "./message.ts";
import { MTU_HELPERS } from "./mtu.ts";
import { PACKET_HELPERS } from "./packets.ts";
import { PERF_HELPERS } from "./perf.ts";
import { PROBE_HELPERS } from "./probe.ts";
import { REDIRECT_HELPERS } from "./redirects.ts";
import { SHAPE_HELPERS } from "./shape.ts";
import { SKB_FIELD_HELPERS } from "./skb-fields.ts";
import { SOCKET_LOOKUP_HELPERS } from "./socket-lookup.ts";
import { SOCKET_OPTION_HELPERS } from "./socket-options.ts";
import { SOCKET_HELPERS } from "./sockets.ts";
import { STORAGE_HELPERS } from "./storage.ts";
import { STRING_HELPERS } from "./strings.ts";
import { SYNCOOKIE_HELPERS } from "./syncookies.ts";
import { SYSTEM_HELPERS } from "./system.ts";
import { TIMER_HELPERS } from "./timers.ts";
import { TRACE_HELPERS } from "./trace.ts";
import { TUNNEL_HELPERS } from "./tunnel.ts";
import { VLAN_HELPERS } from "./vlan.ts";

// tail_call is not here: it is an instruction more than a function (cpu.ts).
const IMPLEMENTATIONS: Implementations = {
  ...CALLBACK_HELPERS,
  ...CGROUP_HELPERS,
  ...CHECKSUM_HELPERS,
  ...DYNPTR_HELPERS,
  ...FIB_HELPERS,
  ...HEADER_OPTION_HELPERS,
  ...LOCK_HELPERS,
  ...MAP_HELPERS,
  ...MESSAGE_HELPERS,
  ...MTU_HELPERS,
  ...PACKET_HELPERS,
  ...PERF_HELPERS,
  ...PROBE_HELPERS,
  ...REDIRECT_HELPERS,
  ...SHAPE_HELPERS,
  ...SKB_FIELD_HELPERS,
  ...SOCKET_HELPERS,
  ...SOCKET_LOOKUP_HELPERS,
  ...SOCKET_OPTION_HELPERS,
  ...STORAGE_HELPERS,
  ...STRING_HELPERS,
  ...SYNCOOKIE_HELPERS,
  ...SYSTEM_HELPERS,
  ...TIMER_HELPERS,
  ...TRACE_HELPERS,
  ...TUNNEL_HELPERS,
  ...VLAN_HELPERS,
};

/** Names of the helpers that programs may call here. */
export const SIMULATED_HELPERS: readonly AnyHelperName[] = [
  ...(Object.keys(IMPLEMENTATIONS) as AnyHelperName[]),
  "tail_call",
];

/** The helpers of a machine by number. */
export function helpersOf(host: Host): ReadonlyMap<number, HelperFunction> {
  return new Map(
    Object.entries(IMPLEMENTATIONS).map(([name, implementation]) => {
      const bound: HelperFunction = (r1, r2, r3, r4, r5) => implementation(host, r1, r2, r3, r4, r5);
      return [helperNumber(name as AnyHelperName), bound];
    }),
  );
}
