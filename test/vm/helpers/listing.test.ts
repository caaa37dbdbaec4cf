/** docs/vm.md says which helpers and kernel functions there are; this says whether it is true. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HELPER_NAMES, KERNEL_FUNCTIONS, TABLED_TYPES, mayCall, mayCallKernel } from "../../../lib/kernel/index.ts";
import type { AnyHelperName, AttachType, ProgramType } from "../../../lib/kernel/index.ts";
import { SIMULATED_HELPERS, SIMULATED_KERNEL_FUNCTIONS } from "../../../lib/vm/index.ts";

const page = readFileSync(new URL("../../../docs/vm.md", import.meta.url), "utf8");
const section = /<!-- helpers -->\n(?<text>[^]*?)<!-- \/helpers -->/.exec(page)?.groups?.["text"] ?? "";

/** Types whose programs the machine runs; where the attach type matters, the one that may call most. */
// prettier-ignore
const TYPES: readonly ProgramType[] = [
  "xdp", "sched_cls", "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "sock_ops", "sk_msg", "sk_skb", "sk_lookup",
  "sk_reuseport", "socket_filter", "flow_dissector",
];
const MOST: { readonly [type in ProgramType]?: AttachType } = {
  cgroup_sock_addr: "cgroup_inet4_connect",
  cgroup_sockopt: "cgroup_setsockopt",
};

const list = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(", ") || "none";

/** What the page should say. */
function generated(): string {
  const names = HELPER_NAMES.slice(1) as readonly AnyHelperName[];
  const simulated = new Set<string>(SIMULATED_HELPERS);
  const may = (type: ProgramType): AnyHelperName[] => names.filter((name) => mayCall(name, type, MOST[type] ?? null));
  const missing = (type: ProgramType): AnyHelperName[] => may(type).filter((name) => !simulated.has(name));
  const everywhere = names.filter((name) => TYPES.every((type) => missing(type).includes(name)));
  const rows = TYPES.map((type) => {
    const more = missing(type).filter((name) => !everywhere.includes(name));
    return `| ${type} | ${may(type).length} | ${may(type).length - missing(type).length} | ${list(more)} |`;
  });
  return [
    `Not simulated at any hook: ${list(everywhere)}.`,
    "",
    "| program type | helpers it may call | simulated | nor are there |",
    "|---|---|---|---|",
    ...rows,
    "",
    `Kernel functions: ${list([...SIMULATED_KERNEL_FUNCTIONS].sort())}.`,
    "",
  ].join("\n");
}

test("the page lists the helpers and kernel functions that there are", () => {
  expect(section).toBe(generated());
});

test("what is simulated some program may call", () => {
  const callable = (name: AnyHelperName): boolean =>
    TABLED_TYPES.some((type) => mayCall(name, type, null) || mayCall(name, type, MOST[type] ?? null));
  expect(SIMULATED_HELPERS.filter((name) => !callable(name))).toEqual([]);
  expect(SIMULATED_KERNEL_FUNCTIONS.filter((name) => !TABLED_TYPES.some((type) => mayCallKernel(name, type)))).toEqual(
    [],
  );
  expect(KERNEL_FUNCTIONS.length).toBeGreaterThan(100);
});
