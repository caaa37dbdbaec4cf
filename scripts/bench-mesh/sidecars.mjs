// What a node costs with one agent, and with a proxy in each of its pods: memory, of processes that run and have carried traffic.
//
// The sidecars are the least there can be, a TCP proxy of a dozen lines in Node; Envoy is not at hand on every machine, and takes
// more (published: 40 to 60 MB each, without configuration of a cluster). The agent has the same number of pods, 1,000
// policies and 10,000 pods of other nodes.
import { fileURLToPath } from "node:url";
import { createBed, spawnIn } from "../../dist/mesh/index.js";
import { mapMemory, memoryOf, NODE, podsOf, startNode } from "./lib/node.mjs";

export const title = "one agent against a sidecar in each pod";

const PROXY = fileURLToPath(new URL("sidecars/proxy.mjs", import.meta.url));
const PROXY_PORT = 15006;
const ECHO_PORT = 7;
const MEBI = 2 ** 20;

export async function run({ quick }) {
  const size = quick
    ? { pods: podsOf(11), policies: 100, remote: 1_000 }
    : { pods: podsOf(110), policies: 1_000, remote: 10_000 };
  const sidecars = await measureSidecars(size.pods);
  const agent = await measureAgent(size);
  const count = size.pods.length;
  const resident = sum(sidecars, "resident");
  const row = (figure, bytes) => ({ figure, value: bytes / MEBI, unit: "MiB" });
  const judged = (figure, bytes, most) => ({
    ...row(figure, bytes),
    ...(quick ? {} : { goal: `at most ${String(most)}`, met: bytes <= most * MEBI }),
  });
  return {
    rows: [
      row(`${count} sidecars, resident`, resident),
      row("one of them", resident / count),
      row(`${count} sidecars, pages of several counted once`, sum(sidecars, "proportional")),
      judged("agent, resident", agent.resident, 120),
      judged("its maps in the kernel", agent.maps, 64),
      { figure: "sidecars over agent, resident", value: resident / agent.resident, unit: "x" },
      { figure: "sidecars over agent and its maps", value: resident / (agent.resident + agent.maps), unit: "x" },
    ],
    notes: [
      `agent: ${count} pods, ${size.policies} policies, ${size.remote} pods of other nodes; each sidecar has forwarded 20 messages of 1,000 bytes`,
    ],
  };
}

const sum = (all, field) => all.reduce((total, one) => total + one[field], 0);

/** A proxy in every pod but the first, which serves; the node sends through each of them. */
async function measureSidecars(pods) {
  const bed = await createBed({ nodes: [NODE], pods: [...podsOf(1, pods.length), ...pods], outside: [] });
  try {
    return await runSidecars(bed);
  } finally {
    bed.close();
  }
}

async function runSidecars(bed) {
  const [{ name: serving, pod }] = [...bed.pods.values()];
  const [backend, client] = await Promise.all([bed.start(bed.pod(serving)), bed.start(bed.node(NODE.name))]);
  await backend.listen("tcp", ECHO_PORT);
  const args = [PROXY, String(PROXY_PORT), pod.addresses[0], String(ECHO_PORT)];
  const proxies = [];
  for (const place of bed.pods.values()) {
    if (place.name === serving) continue;
    const proxy = spawnIn(place, process.execPath, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    await new Promise((done, fail) => proxy.once("message", done).once("exit", fail));
    const { connection } = await client.connect(place.pod.addresses[0], PROXY_PORT, 5000);
    const { intact } = await client.exchange(connection, 20, 1000);
    if (!intact) throw new Error(`the sidecar of ${place.name} does not forward`);
    proxies.push(proxy);
  }
  return proxies.map(({ pid }) => memoryOf(pid));
}

async function measureAgent(size) {
  const { bed, agent, cni } = await startNode(size);
  try {
    await bed.addPods(size.pods, cni);
    await agent.client.refresh();
    return { ...memoryOf(agent.pid), maps: await mapMemory(agent) };
  } finally {
    bed.close();
  }
}
