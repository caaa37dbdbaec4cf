/**
 * Random policies and random changes: the engines of all nodes, changed step by step, against a second reading of the same
 * policies, against a kernel that knows only what the engines told, and against engines that see the last cluster first.
 *
 * EBPF_TS_SEED and EBPF_TS_POLICIES (how many rounds) repeat or lengthen a run.
 */
import { describe, expect, test } from "vitest";
import { applyChanges } from "../../../mesh/objects/cluster.ts";
import type { ObjectChange } from "../../../mesh/objects/cluster.ts";
import type { Cluster, MeshObject, Pod } from "../../../mesh/objects/types.ts";
import { createPolicyEngine } from "../../../mesh/policy/engine.ts";
import type { FlowQuery, PolicyEngine } from "../../../mesh/policy/types.ts";
import { CLUSTER, NODES, OUTSIDE } from "./clusters.ts";
import { randomPolicy } from "./generate.ts";
import { judgeNaively } from "./naive.ts";
import { seededRandom } from "./random.ts";
import type { Random } from "./random.ts";
import { Shadow } from "./shadow.ts";

const SEED = Number(process.env["EBPF_TS_SEED"] ?? 41);
const ROUNDS = Number(process.env["EBPF_TS_POLICIES"] ?? 20);
const STEPS = 8;
const FLOWS = 40;
const NAMES = ["api.example.com", "www.example.com", "a.b.example.com", "example.com", "other.org"];

function randomFlow(random: Random, { pods, nodes }: Cluster): FlowQuery {
  const inside = [...pods.values()].flatMap(({ addresses }) => addresses).filter((address) => !address.includes(":"));
  const all = [
    ...inside,
    ...inside,
    ...[...nodes.values()].flatMap(({ addresses }) => addresses),
    ...Object.values(OUTSIDE).filter((a) => !a.includes(":")),
  ];
  const protocol = random.pick(["TCP", "TCP", "TCP", "UDP", "SCTP", "ICMP"] as const);
  const port =
    protocol === "ICMP"
      ? random.pick([0, 8, 13])
      : random.pick([1, 49, 50, 53, 79, 80, 81, 82, 443, 8000, 8080, 9000, 65535]);
  const headers = random.chance(0.3) ? [["X-T", random.pick(["1", "2"])] as const] : [];
  const http =
    protocol === "TCP" && random.chance(0.5)
      ? {
          http: {
            method: random.pick(["GET", "PUT", "POST"]),
            path: random.pick(["/", "/public/x", "/a1", "/a1?b"]),
            host: "",
            headers,
          },
        }
      : {};
  const source = random.pick(random.chance(0.7) ? inside : all);
  const destination = random.pick(random.chance(0.7) ? inside : all);
  return source === destination
    ? randomFlow(random, { pods, nodes } as Cluster)
    : { source, destination, protocol, port, ...http };
}

