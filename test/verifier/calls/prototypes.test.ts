/** The verifier's prototypes against the compiler's table, and their own consistency. */
import { expect, test } from "vitest";
import { HELPERS, HELPER_NAMES, MAP_HELPERS, helperNumber } from "../../../lib/kernel/index.ts";
import type { AnyHelperName, ResultKind } from "../../../lib/kernel/index.ts";
import type { Argument } from "../../../lib/verifier/calls/kinds.ts";
import type { Prototype } from "../../../lib/verifier/calls/prototypes.ts";
import { prototypeOf } from "../../../lib/verifier/calls/prototypes.ts";

const known = (name: AnyHelperName): Prototype => {
  const prototype = prototypeOf(helperNumber(name), "xdp", null);
  if (prototype === null) throw new Error(name);
  return prototype;
};
const all = (HELPER_NAMES.slice(1) as AnyHelperName[]).map(known);

/** The compiler's word for an argument. */
function coarse({ base, access, nullable, bytes, type }: Argument): string {
  switch (base) {
    case "any":
    case "scalar":
    case "alloc_size":
      return "any";
    case "mem":
      return access === "read" ? "mem" : "wmem";
    case "value":
      return access === "uninit" ? "wvalue" : nullable ? "init" : "value";
    case "sock":
      return "sock";
    case "ringbuf_mem":
      return "ringmem";
    case "fixed":
      return bytes === 8 && access === "uninit" ? "long_out" : "fixed";
    case "object":
      return type === "task_struct" ? "task" : (type ?? "object");
    default:
      return base;
  }
}
const RESULTS: { readonly [base: string]: ResultKind } = {
  number: "scalar",
  map_value: "map_value",
  ringbuf_mem: "mem_or_null",
  socket: "sock_or_null",
  trusted: "task",
};

/** What the compiler passes otherwise than the usual prototype says, and why. */
const OTHERWISE: { readonly [helper: string]: string } = {
  trace_printk: "takes up to three numbers behind what the prototype checks",
  redirect_neigh: "its memory is passed as a pointer to the stack or null",
  tail_call: "does not return",
  store_hdr_opt: "the compiler has no packet at its hook",
  set_hash_invalid: "its number means nothing",
  skb_ecn_set_ce: "the compiler takes it to move the packet, which it may copy",
};

test("the compiler's helpers are the same functions", () => {
  for (const [name, helper] of Object.entries(HELPERS)) {
    if (name in OTHERWISE) continue;
    const prototype = known(name as AnyHelperName);
    const result = RESULTS[prototype.result.base] ?? prototype.result.base;
    expect({ name, args: prototype.args.map(coarse), moves: prototype.moves, result }).toEqual({
      name,
      args: helper.args,
      moves: "movesPacket" in helper,
      result: helper.result === "map_value_or_null" ? "map_value" : helper.result,
    });
  }
});

test("there is a prototype for every helper and no other number", () => {
  expect(all).toHaveLength(211);
  for (const id of [0, -1, 212, 1e9]) expect(prototypeOf(id, "xdp", null)).toBeNull();
});

test("memory has a size behind it, and a map stands before its keys and values", () => {
  for (const { name, args } of all) {
    args.forEach(({ base }, i) => {
      expect([name, base === "mem", args[i + 1]?.base === "size"]).toEqual([name, base === "mem", base === "mem"]);
      if (base === "key" || base === "value")
        expect([name, args.slice(0, i).some((arg) => arg.base === "map")]).toEqual([name, true]);
    });
    expect([name, args.filter(({ base, access }) => base === "mem" && access === "uninit").length < 2]).toEqual([
      name,
      true,
    ]);
  }
});

test("the helpers with a map argument are those that the table of map types knows", () => {
  const takers = all.filter(({ args }) => args.some(({ base }) => base === "map")).map(({ name }) => name);
  // A timer's map is any map with a timer in its value.
  expect(takers.filter((name) => name !== "timer_init").toSorted()).toEqual([...MAP_HELPERS].toSorted());
});

test("the same number may be another function elsewhere", () => {
  const first = (name: AnyHelperName, type: Parameters<typeof prototypeOf>[1]): string | undefined =>
    prototypeOf(helperNumber(name), type, null)?.args[0]?.base;
  expect([first("get_socket_cookie", "sched_cls"), first("get_socket_cookie", "sk_reuseport")]).toEqual([
    "ctx",
    "sock",
  ]);
  expect([first("get_cgroup_classid", "xdp"), first("get_cgroup_classid", "sched_cls")]).toEqual([undefined, "ctx"]);
  expect([first("setsockopt", "sock_ops"), first("setsockopt", "cgroup_sockopt")]).toEqual(["ctx", "sock"]);
});
