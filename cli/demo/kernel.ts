/**
 * The story on the real kernel: pods, processes, sockets; every line of the table is something that happened to a TCP
 * connection, and the programs' own events and counters must agree with it.
 */
import type { ObjectSpec } from "../../lib/object/index.ts";
import { attachCgroup, attachSockmap, attachTcx, attachXdp, load } from "../../loader/index.ts";
import type { Attachment, InterfaceTarget, LoadedObject, RingBuffer } from "../../loader/index.ts";
import { createBed } from "../../mesh/bed/bed.ts";
import type { Bed, PodPlace } from "../../mesh/bed/bed.ts";
import type { Hand } from "../../mesh/bed/hand-process.ts";
import type { BedNode, BedPod } from "../../mesh/bed/plan.ts";
import { ADMIN, BACKEND, FRONTEND, MESSAGES, OTHER, PODS, TELNET, WEB, compileExamples } from "./scenario.ts";
import type { DenyEvent, DropEvent, Example, Pod } from "./scenario.ts";
import type { Story } from "./story.ts";
import {
  checkCounters,
  checkMessages,
  connectedTo,
  fillMaps,
  showCounters,
  tellTraffic,
  whyDropped,
} from "./traffic.ts";
import type { Maps, Stage, Tried } from "./traffic.ts";

/**
 * A dropped SYN is not answered: long enough for a busy machine to answer one that is not dropped, and over before it is
 * sent again (after 1 s, TCP_TIMEOUT_INIT), so that an attempt is one packet.
 */
const DROPPED_MS = 700;
/** What should succeed may take its time. */
const PATIENCE_MS = 5_000;

/** Where the pods run. */
const NODE: BedNode = { name: "node", addresses: ["172.18.0.1"] };
const NAMESPACE = "default";
const bedPodOf = ({ name, address }: Pod): BedPod => ({
  namespace: NAMESPACE,
  name,
  node: NODE.name,
  addresses: [address],
  hostNetwork: false,
});
const keyOf = ({ name }: Pod): string => `${NAMESPACE}/${name}`;
/** Where programs of a pod are attached: the node's end of its pair. */
const onNode = ({ node, nodeDevice }: PodPlace): InterfaceTarget => ({
  interface: nodeDevice?.name ?? "",
  netns: node.netns,
});

type Loaded = Record<Example, LoadedObject>;

interface KernelStage extends Stage {
  readonly bed: Bed;
  readonly loaded: Loaded;
  readonly frontend: Hand;
  readonly drops: RingBuffer<DropEvent>;
  readonly denials: RingBuffer<DenyEvent>;
  readonly dropped: DropEvent[];
  readonly denied: DenyEvent[];
}

type Way = Pick<Tried, "source" | "destination" | "port">;

export async function runOnKernel(story: Story): Promise<void> {
  const objects = await compileExamples(story);
  using bed = await story.step(
    "make pods",
    () => createBed({ nodes: [NODE], pods: PODS.map(bedPodOf), outside: [] }),
    () => PODS.map((p) => `${p.name} ${p.address}`).join(", "),
  );
  const links: Attachment[] = [];
  const loaded: LoadedObject[] = [];
  try {
    const all = await story.step(
      "load",
      () => loadAll(objects, loaded),
      (l) => describeLoaded(Object.values(l)),
    );
    await story.step("fill maps", () => fillMaps(mapsOf(all)));
    await story.step(
      "attach filter, policy and redirect",
      () => attachFirst(all, bed, links),
      () => describeLinks(links),
    );
    const stage = await story.step(
      "start processes",
      () => startProcesses(all, bed),
      () => "one in each pod",
    );
    await tellTraffic(story, stage);
    checkCounters(story, stage);
    await tellShortcut(story, stage, links);
    checkMessages(story, stage);
    showCounters(story, stage);
  } finally {
    for (const link of links.toReversed()) link.detach();
    for (const object of loaded.toReversed()) object.close();
  }
  await story.step("clean up", () => bed.close());
}

// ---- setting up ----

async function loadAll(objects: Record<Example, ObjectSpec>, opened: LoadedObject[]): Promise<Loaded> {
  const all: Partial<Loaded> = {};
  for (const [name, object] of Object.entries(objects)) {
    const loaded = await load(object);
    opened.push(loaded);
    all[name as Example] = loaded;
  }
  return all as Loaded;
}

function describeLoaded(objects: readonly LoadedObject[]): string {
  const count = (of: (o: LoadedObject) => number): number => objects.reduce((sum, o) => sum + of(o), 0);
  return `${count((o) => o.programs.size)} programs, ${count((o) => o.maps.size)} maps, accepted by the verifier`;
}

