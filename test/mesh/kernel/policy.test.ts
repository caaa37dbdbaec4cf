/**
 * Random flows under random policies: what the loaded programs decide in BPF_PROG_TEST_RUN is what the engine says, with the same
 * rule and the same HTTP rules. The maps are written step by step, as the agent's datapath does.
 *
 * EBPF_TS_SEED and EBPF_TS_FLOWS (how many flows) repeat or lengthen a run: npm run fuzz:policy.
 */
import { describe, expect, test } from "vitest";
import { canLoad } from "../../../loader/index.ts";
import { applyChanges } from "../../../mesh/objects/cluster.ts";
import type { Cluster } from "../../../mesh/objects/types.ts";
import { judgeFlow } from "../../../mesh/policy/explain.ts";
import type { FlowQuery } from "../../../mesh/policy/types.ts";
import { KernelNode, pinToCpu } from "../../../scripts/corpus-policy/kernel-node.mjs";
import { CLUSTER, NODES } from "../policy/clusters.ts";
import { randomChange, randomFlow } from "../policy/generate.ts";
import { seededRandom } from "../policy/random.ts";

const SEED = Number(process.env["EBPF_TS_SEED"] ?? 43);
const FLOWS = Number(process.env["EBPF_TS_FLOWS"] ?? 4000);
const FLOWS_OF_A_CLUSTER = FLOWS > 100_000 ? 1000 : 200;
const CHANGES_OF_A_ROUND = 12;
const CPU = 0;

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: ${loadable.reason}\n`);

/** An end of a flow that a node judges. */
interface Question {
  readonly node: KernelNode;
  readonly pod: string;
  readonly direction: "ingress" | "egress";
  readonly other: string;
  readonly flow: FlowQuery;
}

function questionsOf(cluster: Cluster, nodes: ReadonlyMap<string, KernelNode>, flow: FlowQuery): Question[] {
  const ends = [
    ["egress", flow.source, flow.destination] as const,
    ["ingress", flow.destination, flow.source] as const,
  ];
  return ends.flatMap(([direction, own, other]) => {
    const found = [...cluster.pods].find(([, pod]) => pod.addresses.includes(own));
    const node = nodes.get(found?.[1].node ?? "");
    return found === undefined || node === undefined ? [] : [{ node, pod: found[0], direction, other, flow }];
  });
}

/** Gives what the engine and the kernel say, when they do not agree. */
function findDifference({ node, pod, direction, other, flow }: Question): unknown {
  const expected = judgeFlow(
    node.engine.policyOf(pod)![direction],
    node.engine.identityOf(other),
    flow.protocol,
    flow.port,
  );
  const { passes, ...found } = node.ask(pod, direction, flow);
  const mayPass = expected.action === "redirect" ? passes : expected.action === "allow";
  const same = found.action === expected.action && found.rule === expected.rule && found.l7 === expected.l7;
  return same && passes === mayPass ? null : { flow, pod, direction, expected, found, passes };
}

describe.skipIf(!loadable.ok)(`the kernel and the engine, seed ${SEED}`, () => {
  test(`${FLOWS} flows`, { timeout: 3_600_000 }, async () => {
    pinToCpu(CPU);
    const opened = Object.keys(NODES).map(async (name) => [name, await KernelNode.open(name, "default", CPU)] as const);
    const nodes = new Map(await Promise.all(opened));
    let flows = 0;
    try {
      for (let round = 0; flows < FLOWS; round++) {
        const random = seededRandom(SEED * 1_000_003 + round);
        let cluster = CLUSTER;
        for (let change = 0; change < CHANGES_OF_A_ROUND && flows < FLOWS; change++) {
          cluster = applyChanges(cluster, randomChange(random, cluster, change));
          for (const node of nodes.values()) node.update(cluster);
          const asked = Array.from({ length: FLOWS_OF_A_CLUSTER }, () => randomFlow(random, cluster));
          // A pod's questions one after the other: the loopback device is lent to it once.
          const questions = asked.flatMap((flow) => questionsOf(cluster, nodes, flow));
          questions.sort((a, b) => (`${a.pod} ${a.direction}` < `${b.pod} ${b.direction}` ? -1 : 1));
          const wrong = questions.map(findDifference).find((difference) => difference !== null);
          expect(wrong, `seed ${SEED}, round ${round}, change ${change}`).toBeUndefined();
          flows += asked.length;
        }
      }
    } finally {
      for (const node of nodes.values()) node.close();
    }
    expect(flows).toBeGreaterThanOrEqual(FLOWS);
  });
});
