// Agents killed and started again, and upgrades to programs and maps of other layouts, under load: a client talks to a server without
// pause over connections that were open before, and opens new ones; a third pod, which policy forbids, floods the same server.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readElf, writeElf } from "../../dist/lib/elf/index.js";
import { agentCni, ClusterFolder, createBed, startAgent, startBedAgent, watchFolder } from "../../dist/mesh/index.js";

export const title = "restarts and upgrades under load";

const PORT = 7;
const CONNECTIONS = 20;
const ROUND_TRIPS = 20;
const OBJECT = new URL("../../dist/programs/mesh.o", import.meta.url);
const ADDRESSES = { client: "10.1.0.1", server: "10.1.0.2", forbidden: "10.1.0.3" };

export async function run({ quick }) {
  const rounds = quick ? 5 : 100;
  const bed = await createBed({ nodes: [{ name: "n1", addresses: ["172.18.0.1"] }], pods: [], outside: [] });
  try {
    const node = bed.node("n1");
    const folder = new ClusterFolder(bed.files);
    folder.write("cluster.yaml", CLUSTER);
    let agent = await startBedAgent(node, folder.path);
    await bed.addPods(
      Object.keys(ADDRESSES).map(podOf),
      agentCni(() => agent),
    );
    const load = await startLoad(bed);
    for (let round = 0; round < rounds; round++) {
      await sleep(10 + ((round * 37) % 90));
      await agent.end("SIGKILL");
      agent = await startBedAgent(node, folder.path);
    }
    const kills = await load.take();
    await agent.end("SIGTERM");
    for (let round = 0; round < rounds; round++) await upgrade(node, folder.path, round);
    const upgrades = await load.take();
    const forbidden = await load.end();
    return {
      rows: [
        ...rowsOf(`${rounds} agents killed and started`, kills),
        ...rowsOf(`${rounds} upgrades of programs and map layouts`, upgrades),
        {
          figure: "forbidden datagrams that came through",
          value: forbidden.replies,
          unit: "",
          goal: "0",
          met: forbidden.replies === 0,
        },
      ],
      notes: [
        `${CONNECTIONS} open connections; ${kills.exchanges + upgrades.exchanges} exchanges of ${ROUND_TRIPS} messages, ${kills.opened + upgrades.opened} new connections, ${forbidden.sent} forbidden datagrams`,
      ],
    };
  } finally {
    bed.close();
  }
}

const rowsOf = (what, { broken, refused }) => [
  { figure: `${what}: connections broken`, value: broken, unit: "", goal: "0", met: broken === 0 },
  { figure: `${what}: new ones that failed`, value: refused, unit: "", goal: "0", met: refused === 0 },
];

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const podOf = (name) => ({ namespace: "default", name, node: "n1", addresses: [ADDRESSES[name]], hostNetwork: false });

/** An agent of other programs takes over, in this process, and leaves again. Each has another size of the flow table than the last. */
async function upgrade(node, folder, round) {
  const spec = readElf(readFileSync(OBJECT));
  const maps = spec.maps.map((map) => (map.name === "flows" ? { ...map, maxEntries: 65_536 >> (round % 2) } : map));
  const object = join(node.files, "other.o");
  writeFileSync(object, writeElf({ ...spec, maps }));
  const agent = await startAgent({
    node: "n1",
    source: watchFolder(folder),
    stateDir: join(node.files, "state"),
    bpffs: node.pins,
    socket: null,
    netns: node.netns,
    site: { devices: [node.uplink.name], cgroup: node.group },
    object,
    log: () => {},
  });
  await sleep(20);
  await agent.close();
}

/** `take` gives what happened since the last time, `end` what the forbidden one saw. */
async function startLoad(bed) {
  const [client, server, forbidden] = await Promise.all(
    Object.keys(ADDRESSES).map((name) => bed.start(bed.pod(`default/${name}`))),
  );
  await server.listen("tcp", PORT);
  await server.listen("udp", PORT);
  const kept = await Promise.all(
    Array.from({ length: CONNECTIONS }, () => client.connect(ADDRESSES.server, PORT, 5_000)),
  );
  let seen = { exchanges: 0, broken: 0, opened: 0, refused: 0 };
  let stopped = false;
  const attempts = { sent: 0, replies: 0 };
  const forever = async (step) => {
    while (!stopped) await step();
  };
  const talking = kept.map(({ connection }) =>
    forever(async () => {
      const { intact } = await client.exchange(connection, ROUND_TRIPS, 200).catch(() => ({ intact: false }));
      seen.exchanges++;
      if (!intact) seen.broken++;
      if (!intact) await sleep(100);
    }),
  );
  const opening = forever(async () => {
    const { outcome } = await client.try({ service: "tcp", address: ADDRESSES.server, port: PORT, limitMs: 5_000 });
    seen.opened++;
    if (outcome !== "reached") seen.refused++;
    await sleep(5);
  });
  const flooding = Array.from({ length: 50 }, () =>
    forever(async () => {
      const { outcome } = await forbidden.try({ service: "udp", address: ADDRESSES.server, port: PORT, limitMs: 20 });
      attempts.sent++;
      if (outcome === "reached") attempts.replies++;
    }),
  );
  return {
    take: async () => {
      const taken = seen;
      seen = { exchanges: 0, broken: 0, opened: 0, refused: 0 };
      return taken;
    },
    end: async () => {
      stopped = true;
      await Promise.all([...talking, opening, ...flooding]);
      return attempts;
    },
  };
}

const pod = (name) => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: ${name} } }
spec: { nodeName: n1 }
status: { podIP: ${ADDRESSES[name]} }
`;
const CLUSTER = `apiVersion: v1
kind: Node
metadata: { name: n1 }
status: { addresses: [{ type: InternalIP, address: 172.18.0.1 }] }
${Object.keys(ADDRESSES).map(pod).join("")}---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: server, namespace: default }
spec:
  endpointSelector: { matchLabels: { app: server } }
  ingress: [{ fromEndpoints: [{ matchLabels: { app: client } }] }]
`;
