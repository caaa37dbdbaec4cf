// 1,000 pods on one machine: how long until policy is in force for all of them, beyond making their namespaces, and what each
// further pod costs in memory.
import { createBed } from "../../dist/mesh/index.js";
import { mapMemory, memoryOf, NODE, podsOf, startNode } from "./lib/node.mjs";

export const title = "many pods on one node";

const FEW = 110;
const POLICIES = 1_000;
const REACHED = 50;

export async function run({ quick }) {
  const count = quick ? 200 : 1_000;
  const pods = podsOf(count);
  const bare = await measureBare(pods);
  const { bed, agent, cni } = await startNode({ pods, policies: POLICIES, remote: 0 });
  try {
    const began = performance.now();
    await bed.addPods(pods.slice(0, FEW), cni);
    const few = { ...memoryOf(agent.pid), maps: await mapMemory(agent) };
    await bed.addPods(pods.slice(FEW), cni);
    const seconds = (performance.now() - began) / 1000;
    const { endpoints } = await agent.client.status();
    if (endpoints.states.ready !== count) throw new Error(`${endpoints.states.ready} of ${count} pods are ready`);
    const many = { ...memoryOf(agent.pid), maps: await mapMemory(agent) };
    const each = (field) => (many[field] - few[field]) / (count - FEW) / 1024;
    const reached = await reach(bed, pods);
    return {
      rows: [
        { figure: `${count} namespaces with links, no agent`, value: bare, unit: "s" },
        { figure: "the same, each registered, policy in force", value: seconds, unit: "s" },
        { figure: "beyond making namespaces", value: seconds - bare, unit: "s", ...judge(seconds - bare, 60) },
        { figure: "agent, per further pod", value: each("resident"), unit: "KiB" },
        { figure: "maps, per further pod", value: each("maps"), unit: "KiB" },
        {
          figure: "together",
          value: each("resident") + each("maps"),
          unit: "KiB",
          ...judge(each("resident") + each("maps"), 50),
        },
      ],
      notes: [
        `${POLICIES} policies; agent of ${count} pods: ${(many.resident / 2 ** 20).toFixed(0)} MiB resident, maps ${(many.maps / 2 ** 20).toFixed(0)} MiB`,
        `${reached} of ${REACHED} pods, chosen evenly, answered the node afterwards`,
      ],
    };
  } finally {
    bed.close();
  }
}

const judge = (value, most) => ({ goal: `at most ${most}`, met: value <= most });

async function measureBare(pods) {
  const began = performance.now();
  const bed = await createBed({ nodes: [NODE], pods, outside: [] });
  const seconds = (performance.now() - began) / 1000;
  bed.close();
  return seconds;
}

/** Echo requests from the node, which may always reach its pods. */
async function reach(bed, pods) {
  const hand = await bed.start(bed.node(NODE.name));
  const step = Math.floor(pods.length / REACHED);
  const chosen = pods.filter((_, i) => i % step === 0).slice(0, REACHED);
  const tries = chosen.map(({ addresses: [address] }) => {
    return hand.try({ service: "icmp", address, port: 8, limitMs: 5000 });
  });
  return (await Promise.all(tries)).filter(({ outcome }) => outcome === "reached").length;
}
