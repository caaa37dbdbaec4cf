/** What a bed is made of, and the commands that make it; needs no privilege. */
import { describe, expect, test } from "vitest";
import { configureLeaf, makeLeg, openLeg, reach, removeLeg, unreach } from "../../../mesh/bed/network.ts";
import { checkPlan, planOf } from "../../../mesh/bed/plan.ts";
import type { BedPlan } from "../../../mesh/bed/plan.ts";
import type { Node, Pod } from "../../../mesh/objects/types.ts";

const leg = { number: 258, namespace: "id-pod-default-fe", addresses: ["10.244.1.10", "fd00::10"] };

describe("commands of ip", () => {
  test.each([
    [
      "made, both ends down",
      makeLeg(leg),
      [
        "link add leg258 address 02:01:00:00:01:02 type veth peer name eth0 address 02:02:00:00:01:02 netns id-pod-default-fe",
      ],
    ],
    [
      "the leaf",
      configureLeaf(leg),
      [
        "link set lo up",
        "address add 10.244.1.10/32 dev eth0",
        "address add fd00::10/128 dev eth0 nodad",
        "link set eth0 up",
        "route add default via 169.254.1.1 dev eth0 onlink",
        "neighbour add 169.254.1.1 lladdr 02:01:00:00:01:02 dev eth0 nud permanent",
        "route add default via fe80::1 dev eth0 onlink",
        "neighbour add fe80::1 lladdr 02:01:00:00:01:02 dev eth0 nud permanent",
      ],
    ],
    [
      "opened by a node without IPv6",
      openLeg(leg, ["172.18.0.11"]),
      [
        "link set leg258 up",
        "route add 10.244.1.10/32 dev leg258 src 172.18.0.11",
        "neighbour add 10.244.1.10 lladdr 02:02:00:00:01:02 dev leg258 nud permanent",
        "route add fd00::10/128 dev leg258",
        "neighbour add fd00::10 lladdr 02:02:00:00:01:02 dev leg258 nud permanent",
      ],
    ],
    [
      "an address behind the leaf",
      reach(leg, "10.244.9.9"),
      [
        "route add 10.244.9.9/32 dev leg258",
        "neighbour add 10.244.9.9 lladdr 02:02:00:00:01:02 dev leg258 nud permanent",
      ],
    ],
    [
      "and no more",
      unreach(leg, "10.244.9.9"),
      ["route delete 10.244.9.9/32 dev leg258", "neighbour delete 10.244.9.9 dev leg258"],
    ],
    ["removed", removeLeg(leg), ["link delete leg258"]],
  ])("%s", (_name, commands, expected) => expect(commands).toEqual(expected));
});

const pod = { namespace: "default", name: "fe", node: "n1", addresses: ["10.244.1.10"], hostNetwork: false };
const plan: BedPlan = {
  nodes: [{ name: "n1", addresses: ["172.18.0.11"] }],
  pods: [pod, { ...pod, name: "agent", addresses: ["172.18.0.11"], hostNetwork: true }],
  outside: [{ name: "a", addresses: ["203.0.113.10"] }],
};

describe("plans", () => {
  test("a good one, with a host-network pod that has its node's address", () =>
    expect(checkPlan(plan)).toBeUndefined());
  test.each<[string, Partial<BedPlan>, string]>([
    ["a pod on no node", { pods: [{ ...pod, node: "n9" }] }, "pod default/fe is on a node that is not there"],
    ["a pod without address", { pods: [{ ...pod, addresses: [] }] }, "pod default/fe has no address"],
    [
      "no address at all",
      { outside: [{ name: "a", addresses: ["1.2.3"] }] },
      "outside host a has an address that is none",
    ],
    [
      "an address twice",
      { pods: [pod, { ...pod, name: "be" }] },
      "pod default/be and pod default/fe have the same address",
    ],
  ])("%s: H006", (_name, change, message) => {
    expect(() => checkPlan({ ...plan, ...change })).toThrow(message);
    expect(() => checkPlan({ ...plan, ...change })).toThrow("H006");
  });
  test("of a cluster: pods that no node runs are left out", () => {
    const placed: Pod = {
      ...pod,
      labels: {},
      ports: [],
      serviceAccount: "default",
      ready: true,
      terminating: false,
      weight: 1,
      shortcut: false,
    };
    const node: Node = { name: "n1", labels: {}, addresses: ["172.18.0.11"], apiServer: false };
    const pods = new Map([
      ["default/fe", placed],
      ["default/new", { ...placed, name: "new", node: null }],
    ]);
    expect(planOf({ nodes: new Map([["n1", node]]), pods }).pods.map((one) => one.name)).toEqual(["fe"]);
  });
});
