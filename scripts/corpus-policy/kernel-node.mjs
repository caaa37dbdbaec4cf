// One node in the kernel, without devices: the loaded programs and their maps, written by the engine's changes as the agent's
// datapath does, and packets through BPF_PROG_TEST_RUN.
//
// A test run has the loopback device as its own, so the endpoint that is asked about is the entry of that device: a copy of the
// entry that the datapath wrote for the pod. What the program decided is in its own per-CPU scratch, so all runs stay on one
// CPU (`pinToCpu`).
import { execFileSync } from "node:child_process";
import { load } from "../../dist/loader/index.js";
import { Writer } from "../../dist/mesh/datapath/writer.js";
import { defaultObjectPath, readObject } from "../../dist/mesh/datapath/object.js";
import { createPolicyEngine } from "../../dist/mesh/index.js";
import { buildPacket } from "./packets.mjs";

const LOOPBACK = 1;
/** Interfaces of pods, as far as the maps are concerned. */
const FIRST_INTERFACE = 1000;
const MAX_ENDPOINTS = 4096;
const WAYPOINT_UP = 2;
const ACTIONS = ["deny", "allow", "redirect"];
const PROGRAMS = { ingress: "to_pod", egress: "from_pod" };
const WRITTEN = [
  "settings",
  "endpoints",
  "namespaces",
  "hosts",
  "prefixes",
  "judgements",
  "verdicts",
  "portRanges",
  "deniedPrefixes",
];

/** All threads stay on the CPU. */
export function pinToCpu(cpu) {
  execFileSync("taskset", ["-acp", String(cpu), String(process.pid)]);
}

export class KernelNode {
  /** Loads the programs. `cpu`: where this process runs. */
  static async open(node, clusterName, cpu) {
    const object = await load(readObject(defaultObjectPath()), { programs: Object.values(PROGRAMS) });
    return new KernelNode(node, clusterName, cpu, object);
  }

  #node;
  #cpu;
  #object;
  #writer;
  #engine;
  /** `{ index, addresses }` by pod. */
  #registered = new Map();
  #asked = "";
  #runs = 0;

  constructor(node, clusterName, cpu, object) {
    this.#node = node;
    this.#cpu = cpu;
    this.#object = object;
    this.#engine = createPolicyEngine({ node, clusterName });
    this.#writer = new Writer(Object.fromEntries(WRITTEN.map((name) => [name, object.map(name)])));
    this.#writer.setSettings({ flags: 0, waypointPort: 0 });
  }

  get engine() {
    return this.#engine;
  }

  /** The cluster is another one; pods that came, went or have other addresses are registered anew. */
  update(cluster) {
    this.#write(this.#engine.update(cluster));
    const here = new Map([...cluster.pods].filter(([, pod]) => pod.node === this.#node && !pod.hostNetwork));
    for (const [pod, { addresses }] of this.#registered) {
      if (here.get(pod)?.addresses.join() === addresses.join()) continue;
      this.#writer.remove(pod);
      this.#registered.delete(pod);
    }
    for (const [pod, { addresses }] of here) if (!this.#registered.has(pod)) this.#add(pod, addresses);
    this.#writer.setWaypoint(new Set(here.keys()));
  }

  observeDns(name, addresses, expires) {
    this.#write(this.#engine.observeDns(name, addresses, expires));
  }

  expireDns(now) {
    this.#write(this.#engine.expireDns(now));
  }

  /**
   * What the program of that direction decides over the first packet of a flow of the pod: `{ action, rule, l7, passes }`. The
   * packet is from nobody else's flow: the endpoint has a number that no flow knows.
   */
  ask(pod, direction, flow) {
    this.#lend(pod, direction);
    const { returnValue } = this.#object.program(PROGRAMS[direction]).testRun({ data: buildPacket(flow) });
    const { action, rule, l7 } = this.#object.map("workPackets").get(0)[this.#cpu];
    return { action: ACTIONS[action], rule, l7, passes: returnValue === 0 };
  }

  close() {
    this.#writer.close();
    this.#object.close();
  }

  #write(change) {
    this.#writer.apply(change);
    this.#asked = "";
  }

  #add(pod, addresses) {
    const used = new Set([...this.#registered.values()].map(({ index }) => index));
    let index = FIRST_INTERFACE;
    while (used.has(index)) index++;
    this.#registered.set(pod, { index, addresses });
    const endpoint = {
      id: index - FIRST_INTERFACE + 1,
      pod,
      interfaceIndex: index,
      namespace: BigInt(index),
      addresses,
    };
    const policy = this.#engine.policyOf(pod);
    this.#writer.add(endpoint, { policy, identity: this.#engine.identityOf(addresses[0]) });
    this.#asked = "";
  }

  /** The loopback device is the pod's, under a new number. */
  #lend(pod, direction) {
    if (this.#asked === `${pod} ${direction}`) return;
    this.#asked = `${pod} ${direction}`;
    const endpoints = this.#object.map("endpoints");
    this.#runs++;
    const id = 1 + (this.#runs % (MAX_ENDPOINTS - 1));
    endpoints.set(LOOPBACK, {
      ...endpoints.get(this.#registered.get(pod).index),
      id,
      generation: this.#runs,
      flags: WAYPOINT_UP,
    });
  }
}
