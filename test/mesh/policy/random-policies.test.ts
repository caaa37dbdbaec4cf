/**
 * Random policies and random changes: the engines of all nodes, changed step by step, against a second reading of the same
 * policies, against a kernel that knows only what the engines told, and against engines that see the last cluster first.
 *
 * EBPF_TS_SEED and EBPF_TS_POLICIES (how many rounds) repeat or lengthen a run.
 */
import { describe, expect, test } from "vitest";
import { applyChanges } from "../../../mesh/objects/cluster.ts";
import { createPolicyEngine } from "../../../mesh/policy/engine.ts";
import type { FlowQuery, PolicyEngine } from "../../../mesh/policy/types.ts";
import { CLUSTER, NODES, OUTSIDE } from "./clusters.ts";
import { randomChange, randomFlow } from "./generate.ts";
import { judgeNaively } from "./naive.ts";
import { seededRandom } from "./random.ts";
import type { Random } from "./random.ts";
import { Shadow } from "./shadow.ts";

const SEED = Number(process.env["EBPF_TS_SEED"] ?? 41);
const ROUNDS = Number(process.env["EBPF_TS_POLICIES"] ?? 20);
const STEPS = 8;
const FLOWS = 40;
const NAMES = ["api.example.com", "www.example.com", "a.b.example.com", "example.com", "other.org"];

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
    this.cluster = applyChanges(this.cluster, randomChange(this.#random, this.cluster, round));
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
