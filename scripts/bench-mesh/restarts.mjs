// An agent that is restarted and killed, over and over, under load: what must pass passes, what policy forbids never does.
//
// First restarts with the same programs, then upgrades to and fro, where all programs are replaced by another build's, one link at
// a time, and the table of flows by one of another layout.
// Half of the ends are kill -9, and before every fourth start another agent is killed while it starts, at a time that the seed
// says. Load: messages over open connections, new connections, HTTP requests through the waypoint. A forbidden pod sends
// datagrams and tries to connect throughout.
import { randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readElf, writeElf } from "../../dist/lib/elf/index.js";
// prettier-ignore
import { agentCni, ClusterFolder, clusterOf, createBed, parseObjects, planOf, startBedAgent } from "../../dist/mesh/index.js";

export const title = "agent restarts and program upgrades under load";

const OBJECT = new URL("../../dist/programs/mesh.o", import.meta.url);
const [ECHO, WEB, SINK] = [7, 80, 9];
const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: server }
spec:
  endpointSelector: { matchLabels: { app: server } }
  ingress:
  - fromEndpoints: [ { matchLabels: { app: client } } ]
    toPorts:
    - ports: [ { port: "${ECHO}", protocol: TCP } ]
    - ports: [ { port: "${WEB}", protocol: TCP } ]
      rules: { http: [ { method: GET } ] }