function randomChange(random: Random, cluster: Cluster, round: number): ObjectChange {
  const set = (object: MeshObject): ObjectChange => ({ kind: "set", object });
  switch (random.below(12)) {
    case 0:
    case 1: {
      const [key] = random.pick([...cluster.policies, ["none", []] as const]);
      const [kind = "", name = ""] = key.split(" ");
      const [first = "", second] = name.split("/");
      return { kind: "delete", ref: { kind, namespace: second === undefined ? null : first, name: second ?? first } };
    }
    case 2: {
      const pod = random.pick([...cluster.pods.values()]);
      return set({ kind: "Pod", value: { ...pod, labels: random.pick([...cluster.pods.values()]).labels } });
    }
    case 3:
      return set({ kind: "Pod", value: changePod(random, cluster) });
    case 4: {
      const { namespace, name } = random.pick([...cluster.pods.values()]);
      return cluster.pods.size < 5
        ? set({ kind: "Pod", value: changePod(random, cluster) })
        : { kind: "delete", ref: { kind: "Pod", namespace, name } };
    }
    case 5:
      return set({
        kind: "Namespace",
        value: { name: random.pick(["default", "shop"]), labels: { team: random.pick(["app", "ops"]) } },
      });
    case 6: {
      const service = cluster.services.get("default/be")!;
      return set({ kind: "Service", value: { ...service, selector: { app: random.pick(["be", "fe"]) } } });
    }
    case 7: {
      const slice = cluster.endpointSlices.get("default/ext-1")!;
      const endpoints = [{ ...slice.endpoints[0]!, addresses: [random.pick([OUTSIDE.a, OUTSIDE.c, "10.0.1.1"])] }];
      return set({ kind: "EndpointSlice", value: { ...slice, endpoints } });
    }
    case 8: {
      const cidrs = [random.pick(["203.0.113.64/26", "198.51.100.0/24", "203.0.113.0/24"])];
      return set({ kind: "CidrGroup", value: { name: "blocked", labels: random.pick([{}, { risk: "high" }]), cidrs } });
    }
    default: {
      const name = random.pick(["p", "q", "r", "s"]);
      const policy = randomPolicy(random, name);
      const more = random.chance(0.2)
        ? [{ ...randomPolicy(random, `${name}${round}`), object: policy.object, spec: 1 }]
        : [];
      return set({ kind: "Policy", object: policy.object, value: [policy, ...more] });
    }
  }
}

/** A pod with another address, node or ports: an address that is free, or that a pod had that goes. */
function changePod(random: Random, cluster: Cluster): Pod {
  const pod = random.pick([...cluster.pods.values()]);
  const used = new Set([...cluster.pods.values()].flatMap(({ addresses }) => addresses));
  const free = ["10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.9.1", "10.0.9.2"].filter((address) => !used.has(address));
  const ports = random.pick([...cluster.pods.values()]).ports;
  const address = free.length > 0 && random.chance(0.5) ? [random.pick(free)] : pod.addresses;
  return {
    ...pod,
    name: random.chance(0.3) ? `${pod.name}-2` : pod.name,
    addresses: address,
    node: random.pick(["n1", "n2"]),
    ports,
  };
}

/** A pod under a new name takes the address away from the one that had it. */
function settle(cluster: Cluster, change: ObjectChange): ObjectChange[] {
  if (change.kind === "delete" || change.object.kind !== "Pod") return [change];
  const { value } = change.object;
  const losers = [...cluster.pods.values()].filter((pod) => {
    const other = pod.name !== value.name || pod.namespace !== value.namespace;
    return other && pod.addresses.some((address) => value.addresses.includes(address));
  });
  return [
    ...losers.map(({ namespace, name }): ObjectChange => ({ kind: "delete", ref: { kind: "Pod", namespace, name } })),
    change,
  ];
}

class Trial {
  cluster = CLUSTER;
  readonly dns = new Map<string, readonly string[]>();
  readonly #random: Random;
  readonly #engines: readonly PolicyEngine[];
  readonly #shadows: readonly Shadow[];

  constructor(random: Random) {
    this.#random = random;
    this.#engines = Object.keys(NODES).map((node) => createPolicyEngine({ node }));
    this.#shadows = this.#engines.map(() => new Shadow());
    this.#tell((engine) => engine.update(this.cluster));
  }

