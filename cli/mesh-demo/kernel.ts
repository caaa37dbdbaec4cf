/**
 * The demo on the real kernel. Every line of its table is something that happened to a connection between processes; the
 * agents' flow log and metrics must tell the same.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { agentCni, ClusterFolder, startAgent } from "../../mesh/bed/agent.ts";
import type { BedAgent } from "../../mesh/bed/agent.ts";
import { createBed } from "../../mesh/bed/bed.ts";
import type { Bed } from "../../mesh/bed/bed.ts";
import type { Hand } from "../../mesh/bed/hand-process.ts";
import type { Totals, Tried } from "../../mesh/bed/hand.ts";
import { planOf } from "../../mesh/bed/plan.ts";
import type { Place } from "../../mesh/bed/process.ts";
import { clusterOf } from "../../mesh/objects/cluster.ts";
import { parseObjects } from "../../mesh/objects/parse.ts";
import { formatFlow, objectText } from "../../mesh/observe/format.ts";
import type { Flow } from "../../mesh/observe/types.ts";
import type { Story } from "../demo/story.ts";
import {
  BACKEND,
  CLUSTER,
  ECHO_PORT,
  FLOWS,
  HTTP_PORT,
  OUTSIDE,
  POLICY_FILE,
  SECURE_ACCESS,
  SERVICE,
  WITH_ECHO,
  WITH_POST,
} from "./cluster.ts";
import type { DemoFlow } from "./cluster.ts";

/** A dropped SYN is not answered, and sent again after a second: one attempt is one packet. */
const DROPPED_MS = 700;
/** What should succeed may take its time. */
const PATIENCE_MS = 5_000;
const POLL_MS = 2;
const LOAD_EVERY_MS = 10;
/** How long the load goes on before the agent is killed, and after it is back. */
const LOAD_MS = 400;

interface Stage {
  readonly bed: Bed;
  readonly folder: ClusterFolder;
  /** By node. */
  readonly agents: Map<string, BedAgent>;
  /** By the names that flows use. */
  readonly hands: ReadonlyMap<string, Hand>;
}

export async function runOnKernel(story: Story): Promise<void> {
  const objects = Object.entries(CLUSTER).flatMap(([file, yaml]) => parseObjects(yaml, file).objects);
  const plan = planOf(clusterOf(objects.map(({ object }) => object)), OUTSIDE);
  using bed = await story.step(
    "make two nodes, of namespaces",
    () => createBed({ ...plan, pods: [] }),
    () => plan.nodes.map((node) => `${node.name} ${node.addresses.join()}`).join(", "),
  );
  const folder = new ClusterFolder(bed.files);
  for (const [file, yaml] of Object.entries(CLUSTER)) folder.write(file, yaml);
  const agents = await story.step(
    "start an agent on each",
    async () => {
      const started = await Promise.all([...bed.nodes.values()].map((node) => startAgent(node, folder.path)));
      return new Map(started.map((agent) => [agent.node.name, agent]));
    },
    () => "they say that they are ready",
  );
  await story.step(
    "make pods; policy is in force before their links are up",
    () =>
      bed.addPods(
        plan.pods,
        agentCni((node) => agentOf(agents, node)),
      ),
    (pods) => pods.map(({ pod }) => `${pod.name} ${pod.addresses.join()}`).join(", "),
  );
  const hands = await story.step("start processes in them", () => startHands(bed));
  const stage: Stage = { bed, folder, agents, hands };

  await tellOpen(story, stage);
  await tellPolicy(story, stage);
  await tellWhy(story, stage);
  await tellMetrics(story, stage);
  await tellEdit(story, stage);
  await tellRestart(story, stage);
  await story.step("clean up", async () => {
    await Promise.all([...agents.values()].map((agent) => agent.end("SIGTERM")));
    bed.close();
  });
}

// ---- setting up ----

function agentOf(agents: ReadonlyMap<string, BedAgent>, node: string): BedAgent {
  const agent = agents.get(node);
  if (agent === undefined) throw new RangeError(`no agent on ${node}`);
  return agent;
}

async function startHands(bed: Bed): Promise<ReadonlyMap<string, Hand>> {
  const places: readonly (readonly [string, Place])[] = [
    ...[...bed.pods.values()].map((place) => [place.pod.name, place] as const),
    ...bed.outside,
  ];
  const hands = new Map(
    await Promise.all(places.map(async ([name, place]) => [name, await bed.start(place)] as const)),
  );
  const backend = handOf(hands, "backend");
  await backend.listen("http", HTTP_PORT);
  await backend.listen("tcp", ECHO_PORT);
  return hands;
}

