/** fib_lookup: the same routes in a namespace of the kernel and in a machine's world, and every answer there is. */
import { execFileSync } from "node:child_process";
import { afterAll, describe, expect, test } from "vitest";
import { call, mov64, r2, r3, r4 } from "../../../lib/asm/index.ts";
import { parseAddress } from "../../../lib/bytes/index.ts";
import type { PlainFacts, Route, RouteQuery } from "../../../lib/vm/index.ts";
import { withNetns } from "../../../loader/index.ts";
import { Bed, noKernel } from "../../kernel/bed.ts";
import { Both, arg, ctx, mem } from "./both.ts";

const bytes = (text: string): Uint8Array =>
  parseAddress(text, text.includes(":") ? "ipv6" : "ipv4") ?? new Uint8Array(0);

interface Fact {
  readonly prefix: string;
  readonly type?: "blackhole" | "unreachable" | "prohibit";
  readonly via?: string;
  readonly mtu?: number;
  readonly metric?: number;
  readonly source?: string;
}
const [LOCAL4, LOCAL6] = ["10.1.0.1", "fd01::1"];
// prettier-ignore
const ROUTES: readonly Fact[] = [
  { prefix: "10.2.0.0/16", via: "10.1.0.2" }, { prefix: "10.3.0.0/16", type: "blackhole" }, { prefix: "10.4.0.0/16", type: "unreachable" },
  { prefix: "10.5.0.0/16", type: "prohibit" }, { prefix: "10.6.0.0/16", via: "10.1.0.2", mtu: 1400, metric: 77 },
  { prefix: "10.7.0.0/16", via: "10.1.0.3" }, { prefix: "10.8.0.0/16", via: "fd01::2" }, { prefix: "10.9.0.0/16", via: "10.1.0.2", source: "10.1.0.9" },
  { prefix: "fd02::/64", via: "fd01::2", metric: 1024 }, { prefix: "fd03::/64", type: "blackhole", metric: 1024 }, { prefix: "fd04::/64", type: "unreachable", metric: 1024 },
  { prefix: "fd05::/64", type: "prohibit", metric: 1024 }, { prefix: "fd06::/64", via: "fd01::2", mtu: 1400, metric: 88 }, { prefix: "fd07::/64", via: "fd01::3", metric: 1024 },
];
const LINK: readonly Fact[] = [
  { prefix: "10.1.0.0/24", source: LOCAL4 },
  { prefix: "fd01::/64", metric: 256, source: LOCAL6 },
];
const NEIGHBOUR = "02:00:00:00:00:02";
const NEIGHBOURS = ["10.1.0.2", "fd01::2"];

function covers(prefix: string, address: Uint8Array): boolean {
  const [text = "", length = "0"] = prefix.split("/");
  const network = bytes(text);
  const bit = (of: Uint8Array, i: number): number => ((of[i >> 3] ?? 0) >> (7 - (i & 7))) & 1;
  return (
    network.length === address.length &&
    Array.from({ length: Number(length) }, (_, i) => i).every((i) => bit(network, i) === bit(address, i))
  );
}

function worldOf(ifindex: number, mac: Uint8Array): PlainFacts {
  const routes = ({ destination, table }: RouteQuery): Route => {
    // IPv6 keeps its own addresses in a table of their own; IPv4 joins the two while there are no rules.
    const own = table === null || destination.length === 4;
    const local =
      own && [LOCAL4, "10.1.0.9", LOCAL6].some((one) => covers(`${one}/${bytes(one).length * 8}`, destination));
    const fact = [...ROUTES, ...LINK].find(({ prefix }) => covers(prefix, destination));
    if (local || fact === undefined) return { kind: "local" };
    if (fact.type !== undefined) return { kind: fact.type };
    const source = bytes(fact.source ?? (destination.length === 4 ? LOCAL4 : LOCAL6));
    return {
      kind: "unicast",
      ifindex,
      mtu: fact.mtu ?? 1500,
      metric: fact.metric ?? 0,
      gateway: fact.via === undefined ? null : bytes(fact.via),
      source,
    };
  };
  const interfaces = [
    { ifindex: 1, forwards: false },
    { ifindex, mac },
  ];
  return {
    interfaces,
    routes,
    neighbours: NEIGHBOURS.map((address) => ({
      ifindex,
      address: bytes(address),
      mac: Uint8Array.of(2, 0, 0, 0, 0, 2),
    })),
  };
}

