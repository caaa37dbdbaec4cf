// Live connections as a judge: the fixture's cluster made of namespaces, an agent on each node, policies put into the folder
// that they watch, and real sockets that try.
//
// Policy is in force when every agent has said so (`refresh`); nothing sleeps. What has to fail is given less time than what
// has to succeed: a dropped packet is not answered, however long one waits.
import { setTimeout as sleep } from "node:timers/promises";
import { agentCni, ClusterFolder, createBed, planOf, startBedAgent } from "../../dist/mesh/index.js";
import { documentKey } from "./fixture.mjs";

/** An answer comes within milliseconds, and a lost SYN is sent again after a second. */
const PATIENCE_MS = 3000;
const DENIED_MS = 500;
const WAYPOINT_MS = 10_000;

let stage = null;

export const liveJudge = {
  name: "live",
  async open(world) {
    stage ??= await Stage.make(world);
    return new LiveSession(stage);
  },
  async close() {
    await stage?.close();
    stage = null;
  },
};

/** The bed with agents and hands: made once, for all cases. */
class Stage {
  bed;
  #folder;
  #documents = new Map();
  #agents = new Map();
  #hands = new Map();
  #listening = new Map();

  static async make({ fixture, cluster, documents }) {
    const made = new Stage();
    const outside = fixture.external.map(({ name, ip }) => ({ name, addresses: [ip] }));
    const plan = planOf(cluster, outside);
    made.bed = await createBed({ ...plan, pods: [] });
    try {
      made.#folder = new ClusterFolder(made.bed.files);
      made.#write(new Map(documents.map((document) => [documentKey(document), document])));
      for (const node of made.bed.nodes.values())
        made.#agents.set(node.name, await startBedAgent(node, made.#folder.path));
      await made.#addPods(plan.pods);
      return made;
    } catch (error) {
      made.bed.close();
      throw error;
    }
  }

  /** Makes the cluster be this one, and waits until it is in force everywhere. */
  async update(cluster, documents) {
    const wanted = planOf(cluster).pods;
    const names = new Set(wanted.map(({ namespace, name }) => `${namespace}/${name}`));
    for (const name of this.bed.pods.keys()) if (!names.has(name)) await this.bed.deletePod(name);
    this.#write(documents);
    await this.#addPods(wanted.filter(({ namespace, name }) => !this.bed.pods.has(`${namespace}/${name}`)));
    await Promise.all([...this.#agents.values()].map(({ client }) => inForce(client)));
  }

  /** One try from the named end to an address that `destination` serves. */
  async attempt(source, destination, { service, address, port, request, limitMs }) {
    if (destination !== null && service !== "icmp") await this.#listen(destination, service, port);
    const hand = await this.#handOf(source);
    // That connect() succeeds says little where the pod's own waypoint accepts: the other end has to take part in the end.
    return hand.try({ service, address, port, limitMs, orderly: true, ...(request === undefined ? {} : { request }) });
  }

  async listen(destination, service, port) {
    await this.#listen(destination, service, port);
  }

  async close() {
    for (const agent of this.#agents.values()) await agent.end("SIGTERM");
    this.bed.close();
  }

  #write(documents) {
    for (const key of this.#documents.keys()) if (!documents.has(key)) this.#folder.remove(fileOf(key));
    for (const [key, document] of documents) {
      const text = `${JSON.stringify(document)}\n`;
      if (this.#documents.get(key) !== text) this.#folder.write(fileOf(key), text);
      this.#documents.set(key, text);
    }
    for (const key of [...this.#documents.keys()]) if (!documents.has(key)) this.#documents.delete(key);
  }

  async #addPods(pods) {
    await this.bed.addPods(
      pods,
      agentCni((node) => this.#agents.get(node)),
    );
  }

  #placeOf(name) {
    if (name.startsWith("host:")) return this.bed.node(name.slice("host:".length));
    if (name.startsWith("ext:")) return this.bed.outside.get(name.slice("ext:".length));
    return this.bed.pod(name);
  }

  /** By place: a pod that was made again has a new one. */
  #handOf(name) {
    const place = this.#placeOf(name);
    if (!this.#hands.has(place)) this.#hands.set(place, this.bed.start(place));
    return this.#hands.get(place);
  }

  /** A host-network pod and its node serve the same ports, so one of them does it for both. */
  async #listen(name, service, port) {
    const place = this.#placeOf(name);
    const kind = service === "http" ? "tcp" : service;
    const key = `${place.netns} ${kind} ${port}`;
    const listening = this.#listening.get(key);
    if (listening?.place.netns === place.netns && this.#isThere(listening.place)) return listening.done;
    const done = this.#handOf(name).then((hand) => hand.listen(kind === "tcp" ? "http" : kind, port));
    this.#listening.set(key, { place, done });
    return done;
  }

  #isThere(place) {
    return [...this.bed.nodes.values(), ...this.bed.outside.values(), ...this.bed.pods.values()].includes(place);
  }
}

/** Resolves when an agent has put what is written in force, and the waypoint listens wherever that needs it. */
async function inForce(client) {
  await client.refresh();
  const end = Date.now() + WAYPOINT_MS;
  while ((await client.endpoints()).some(({ waypoint }) => waypoint === "down")) {
    if (Date.now() > end) throw new Error(`the waypoint behind ${client.socket} does not start`);
    await sleep(10);
  }
}

class LiveSession {
  #stage;
  #dns = false;

  constructor(shared) {
    this.#stage = shared;
  }

  update(cluster, documents) {
    return this.#stage.update(cluster, documents);
  }

  /** Agents learn names from answers that pass them; here are none. Flows of such a case cannot be judged. */
  observeDns() {
    this.#dns = true;
  }

  forgetDns() {}

  judgeDns() {
    return null;
  }

  async judge({ src, dst, to, proto, port, icmp, method, path, host, headers, expect }) {
    const service = method === undefined ? CLIENTS[proto] : "http";
    // ICMP of IPv4 between IPv6 addresses is asked of rules, and cannot be sent.
    if (service === undefined || this.#dns || (proto === "ICMP" && to.includes(":"))) return null;
    const request = method === undefined ? undefined : { method, path, headers: Object.entries(headers ?? {}), host };
    if (request?.host === undefined) delete request?.host;
    const limitMs = expect === "deny" ? DENIED_MS : PATIENCE_MS;
    const tried = await this.#stage.attempt(src, dst, { service, address: to, port: icmp ?? port, request, limitMs });
    return verdictOf(tried);
  }

  close() {}
}

/** Kernels without SCTP have no such sockets. */
const CLIENTS = { TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMPv6: "icmp" };

function verdictOf({ outcome, status, errno }) {
  if (outcome !== "reached") return outcome === "failed" || outcome === "cut" ? `${outcome} ${errno}` : "deny";
  if (status === null || status === 200) return "allow";
  return status === 403 ? "http403" : `status ${status}`;
}

const fileOf = (key) => `${key.replaceAll(/[ /]/g, "_")}.json`;