function handOf(hands: ReadonlyMap<string, Hand>, name: string): Hand {
  const hand = hands.get(name);
  if (hand === undefined) throw new RangeError(`no process in ${name}`);
  return hand;
}

/** Puts a file into the folder, and waits until the agents say that it is in force. */
async function apply(story: Story, { folder, agents }: Stage, what: string, yaml: string | null): Promise<void> {
  await story.step(
    what,
    async () => {
      const all = [...agents.values()];
      const before = await Promise.all(all.map(revisionOf));
      if (yaml === null) folder.remove(POLICY_FILE);
      else folder.write(POLICY_FILE, yaml);
      await Promise.all(all.map((agent, i) => waitForRevision(agent, (before[i] ?? 0) + 1)));
    },
    () => "in force on both nodes",
  );
}

/** What is in force for every pod of the node; 0 while a waypoint that it needs has yet to start. */
async function revisionOf({ client }: BedAgent): Promise<number> {
  const endpoints = await client.endpoints();
  return Math.min(...endpoints.map(({ revision, waypoint }) => (waypoint === "down" ? 0 : revision)));
}

async function waitForRevision(agent: BedAgent, revision: number): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while ((await revisionOf(agent)) < revision) {
    if (Date.now() > end) throw new Error(`the agent of ${agent.node.name} did not put the change in force`);
    await sleep(POLL_MS);
  }
}

// ---- the story ----

async function tellOpen(story: Story, stage: Stage): Promise<void> {
  await story.step("before there is a policy", async () => {
    const flow = { source: "other", destination: "backend", port: HTTP_PORT, request: null } as const;
    story.check("other -> backend:80, before", "connected", await attempt(stage, { ...flow, expected: "connected" }));
  });
}

async function tellPolicy(story: Story, stage: Stage): Promise<void> {
  await apply(story, stage, `apply ${POLICY_FILE}`, SECURE_ACCESS);
  for (const flow of FLOWS) {
    await story.step(flow.what, async () => {
      story.check(flow.what, flow.expected, await attempt(stage, flow));
    });
  }
}

type Attempted = Pick<DemoFlow, "source" | "destination" | "port" | "request" | "expected">;

async function attempt({ hands }: Stage, { source, destination, port, request, expected }: Attempted): Promise<string> {
  const address = destination === "service" ? SERVICE.address : BACKEND;
  const limitMs = expected === "no connection" ? DROPPED_MS : PATIENCE_MS;
  const one = { address, port, limitMs };
  const hand = handOf(hands, source);
  const tried = await (request === null
    ? hand.try({ service: "tcp", ...one })
    : hand.try({ service: "http", ...one, request }));
  const asked = tried.peer === null || tried.peer === `${address}:${port}`;
  return asked ? outcomeOf(tried) : `${outcomeOf(tried)}, but from ${tried.peer}`;
}

function outcomeOf({ outcome, status, errno }: Tried): string {
  if (outcome === "timeout" || outcome === "forbidden") return "no connection";
  if (outcome !== "reached") return `${outcome}: ${errno}`;
  return status === null ? "connected" : String(status);
}

/** The flow log of the backend's node must have each flow, with the rule that decided. */
async function tellWhy(story: Story, stage: Stage): Promise<void> {
  await story.step("ask the flow log why", async () => {
    const lines: { flow: string }[] = [];
    for (const flow of FLOWS) {
      const logged = await findFlow(stage, flow);
      story.check(`flow log: ${flow.what}`, flow.why, logged === null ? "not logged" : whyOf(logged));
      if (logged !== null) lines.push({ flow: formatFlow(logged) });
    }
    story.show("flows", lines);
  });
}

/** The newest that is this one; events take a moment from the kernel to the log. */
async function findFlow({ agents, bed }: Stage, { source, port, request }: DemoFlow): Promise<Flow | null> {
  const { client } = agentOf(agents, bed.pod("default/backend").node.name);
  const target = request === null ? port : HTTP_PORT;
  const end = Date.now() + PATIENCE_MS;
  do {
    let found: Flow | null = null;
    for await (const next of client.flows()) {
      if (!("flow" in next)) continue;
      const { flow } = next;
      const isFrom = flow.source.pod === source || (flow.source.pod === null && source === "outside");
      const isIt =
        request === null
          ? flow.http === null && flow.direction === "ingress" && !flow.closed
          : flow.http?.path === request.path && flow.http.method === request.method;
      if (isFrom && isIt && flow.destination.ip === BACKEND && flow.destination.port === target) found = flow;
    }
    if (found !== null) return found;
    await sleep(POLL_MS);
  } while (Date.now() < end);
  return null;
}

