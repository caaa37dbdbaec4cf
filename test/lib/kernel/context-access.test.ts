/** The access rules of contexts, some rows of them, for machines without a kernel to ask: test/kernel/context-access.test.ts. */
import { describe, expect, test } from "vitest";
import { CONTEXT_FIELDS, HOOKS, contextAccess, mayLoad, mayStore, storableFields } from "../../../lib/kernel/index.ts";
import type { HookName } from "../../../lib/kernel/index.ts";

// A field, the bytes from its start, and whether a program of the hook may load and store them.
// prettier-ignore
const ROWS: readonly [hook: HookName, field: string, at: number, size: number, load: boolean, store: boolean][] = [
  ["tc",                 "mark",       0, 4, true,  true ],
  ["tc",                 "mark",       1, 1, true,  false],
  ["tc",                 "mark",       1, 2, false, false], // not aligned
  ["tc",                 "cb",         8, 8, true,  true ],
  ["tc",                 "cb",        16, 8, false, false], // leaves the field
  ["tc",                 "family",     0, 4, false, false], // cgroup_skb and sk_skb only
  ["cgroup_skb_egress",  "family",     0, 4, true,  false],
  ["cgroup_skb_egress",  "tc_classid", 0, 4, false, false],
  ["sk_skb_verdict",     "mark",       0, 4, false, false],
  ["sk_skb_verdict",     "priority",   0, 4, true,  true ],
  ["socket_filter",      "data",       0, 4, false, false],
  ["connect4",           "user_ip4",   0, 4, true,  true ],
  ["connect4",           "user_ip6",   0, 4, false, false],
  ["connect6",           "user_ip6",   0, 8, true,  true ],
  ["connect6",           "user_ip6",   4, 8, false, false], // 8 bytes at multiples of 8
  ["connect6",           "user_ip6",   1, 1, true,  false],
  ["connect4",           "msg_src_ip4", 0, 4, false, false],
  ["sendmsg4",           "msg_src_ip4", 0, 4, true,  true ],
  ["sock_create",        "mark",       0, 4, true,  true ],
  ["sock_create",        "src_port",   0, 4, false, false],
  ["post_bind4",         "src_port",   0, 4, true,  false],
  ["post_bind4",         "src_port",   2, 2, false, false], // its start only
  ["post_bind4",         "dst_port",   0, 4, true,  false], // with the padding behind it
  ["post_bind4",         "dst_port",   2, 2, false, false],
  ["getsockopt",         "retval",     0, 4, true,  true ],
  ["setsockopt",         "retval",     0, 4, false, false],
  ["setsockopt",         "level",      0, 4, true,  true ],
  ["sock_ops",           "args",       0, 4, true,  true ],
  ["sock_ops",           "args",       4, 4, true,  false], // the reply only
  ["sk_reuseport",       "eth_protocol", 0, 2, true, false],
  ["sk_reuseport",       "eth_protocol", 0, 1, false, false],
  ["xdp",                "egress_ifindex", 0, 4, false, false],
  ["xdp_devmap",         "egress_ifindex", 0, 4, true, false],
];

describe("what a program may access", () => {
  test.each(ROWS)("%s: %s +%i, %i bytes: load %s, store %s", (name, field, at, size, load, store) => {
    const hook = HOOKS[name];
    const access = contextAccess(hook.type, hook.attach);
    const start = CONTEXT_FIELDS[hook.context].find((f) => f.name === field)?.offset;
    if (access === null || start === undefined) throw new Error(`no ${field} at ${name}`);
    expect([mayLoad(access, start + at, size), mayStore(access, start + at, size)]).toEqual([load, store]);
  });

  test("every hook has rules; a type without a hook has none", () => {
    for (const { type, attach, context } of Object.values(HOOKS))
      expect(contextAccess(type, attach)?.context).toBe(context);
    expect(contextAccess("kprobe", null)).toBe(null);
  });

  test("what some program may store to", () => {
    expect(storableFields("bpf_sockopt").map((f) => f.name)).toEqual(["level", "optname", "optlen", "retval"]);
    expect(storableFields("xdp_md")).toEqual([]);
  });
});