`;
const PODS = [
  { name: "client", address: "10.244.1.1" },
  { name: "server", address: "10.244.1.2" },
  { name: "forbidden", address: "10.244.1.3" },
];
const CLUSTER = [
  `apiVersion: v1\nkind: Node\nmetadata: { name: n1 }\nstatus: { addresses: [ { type: InternalIP, address: 172.18.0.1 } ] }\n`,
  ...PODS.map(
    ({ name, address }) =>
      `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name}, labels: { app: ${name} } }\nspec: { nodeName: n1 }\nstatus: { podIP: ${address} }\n`,
  ),
].join("---\n");

export async function run({ quick }) {
  const times = quick ? 6 : 100;
  const seed = randomInt(2 ** 31);
  const plan = planOf(clusterOf(parseObjects(CLUSTER, "cluster.yaml").objects.map(({ object }) => object)));
  const bed = await createBed({ ...plan, pods: [] });
  try {
    const folder = new ClusterFolder(bed.files);
    folder.write("cluster.yaml", CLUSTER);
    folder.write("policy.yaml", POLICY);
    const other = join(bed.files, "other.o");
    writeFileSync(other, anotherBuild());
    const node = bed.node("n1");
    let agent = await startBedAgent(node, folder.path);
    await bed.addPods(
      plan.pods,
      agentCni(() => agent),
    );
    const load = await startLoad(bed, agent);
    const counts = { restarts: 0, upgrades: 0, killed: 0, interrupted: 0 };
    const random = generator(seed);
    for (let i = 0; i < 2 * times; i++) {
      const signal = i % 2 === 0 ? "SIGKILL" : "SIGTERM";
      if (signal === "SIGKILL") counts.killed++;
      await agent.end(signal);
      // First restarts with the same programs, then upgrades to and fro.
      const isUpgrade = i >= times;
      const options = isUpgrade && i % 2 === 0 ? { programs: other } : {};
      if (i % 4 === 3) {
        counts.interrupted++;
        await startAndKill(node, folder.path, options, random() * 1000);
      }
      agent = await startBedAgent(node, folder.path, options);
      await waitForWaypoint(agent);
      counts[isUpgrade ? "upgrades" : "restarts"]++;
    }
    return describe(await stopLoad(load), counts, seed);
  } finally {
    bed.close();
  }
}

/** Programs are taken for others when their file is another: every link gets another program. */
function anotherBuild() {
  const spec = readElf(readFileSync(OBJECT));
  const maps = spec.maps.map((map) => (map.name === "flows" ? { ...map, maxEntries: map.maxEntries / 2 } : map));
  return writeElf({ ...spec, maps });
}

/** An agent that does not live to be ready, or just does. */
async function startAndKill(node, folder, options, milliseconds) {
  let pid = 0;
  const started = startBedAgent(node, folder, { ...options, started: (known) => (pid = known) });
  const [ended] = await Promise.allSettled([
    started.then((agent) => agent.ended),
    sleep(milliseconds).then(() => process.kill(pid, "SIGKILL")),
  ]);
  return ended;
}

/** An agent is ready before the waypoint that it starts listens; the one before it serves until then. */
async function waitForWaypoint({ client }) {
  const end = Date.now() + 10_000;
  while ((await client.endpoints()).some(({ waypoint }) => waypoint === "down")) {
    if (Date.now() > end) throw new Error("the waypoint does not start");
    await sleep(10);
  }
}

async function startLoad(bed, agent) {
  const hand = (name) => bed.start(bed.pod(`default/${name}`));
  const [client, server, forbidden] = await Promise.all([hand("client"), hand("server"), hand("forbidden")]);
  await server.listen("tcp", ECHO);
  await server.listen("http", WEB);
  await server.listen("udp", SINK);
  await waitForWaypoint(agent);
  const address = bed.pod("default/server").pod.addresses[0];
  const kept = await Promise.all(Array.from({ length: 10 }, () => client.connect(address, ECHO, 5000)));
  const get = { service: "http", address, port: WEB, limitMs: 10_000, request: { method: "GET", path: "/" } };
  const runs = {
    messages: await Promise.all(kept.map(({ connection }) => client.pump(connection, 100, 2))),
    connections: [await client.repeat({ service: "tcp", address, port: ECHO, limitMs: 10_000 }, 5)],
    requests: [await client.repeat(get, 20)],
    forbidden: [
      await forbidden.repeat({ service: "tcp", address, port: ECHO, limitMs: 20 }, 2),
      await forbidden.repeat({ service: "http", address, port: WEB, limitMs: 20, request: get.request }, 2),
    ],
    datagrams: [await forbidden.flood(address, SINK, 10, 5)],
  };
  return { client, server, forbidden, runs };
}

async function stopLoad({ client, server, forbidden, runs }) {
  const halt = async (hand, numbers) => merge(await Promise.all(numbers.map((run) => hand.halt(run))));
  const { forbidden: attempts, datagrams, ...allowed } = runs;
  const found = {};
  for (const [what, numbers] of Object.entries(allowed)) found[what] = await halt(client, numbers);
  return {
    ...found,
    attempts: await halt(forbidden, attempts),
    datagrams: await halt(forbidden, datagrams),
    arrived: (await server.tally())[PODS.find(({ name }) => name === "forbidden").address] ?? 0,
  };
}

function merge(all) {
  const outcomes = {};
  for (const one of all) {
    for (const [outcome, count] of Object.entries(one.outcomes)) outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
  }
  const count = all.reduce((sum, one) => sum + one.count, 0);
  return { count, outcomes, slowestMs: Math.max(...all.map((one) => one.slowestMs)) };
}

function describe({ messages, connections, requests, attempts, datagrams, arrived }, counts, seed) {
  const others = ({ count, outcomes }, good) => count - (outcomes[good] ?? 0);
  const none = (figure, value) => ({ figure, value, unit: "", goal: "0", met: value === 0 });
  const text = (outcomes) =>
    Object.entries(outcomes)
      .map(([outcome, count]) => `${count} ${outcome}`)
      .join(", ");
  return {
    rows: [
      { figure: "restarts", value: counts.restarts, unit: "" },
      { figure: "upgrades of all programs", value: counts.upgrades, unit: "" },
      none("messages on open connections that were lost or cut", others(messages, "intact")),
      none("new connections that failed", others(connections, "reached")),
      none("HTTP requests without 200", others(requests, "200")),
      none("forbidden connections that were made", (attempts.outcomes.reached ?? 0) + (attempts.outcomes["200"] ?? 0)),
      none("forbidden datagrams that arrived", arrived),
    ],
    notes: [
      `${counts.killed} by kill -9, ${counts.interrupted} more killed while they started (seed ${seed})`,
      `messages: ${text(messages.outcomes)}, slowest ${messages.slowestMs.toFixed(0)} ms; connections: ${text(connections.outcomes)}, slowest ${connections.slowestMs.toFixed(0)} ms`,
      `requests: ${text(requests.outcomes)}, slowest ${requests.slowestMs.toFixed(0)} ms; forbidden: ${text(attempts.outcomes)}; datagrams: ${text(datagrams.outcomes)}`,
    ],
  };
}

/** Numbers from 0 to 1 (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