function whyOf({ verdict, rule, reason, http, closedBy }: Flow): string {
  const by = rule === null ? "" : `${objectText(rule.object)} ${rule.section}[${rule.index}]`;
  if (http !== null && verdict === "DROPPED") return `DROPPED, no HTTP rule of ${by} matches`;
  if (reason !== null) return `${verdict}, ${reason.text}: no rule of ${closedBy.map(objectText).join(", ")} allows it`;
  return by === "" ? verdict : `${verdict} by ${by}`;
}

/** Metrics under the names of existing dashboards, and what must be in them. */
const METRICS = [
  { line: 'cilium_drop_count_total{reason="Policy denied",direction="INGRESS"}', least: 3 },
  { line: "cilium_forward_count_total", least: 10 },
  { line: "hubble_http_requests_total", least: 5 },
  { line: "cilium_policy_max_revision", least: 1 },
] as const;

async function tellMetrics(story: Story, { agents, bed }: Stage): Promise<void> {
  await story.step("read the metrics", async () => {
    const text = await agentOf(agents, bed.pod("default/backend").node.name).client.metrics();
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const rows = METRICS.map(({ line, least }) => {
      const values = samples.filter((sample) => sample.startsWith(line)).map((s) => Number(s.split(" ").at(-1)));
      const sum = values.reduce((total, value) => total + value, 0);
      story.check(`metric ${line}`, `${least} or more`, sum >= least ? `${least} or more` : String(sum));
      return { metric: line, value: sum };
    });
    story.show("metrics", rows);
  });
}

async function tellEdit(story: Story, stage: Stage): Promise<void> {
  const post = FLOWS.find((flow) => flow.request?.method === "POST");
  await apply(story, stage, "edit the policy: POST is allowed too", WITH_POST);
  if (post !== undefined)
    story.check(`${post.what}, after the edit`, "200", await attempt(stage, { ...post, expected: "200" }));
  await apply(story, stage, `edit it again: port ${ECHO_PORT} too`, WITH_ECHO);
}

/** Load goes on while the agent is killed and started again; then a policy takes an open connection away. */
async function tellRestart(story: Story, stage: Stage): Promise<void> {
  const { agents, folder, bed, hands } = stage;
  const { name } = bed.pod("default/backend").node;
  const [frontend, other] = [handOf(hands, "frontend"), handOf(hands, "other")];
  const { connection } = await frontend.connect(BACKEND, ECHO_PORT, PATIENCE_MS);
  const request = { method: "GET", path: "/public/load" };
  const web = { address: BACKEND, port: HTTP_PORT };
  const runs = await Promise.all([
    frontend.pump(connection, 100),
    frontend.repeat({ service: "http", ...web, limitMs: PATIENCE_MS, request }, LOAD_EVERY_MS),
    other.repeat({ service: "tcp", ...web, limitMs: LOAD_EVERY_MS }, 0),
  ]);
  await sleep(LOAD_MS);
  await story.step(
    `kill -9 the agent of ${name}, and start it again`,
    async () => {
      await agentOf(agents, name).end("SIGKILL");
      await sleep(LOAD_MS);
      agents.set(name, await startAgent(bed.node(name), folder.path));
      await sleep(LOAD_MS);
    },
    () => "under load",
  );
  const [echoes, requests, intrusions] = await Promise.all([
    frontend.halt(runs[0]),
    frontend.halt(runs[1]),
    other.halt(runs[2]),
  ]);
  story.check("messages on an open connection, meanwhile", "all intact", allOf(echoes, "intact"));
  story.check("frontend GET /public/load, meanwhile", "all 200", allOf(requests, "200"));
  story.check("other -> backend:80, meanwhile", "all timeout", allOf(intrusions, "timeout"));
  story.show(
    "load while the agent was killed and started again",
    Object.entries({ messages: echoes, requests, "forbidden connections": intrusions }).map(([what, totals]) => ({
      what,
      count: totals.count,
      outcomes: Object.entries(totals.outcomes)
        .map(([outcome, count]) => `${count} ${outcome}`)
        .join(", "),
      slowest: `${totals.slowestMs.toFixed(1)} ms`,
    })),
  );
  await apply(story, stage, `take port ${ECHO_PORT} away again`, WITH_POST);
  const cut = await frontend.exchange(connection, 1, 100, DROPPED_MS).then(
    () => "bytes still pass",
    () => "no byte passes",
  );
  story.check("the open connection, after that", "no byte passes", cut);
}

function allOf({ outcomes, count }: Totals, expected: string): string {
  const others = Object.entries(outcomes).filter(([outcome]) => outcome !== expected);
  if (others.length > 0) return others.map(([outcome, times]) => `${times} of ${count} ${outcome}`).join(", ");
  return count > 0 ? `all ${expected}` : "none";
}