  /** Gives how many flows were judged. */
  step(round: number): number {
    const flows = Array.from({ length: FLOWS }, () => randomFlow(this.#random, this.cluster));
    const before = this.#shadows.map((shadow) => flows.map((flow) => shadow.judge(flow)));
    const between: string[][][] = this.#shadows.map(() => []);
    const note = (at: number) => (): void => {
      between[at]!.push(flows.map((flow) => this.#shadows[at]!.judge(flow)));
    };
    if (this.#random.chance(0.15)) this.#changeDns(note);
    else this.#changeCluster(round, note);
    this.#expectNoWeakMoment(flows, before, between);
    this.#expectRight(flows);
    return flows.length;
  }

  #changeCluster(round: number, note: (at: number) => () => void): void {
    const changes = settle(this.cluster, randomChange(this.#random, this.cluster, round));
    this.cluster = applyChanges(this.cluster, changes);
    this.#tell((engine) => engine.update(this.cluster), note);
    for (const [at, node] of Object.keys(NODES).entries()) {
      const here = [...this.cluster.pods].filter(([, pod]) => pod.node === node);
      this.#shadows[at]!.keep(new Set(here.map(([name]) => name)));
    }
  }

  #changeDns(note: (at: number) => () => void): void {
    if (this.#random.chance(0.3)) {
      this.dns.clear();
      this.#tell((engine) => engine.expireDns(1000), note);
      return;
    }
    const name = this.#random.pick(NAMES);
    const addresses = [this.#random.pick(Object.values(OUTSIDE))];
    this.dns.set(name, [...(this.dns.get(name) ?? []), ...addresses]);
    this.#tell((engine) => engine.observeDns(name, addresses, 1000), note);
  }

  #tell(change: (engine: PolicyEngine) => ReturnType<PolicyEngine["update"]>, note?: (at: number) => () => void): void {
    for (const [at, engine] of this.#engines.entries()) {
      this.#shadows[at]!.apply(change(engine), note?.(at));
      this.#shadows[at]!.check();
    }
  }

  /** At no moment of a change passes what passes neither before nor after. */
  #expectNoWeakMoment(flows: readonly FlowQuery[], before: readonly string[][], between: readonly string[][][]): void {
    for (const [at, shadow] of this.#shadows.entries()) {
      for (const [index, flow] of flows.entries()) {
        const ends = [before[at]![index]!, shadow.judge(flow)];
        if (ends.includes("allow")) continue;
        for (const moment of between[at]!)
          expect([...ends, "deny"], JSON.stringify({ flow, ends })).toContain(moment[index]);
      }
    }
  }

  #expectRight(flows: readonly FlowQuery[]): void {
    const fresh = Object.keys(NODES).map((node) => createPolicyEngine({ node }));
    for (const engine of fresh) {
      engine.update(this.cluster);
      for (const [name, addresses] of this.dns) engine.observeDns(name, addresses, 1000);
    }
    for (const flow of flows) {
      const expected = judgeNaively({ cluster: this.cluster, dns: this.dns }, flow);
      const verdicts = this.#shadows.map((shadow) => shadow.judge(flow));
      const found = ["deny", "http403"].find((verdict) => verdicts.includes(verdict)) ?? "allow";
      const policies = [...this.cluster.policies.values()];
      if (found !== expected) expect({ found, flow, policies }).toBe(expected);
      const explained = this.#engines.map((engine) => engine.explain(flow).map((end) => ({ ...end, identity: 0 })));
      const again = fresh.map((engine) => engine.explain(flow).map((end) => ({ ...end, identity: 0 })));
      if (JSON.stringify(explained) !== JSON.stringify(again))
        expect(explained, "step by step is as at once").toEqual(again);
      const verdictOf = ({ verdict }: { readonly verdict: string }): string =>
        verdict === "redirect" ? "allow" : verdict;
      const all = explained.flat().map(verdictOf);
      expect(["deny", "http403"].find((verdict) => all.includes(verdict)) ?? "allow").toBe(expected);
    }
  }
}

describe(`random policies, seed ${SEED}`, () => {
  test(`${ROUNDS} clusters of ${STEPS} changes`, { timeout: 600_000 }, () => {
    let flows = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const random = seededRandom(SEED * 1_000_003 + round);
      const trial = new Trial(random);
      for (let step = 0; step < STEPS; step++) {
        try {
          flows += trial.step(step);
        } catch (error) {
          throw new Error(`round ${round}, step ${step}: ${(error as Error).message}`, { cause: error });
        }
      }
    }
    expect(flows).toBe(ROUNDS * STEPS * FLOWS);
  });
});
