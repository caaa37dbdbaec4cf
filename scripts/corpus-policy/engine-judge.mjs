// The policy engine as a judge: one engine for each node, each end of a flow judged by its own node's.
import { createPolicyEngine } from "../../dist/mesh/index.js";

/** Answers are remembered until this time; the corpus has no clock. */
const SOON = 1000;

export const engineJudge = {
  name: "engine",
  open({ fixture }) {
    const engines = new Map(
      fixture.nodes.map(({ name }) => [name, createPolicyEngine({ node: name, clusterName: fixture.cluster })]),
    );
    return new EngineSession(engines);
  },
};

class EngineSession {
  #engines;
  #names = new Map();

  constructor(engines) {
    this.#engines = engines;
  }

  update(cluster) {
    for (const engine of this.#engines.values()) engine.update(cluster);
  }

  observeDns(names) {
    for (const [name, addresses] of Object.entries(names)) {
      this.#names.set(name, addresses);
      for (const engine of this.#engines.values()) engine.observeDns(name, addresses, SOON);
    }
  }

  /** All names expire, and those that are still good are seen again. */
  forgetDns(names) {
    for (const engine of this.#engines.values()) engine.expireDns(SOON);
    for (const name of names ?? [...this.#names.keys()]) this.#names.delete(name);
    this.observeDns(Object.fromEntries(this.#names));
  }

  judge({ from, to, source, destination, proto, port, icmp, method, path, host, headers }) {
    const http =
      method === undefined ? {} : { http: { method, path, host: host ?? "", headers: Object.entries(headers ?? {}) } };
    const flow = { source: from, destination: to, protocol: proto, port: icmp ?? port, ...http };
    const verdicts = [...this.#explain(source, flow, "egress"), ...this.#explain(destination, flow, "ingress")].map(
      ({ verdict }) => verdict,
    );
    if (verdicts.includes("deny")) return "deny";
    return verdicts.includes("http403") ? "http403" : "allow";
  }

  judgeDns({ source, server, name }) {
    const { verdict } = this.#engines.get(source.node).explainDns(source.pod, server, name);
    return verdict === "allow" ? "allow" : "refused";
  }

  close() {}

  #explain({ node, pod }, flow, direction) {
    if (pod === null) return [];
    return this.#engines
      .get(node)
      .explain(flow)
      .filter((one) => one.direction === direction);
  }
}
