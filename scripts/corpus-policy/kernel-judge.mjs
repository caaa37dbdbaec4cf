// The loaded tcx programs as a judge: each end of a flow by its own node's maps; HTTP rules by the number that the kernel gives.
import { canLoad } from "../../dist/loader/index.js";
import { compileHttpRules } from "../../dist/mesh/index.js";
import { KernelNode, pinToCpu } from "./kernel-node.mjs";

const CPU = 0;
/** Answers are remembered until this time; the corpus has no clock. */
const SOON = 1000;

/** Nodes stay loaded from case to case: their engines and maps go on from what they were. */
class KernelJudge {
  name = "kernel";
  #nodes = null;

  async open({ fixture }) {
    if (this.#nodes === null) {
      const loadable = canLoad();
      if (!loadable.ok) throw new Error(`programs cannot be loaded here: ${loadable.reason}`);
      pinToCpu(CPU);
      const nodes = fixture.nodes.map(async ({ name }) => [name, await KernelNode.open(name, fixture.cluster, CPU)]);
      this.#nodes = new Map(await Promise.all(nodes));
    }
    for (const node of this.#nodes.values()) node.expireDns(SOON);
    return new KernelSession(this.#nodes);
  }

  close() {
    for (const node of this.#nodes?.values() ?? []) node.close();
  }
}

export const kernelJudge = new KernelJudge();

class KernelSession {
  #nodes;
  #names = new Map();
  #matchers = new WeakMap();

  constructor(nodes) {
    this.#nodes = nodes;
  }

  update(cluster) {
    for (const node of this.#nodes.values()) node.update(cluster);
  }

  observeDns(names) {
    for (const [name, addresses] of Object.entries(names)) {
      this.#names.set(name, addresses);
      for (const node of this.#nodes.values()) node.observeDns(name, addresses, SOON);
    }
  }

  forgetDns(names) {
    for (const node of this.#nodes.values()) node.expireDns(SOON);
    for (const name of names ?? [...this.#names.keys()]) this.#names.delete(name);
    this.observeDns(Object.fromEntries(this.#names));
  }

  judge({ from, to, source, destination, proto, port, icmp, method, path, host, headers }) {
    const flow = { source: from, destination: to, protocol: proto, port: icmp ?? port };
    const request =
      method === undefined ? null : { method, path, host: host ?? "", headers: Object.entries(headers ?? {}) };
    const verdicts = [this.#ask(source, "egress", flow, request), this.#ask(destination, "ingress", flow, request)];
    if (verdicts.includes("deny")) return "deny";
    return verdicts.includes("http403") ? "http403" : "allow";
  }

  /** The kernel only hands queries over. */
  judgeDns() {
    return null;
  }

  close() {}

  #ask({ node, pod }, direction, flow, request) {
    if (pod === null) return "allow";
    const { action, l7 } = this.#nodes.get(node).ask(pod, direction, flow);
    if (action !== "redirect" || request === null) return action === "deny" ? "deny" : "allow";
    const set = this.#nodes.get(node).engine.httpRules(l7);
    const matcher = this.#matchers.get(set) ?? compileHttpRules(set);
    this.#matchers.set(set, matcher);
    return matcher.match(request) === null ? "http403" : "allow";
  }
}