describe.skipIf(noKernel)("the machine and the kernel agree", () => {
  const bed = noKernel ? null : new Bed();
  afterAll(() => bed?.[Symbol.asyncDispose]());

  /** A namespace with the routes; its interface. */
  function lay(on: Bed, label: string): { path: string; ifindex: number; mac: Uint8Array } {
    const [path, other] = [on.netns(`${label}a`), on.netns(`${label}b`)];
    on.veth(path, `${LOCAL4}/24`, other, "10.1.0.99/24");
    const name = path.slice("/run/netns/".length);
    const ip = (...args: string[]): string => execFileSync("ip", ["-n", name, ...args], { encoding: "utf8" });
    const sysctl = (...settings: string[]): unknown =>
      execFileSync("nsenter", [`--net=${path}`, "sysctl", "-qw", ...settings]);
    sysctl(
      "net.ipv4.conf.all.forwarding=1",
      "net.ipv6.conf.all.forwarding=1",
      "net.ipv4.conf.lo.forwarding=0",
      "net.ipv6.conf.lo.forwarding=0",
    );
    ip("addr", "add", "10.1.0.9/32", "dev", "veth0");
    ip("addr", "add", `${LOCAL6}/64`, "dev", "veth0", "nodad");
    for (const { prefix, type, via, mtu, metric, source } of ROUTES) {
      const family =
        via?.includes(":") === true && prefix.includes(".")
          ? ["via", "inet6", via]
          : via === undefined
            ? []
            : ["via", via];
      const more = [
        ...(mtu === undefined ? [] : ["mtu", "lock", String(mtu)]),
        ...(metric === undefined ? [] : ["metric", String(metric)]),
        ...(source === undefined ? [] : ["src", source]),
      ];
      ip(
        "route",
        "add",
        ...(type === undefined ? [] : [type]),
        prefix,
        ...family,
        ...(type === undefined ? ["dev", "veth0"] : []),
        ...more,
      );
    }
    for (const address of NEIGHBOURS) ip("neigh", "replace", address, "lladdr", NEIGHBOUR, "dev", "veth0");
    const [link] = JSON.parse(ip("-j", "link", "show", "veth0")) as [{ ifindex: number; address: string }];
    return { path, ifindex: link.ifindex, mac: Uint8Array.from(link.address.split(":"), (part) => parseInt(part, 16)) };
  }

  const DESTINATIONS = [
    "10.2.0.1",
    "10.3.0.1",
    "10.4.0.1",
    "10.5.0.1",
    "10.6.0.1",
    "10.7.0.1",
    "10.8.0.1",
    "10.9.0.1",
    "10.1.0.2",
    "10.1.0.4",
    "10.1.0.1",
    "11.0.0.1",
    "127.0.0.1",
    "fd02::1",
    "fd03::1",
    "fd04::1",
    "fd05::1",
    "fd06::1",
    "fd07::1",
    "fd01::2",
    "fd01::1",
    "fd99::1",
    "::1",
    "fe80::1",
    "ff02::1",
  ];
  test.each(["xdp", "tc"] as const)("on every answer of fib_lookup in %s", async (hook) => {
    if (bed === null) return;
    const { path, ifindex, mac } = lay(bed, hook);
    const size = hook === "xdp" ? 2 : 0;
    using both = await Both.of(hook, [[ctx, ...mem(r2), mov64(r3, 64), arg(r4, 0), call("fib_lookup")]], {
      verdict: size,
      options: { world: worldOf(ifindex, mac) },
    });
    for (const destination of DESTINATIONS) {
      for (const from of [ifindex, 1, 999]) {
        for (const flags of [0, 4, 16, 20, 2, 1, 64]) {
          for (const length of [0, 1401, 1501]) {
            const memory = new Uint8Array(64);
            const view = new DataView(memory.buffer);
            const address = bytes(destination);
            memory[0] = address.length === 4 ? 2 : 10;
            view.setUint16(6, length, true);
            view.setUint32(8, from, true);
            memory.set(bytes(address.length === 4 ? "10.1.0.77" : "fd01::77"), 16);
            memory.set(address, 32);
            const { machine, kernel } = withNetns(path, () =>
              both.run({ packet: new Uint8Array(64), args: [flags], memory }),
            );
            const input = { destination, from, flags, length };
            expect({ ...input, ...machine }).toEqual({ ...input, ...kernel });
          }
        }
      }
    }
  });
});