/** The filter sees what each pod sends, the policy what the backend is sent, the redirect every connect() in the bed. */
function attachFirst(loaded: Loaded, bed: Bed, links: Attachment[]): void {
  const filter = loaded["xdp-filter"].program("filter");
  for (const pod of bed.pods.values()) links.push(attachXdp(filter, onNode(pod)));
  links.push(attachTcx(loaded["tcx-policy"].program("policy"), onNode(bed.pod(keyOf(BACKEND)))));
  for (const name of ["redirect", "peer"])
    links.push(attachCgroup(loaded["service-redirect"].program(name), bed.cgroup));
}

/** Without the directories of the groups. */
function describeLinks(links: readonly Attachment[]): string {
  return links.map(({ where }) => where.replace(/\/\S*\//, "")).join(", ");
}

function mapsOf(loaded: Loaded): Maps {
  return (example, name) => loaded[example].map(name);
}

async function startProcesses(loaded: Loaded, bed: Bed): Promise<KernelStage> {
  const start = (pod: Pod): Promise<Hand> => bed.start(bed.pod(keyOf(pod)));
  const [frontend, backend, other] = await Promise.all([start(FRONTEND), start(BACKEND), start(OTHER)]);
  const hands = { frontend, backend, other };
  for (const port of [WEB, ADMIN, TELNET]) await backend.listen("tcp", port);
  const drops = loaded["xdp-filter"].ringbuf<DropEvent>("drops");
  const denials = loaded["tcx-policy"].ringbuf<DenyEvent>("denials");
  const stage: KernelStage = {
    bed,
    loaded,
    frontend,
    drops,
    denials,
    dropped: [],
    denied: [],
    maps: mapsOf(loaded),
    attempt: (from, destination, port, reaches) =>
      attempt(stage, hands[from.name], { source: from.address, destination, port }, reaches ? PATIENCE_MS : DROPPED_MS),
  };
  return stage;
}

// ---- what happens ----

async function attempt(stage: KernelStage, from: Hand, way: Way, limit: number): Promise<string> {
  const seen = { drops: stage.dropped.length, denials: stage.denied.length };
  const { connection, outcome, errno, peer } = await from.connect(way.destination, way.port, limit);
  collectEvents(stage);
  if (outcome === "reached") {
    const { intact } = await from.exchange(connection, 1, 100);
    await from.disconnect(connection);
    return intact ? connectedTo(String(peer)) : "connected, but the echo differs";
  }
  if (outcome !== "timeout") return `${outcome}: ${errno}`;
  return whyDropped(stage, { ...way, ...seen }) ?? "no answer, and no program said why";
}

function collectEvents({ drops, denials, dropped, denied }: KernelStage): void {
  for (let e = drops.read(); e !== undefined; e = drops.read()) dropped.push(e);
  for (let e = denials.read(); e !== undefined; e = denials.read()) denied.push(e);
}

/** The same exchange twice: through the network, then with the shortcut attached; the devices' counters tell. */
async function tellShortcut(story: Story, stage: KernelStage, links: Attachment[]): Promise<void> {
  const what = `${MESSAGES.rounds} messages of ${MESSAGES.size} bytes`;
  const { bed, loaded } = stage;
  await story.step(`${what}, by the network`, async () => {
    const { intact, moved } = await measureExchange(stage);
    const observed = moved >= 2 * MESSAGES.rounds ? "on the devices" : `${moved} packets`;
    story.check(`${what} by the network`, "intact, on the devices", `${intact}, ${observed}`);
  });
  await story.step("attach the shortcut", () => {
    const shortcut = loaded["socket-shortcut"];
    links.push(attachSockmap(shortcut.program("shortcut"), shortcut.map<never, never>("sockets")));
    links.push(attachCgroup(shortcut.program("remember"), bed.cgroup));
  });
  await story.step(`${what}, by the shortcut`, async () => {
    const { intact, moved } = await measureExchange(stage);
    story.check(
      `${what} by the shortcut`,
      "intact, 0 packets on the devices",
      `${intact}, ${moved} packets on the devices`,
    );
  });
}

/** Packets on the two pods' devices during an exchange, without those of opening and closing the connection. */
async function measureExchange({ bed, frontend }: KernelStage): Promise<{ intact: string; moved: number }> {
  const pods = [bed.pod(keyOf(FRONTEND)), bed.pod(keyOf(BACKEND))];
  const read = async (): Promise<number> => {
    await bed.settle();
    return pods.map((p) => bed.counters(p)).reduce((sum, c) => sum + c.received + c.sent, 0);
  };
  const { connection, outcome } = await frontend.connect(BACKEND.address, WEB, PATIENCE_MS);
  if (outcome !== "reached") return { intact: `not connected (${outcome})`, moved: 0 };
  const before = await read();
  const { intact } = await frontend.exchange(connection, MESSAGES.rounds, MESSAGES.size);
  const after = await read();
  await frontend.disconnect(connection);
  return { intact: intact ? "intact" : "damaged", moved: after - before };
}
