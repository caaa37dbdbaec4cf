/**
 * The agent of one node: it reads the cluster from a source, has the engine say what that means for its pods, and the datapath
 * write it into the kernel; it takes registrations of pods, and shows all of it (`AgentView`).
 *
 *   source ── engine ──┬── datapath ── kernel ── events ── flow log
 *                      ├── services ─────┘
 *                      └── waypoint
 *
 * The kernel enforces without it. When the agent ends, by request or by kill -9, everything stays in force as it was, and the next one
 * goes on from there: registrations are on disk before they are answered, and whatever is found in the kernel is brought to
 * what the cluster says.
 */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { setImmediate as breathe, setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { DiagnosticError } from "ebpf-ts/diag";
import { serveApi } from "../control/api.ts";
import type { ApiServer } from "../control/api.ts";
import type { Source, SourceState } from "../control/source.ts";
import type {
  AgentView,
  Check,
  Counters,
  Drift,
  EndpointRegistration,
  EndpointView,
  MapUse,
  PolicyState,
  Probe,
  ServiceView,
  WaypointView,
} from "../control/view.ts";
import { mapAddress } from "../datapath/addresses.ts";
import { Datapath } from "../datapath/datapath.ts";
import type { DatapathEndpoint, Findings } from "../datapath/datapath.ts";
import { addressesInUse } from "../datapath/flows.ts";
import { agentError } from "../datapath/diagnostics.ts";
import type { NodeSite } from "../datapath/links.ts";
import type { PodPolicy } from "../datapath/writer.ts";
import { RESERVED_IDENTITIES } from "../identity/reserved.ts";
import type { Cluster, Pod } from "../objects/types.ts";
import { sockmapErrata } from "../services/sockmap-errata.ts";
import { createFlowContext } from "../observe/context.ts";
import { FlowLog } from "../observe/log.ts";
import { createPolicyEngine } from "../policy/engine.ts";
import type { EngineChange, PolicyEngine } from "../policy/types.ts";
import { readCounters } from "./counters.ts";
import { createLog, logDiagnostic } from "./log.ts";
import type { Log } from "./log.ts";
import { NameAuthority } from "./names.ts";
import { describeProbes } from "./probes.ts";
import { NodeServices } from "./services.ts";
import { StateFolder, removeState } from "./state.ts";
import type { SavedEndpoint } from "./state.ts";
import { NodeWaypoint } from "./waypoint.ts";

export interface AgentOptions {
  /** Name of the node, as Pods have it. */
  readonly node: string;
  /** Closed with the agent, and when it cannot start. */
  readonly source: Source;
  /** A folder of this node's own, kept across restarts. */
  readonly stateDir: string;
  /** A folder of this node's own on a bpf file system. */
  readonly bpffs: string;
  /** Path of the API's unix socket; null: it is not served. */
  readonly socket: string | null;
  /** Where metrics are served over TCP; null: nowhere. */
  readonly metricsAddress?: { readonly host: string; readonly port: number } | null;
  /** The node's devices, where denied prefixes are dropped, and the cgroup above all pods'; default: neither. */
  readonly site?: NodeSite;
  /** The node's network namespace; default: this process's. */
  readonly netns?: string;
  /** The compiled programs; default: the package's. */
  readonly object?: string;
  /** Allowed flows are told too, not only drops. Default: true. */
  readonly flowEvents?: boolean;
  /** Denied packets are told, counted, and pass. Default: false. */
  readonly audit?: boolean;
  /**
   * Whose same-node TCP may go from socket to socket: pods with the annotation (default), all, or nobody's. Both ends must, and the
   * kernel must not be known to be bad for it (`sockmapErrata`). Not for all by default: docs/mesh-services.md says who loses bytes.
   */
  readonly shortcut?: "annotated" | "all" | "off";
  readonly log?: Log;
}

export interface Agent extends AgentView {
  /** Resolves when the agent has been closed. */
  readonly closed: Promise<void>;
  /** Ends it. Everything in the kernel stays in force. */
  close(): Promise<void>;
  /** Ends it and takes everything out of the kernel: pods keep their traffic, without policy. */
  uninstall(): Promise<void>;
}

/** How often the kernel is compared with what should be there. */
const DRIFT_MILLISECONDS = 30_000;
/** What the engine has to keep is written when it has been quiet for so long. */
const SAVE_MILLISECONDS = 500;
/** How often addresses of names are looked at whose time is over. */
const DNS_MILLISECONDS = 5000;
/** How long readers have for what came by the shortcut, before it goes. */
const SHORTCUT_MILLISECONDS = 500;
const MAX_DRIFT = 100;
/** Events taken before others get their turn: about two milliseconds. */
const EVENTS_PER_TURN = 512;

/**
 * Starts an agent; resolves when the cluster as the source knows it is in force for all pods that were registered before. Rejects with a
 * `DiagnosticError` (N0xx); then nothing that was in force has changed.
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const agent = await NodeAgent.start(options).catch((failure: unknown) => {
    options.source.close();
    throw failure;
  });
  try {
    await agent.serve();
  } catch (failure) {
    await agent.close();
    throw failure;
  }
  return agent;
}

class NodeAgent implements Agent {
  readonly node: string;
  readonly version = readVersion();
  readonly started = Date.now();
  readonly engine: PolicyEngine;
  readonly flows: FlowLog;
  readonly closed: Promise<void>;
  bootstrapMilliseconds: number | null = null;
  private readonly options: AgentOptions;
  private readonly log: Log;
  private readonly state: StateFolder;
  private readonly datapath: Datapath;
  private readonly nodeServices: NodeServices;
  private readonly nodeWaypoint: NodeWaypoint;
  /** By `namespace/name`. */
  private readonly registered = new Map<string, SavedEndpoint>();
  /** The registered ones, for whoever asks often: another list when they changed. */
  private numbered: readonly Pick<EndpointView, "id" | "namespace" | "name">[] = [];
  private readonly stopping = new AbortController();
  private readonly seenDrift: Drift[] = [];
  private readonly told = new Set<string>();
  /** Programs that could not be attached somewhere, and why. */
  private readonly unattached = new Map<string, string>();
  private current: SourceState;
  private revision = 0;
  private readonly changes = { ok: 0, failed: 0 };
  private api: ApiServer | null = null;
  private timers: NodeJS.Timeout[] = [];
  private saving: NodeJS.Timeout | null = null;
  private end: () => void = () => {};

  private constructor(options: AgentOptions, datapath: Datapath, state: StateFolder) {
    this.options = options;
    this.node = options.node;
    this.log = options.log ?? createLog();
    this.datapath = datapath;
    this.state = state;
    this.engine = createPolicyEngine({ node: options.node, saved: state.readEngine() });
    this.current = options.source.state;
    this.flows = new FlowLog(
      createFlowContext({
        node: options.node,
        engine: this.engine,
        cluster: () => this.cluster(),
        endpoints: () => this.numbered,
      }),
    );
    this.nodeServices = new NodeServices(datapath);
    const { stateDir, netns = null } = options;
    const { engine, flows, log } = this;
    const dns = new NameAuthority(engine, (change) => this.takeNames(change));
    this.nodeWaypoint = new NodeWaypoint({ datapath, dns, engine, flows, log, stateDir, netns });
    this.closed = new Promise((resolve) => (this.end = resolve));
  }

  static async start(options: AgentOptions): Promise<NodeAgent> {
    const { bpffs, stateDir, object, netns, site } = options;
    const state = new StateFolder(stateDir);
    const saved = state.readEndpoints();
    const datapath = await Datapath.open({
      bpffs,
      stateDir,
      ...(object === undefined ? {} : { object }),
      ...(netns === undefined ? {} : { netns }),
      ...(site === undefined ? {} : { node: site }),
    });
    try {
      const agent = new NodeAgent(options, datapath, state);
      agent.begin(saved);
      return agent;
    } catch (failure) {
      datapath.close();
      throw failure;
    }
  }

  private begin(saved: readonly SavedEndpoint[]): void {
    const began = performance.now();
    const { flowEvents = true, audit = false, shortcut = "annotated" } = this.options;
    const { cluster } = this.current;
    const change = this.engine.update(cluster);
    this.nodeServices.update(cluster);
    this.datapath.setSettings({
      flowEvents,
      audit,
      shortcut: shortcut !== "off" && sockmapErrata(release()).length === 0,
    });
    this.applyShortcut();
    this.nodeWaypoint.prepare();
    for (const endpoint of saved) this.registered.set(keyOf(endpoint), endpoint);
    this.nodeWaypoint.apply(change);
    const findings = this.datapath.begin(
      change,
      saved.map((endpoint) => [describe(endpoint), this.knownOf(keyOf(endpoint))] as const),
    );
    this.revision++;
    this.bootstrapMilliseconds = Math.round(performance.now() - began);
    this.nodeWaypoint.begin();
    this.heed(findings);
    this.noteNumbers();
    for (const endpoint of this.registered.values()) this.addToWaypoint(endpoint);
    this.log("info", "policy is in force", {
      node: this.node,
      endpoints: this.registered.size,
      milliseconds: this.bootstrapMilliseconds,
    });
    void this.follow();
    void this.pump();
    this.timers = [
      setInterval(() => this.compareKernel(), DRIFT_MILLISECONDS),
      setInterval(() => this.expireNames(), DNS_MILLISECONDS),
    ];
    for (const timer of this.timers) timer.unref();
    this.saveSoon();
  }

  async serve(): Promise<void> {
    const { socket, metricsAddress = null } = this.options;
    if (socket === null) return;
    const onFault = (error: unknown, request: string): void =>
      this.log("error", "a request failed", {
        request,
        cause: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    this.api = await serveApi(this, { socket, metricsAddress, onFault });
  }

  async close(): Promise<void> {
    this.halt();
    this.nodeWaypoint.leave();
    await this.api?.close();
    this.datapath.close();
    this.end();
  }

  async uninstall(): Promise<void> {
    this.halt();
    this.datapath.setSettings({ shortcut: false });
    // What went by the shortcut and has not been read goes with the sockhash: readers get a moment.
    if (this.usesShortcut()) await pause(SHORTCUT_MILLISECONDS);
    await this.nodeWaypoint.uninstall();
    this.datapath.uninstall();
    removeState(this.options.stateDir);
    // Last: whoever waits for the agent's end waits for all of this.
    await this.api?.close();
    this.end();
  }

  /** From here on nothing is taken any more. */
  private halt(): void {
    this.stopping.abort();
    this.options.source.close();
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    if (this.saving === null) return;
    clearTimeout(this.saving);
    this.state.writeEngine(this.engine.save());
  }

  // ---- the cluster ----

  /** Each state that the source tells; the first is what `begin` has done. */
  private async follow(): Promise<void> {
    for await (const state of this.options.source.states()) {
      if (this.stopping.signal.aborted) return;
      if (state !== this.current) this.take(state);
    }
  }

  private take(state: SourceState): void {
    this.current = state;
    try {
      const change = this.engine.update(state.cluster);
      this.apply(change);
      this.nodeServices.update(state.cluster);
      this.applyShortcut();
      this.revision++;
      this.changes.ok++;
      this.log("info", "the cluster changed", {
        revision: this.revision,
        endpoints: change.endpoints.size,
        milliseconds: Math.round((performance.now() - state.seen) * 10) / 10,
      });
    } catch (failure) {
      this.changes.failed++;
      this.tell(failure);
    }
    this.alarm();
    this.saveSoon();
  }

  private expireNames(): void {
    const inUse = (addresses: ReadonlySet<string>): ReadonlySet<string> =>
      addressesInUse(this.datapath.map("flows").entriesRaw(), addresses);
    this.takeNames(this.engine.expireDns(Date.now(), inUse));
  }

  private applyShortcut(): void {
    this.datapath.setShortcut(this.shortcutPods());
  }

  private shortcutPods(): ReadonlySet<string> {
    const { shortcut = "annotated" } = this.options;
    const takes = ([, pod]: readonly [string, Pod]): boolean =>
      shortcut === "all" || (shortcut !== "off" && pod.shortcut);
    return new Set([...this.current.cluster.pods].filter(takes).map(([key]) => key));
  }

  private usesShortcut(): boolean {
    const pods = this.shortcutPods();
    return [...this.registered.keys()].some((pod) => pods.has(pod));
  }

  private takeNames(change: EngineChange): boolean {
    this.saveSoon();
    try {
      this.apply(change);
      return true;
    } catch (failure) {
      this.tell(failure);
      return false;
    }
  }

  private apply(change: EngineChange): void {
    const whole = this.withUnknownPods(change);
    this.nodeWaypoint.apply(whole);
    this.datapath.apply(whole);
  }

  /** Pods that were registered and that the cluster does not know, or no more, are of identity `init`. */
  private withUnknownPods(change: EngineChange): EngineChange {
    const init = this.engine.initPolicy();
    const unknown = [...this.registered.keys()].filter((pod) => {
      if (this.engine.policyOf(pod) !== undefined) return false;
      const known = this.datapath.knownOf(pod);
      return known?.identity !== RESERVED_IDENTITIES.init || known.policy !== init;
    });
    if (unknown.length === 0) return change;
    return {
      ...change,
      endpoints: new Map([...change.endpoints, ...unknown.map((pod) => [pod, init] as const)]),
      identities: new Map([...change.identities, ...unknown.map((pod) => [pod, RESERVED_IDENTITIES.init] as const)]),
    };
  }

  private knownOf(pod: string): PodPolicy {
    const policy = this.engine.policyOf(pod);
    if (policy === undefined) return { identity: RESERVED_IDENTITIES.init, policy: this.engine.initPolicy() };
    const [address] = this.current.cluster.pods.get(pod)?.addresses ?? [];
    return { identity: address === undefined ? RESERVED_IDENTITIES.init : this.engine.identityOf(address), policy };
  }

  // ---- endpoints ----

  async register(registration: EndpointRegistration): Promise<EndpointView> {
    const pod = keyOf(registration);
    checkRegistration(registration);
    const before = this.registered.get(pod);
    if (before !== undefined && this.datapath.placeOf(pod) !== undefined && isSame(before, registration)) {
      return this.viewOf(before);
    }
    this.remember(pod, { ...registration, id: before?.id ?? null });
    try {
      const { id } = this.datapath.add(describe({ ...registration, id: before?.id ?? null }), this.knownOf(pod));
      const saved = { ...registration, id };
      this.remember(pod, saved);
      this.addToWaypoint(saved);
      this.log("info", "endpoint registered", { pod, endpoint: id, interface: registration.interface });
      return this.viewOf(saved);
    } catch (failure) {
      this.remember(pod, null);
      this.tell(failure);
      throw failure;
    }
  }

  async unregister(namespace: string, name: string): Promise<boolean> {
    const pod = keyOf({ namespace, name });
    if (!this.registered.has(pod)) return false;
    this.datapath.remove(pod);
    this.nodeWaypoint.remove(pod);
    this.remember(pod, null);
    this.log("info", "endpoint removed", { pod });
    return true;
  }

  private addToWaypoint(endpoint: SavedEndpoint): void {
    const pod = keyOf(endpoint);
    const { id, netns, addresses } = endpoint;
    if (id !== null) this.nodeWaypoint.add({ pod, id, netns, addresses }, this.knownOf(pod).policy);
  }

  private remember(pod: string, endpoint: SavedEndpoint | null): void {
    if (endpoint === null) this.registered.delete(pod);
    else this.registered.set(pod, endpoint);
    this.saveEndpoints();
  }

  /** The numbers that endpoints got which had none. */
  private noteNumbers(): void {
    for (const [pod, endpoint] of this.registered) {
      this.registered.set(pod, { ...endpoint, id: this.datapath.placeOf(pod)?.id ?? endpoint.id });
    }
    this.saveEndpoints();
  }

  private saveEndpoints(): void {
    const endpoints = [...this.registered.values()];
    this.state.writeEndpoints(endpoints);
    this.numbered = endpoints.flatMap(({ id, namespace, name }) => (id === null ? [] : [{ id, namespace, name }]));
  }

  private viewOf(endpoint: SavedEndpoint): EndpointView {
    const pod = keyOf(endpoint);
    const { namespace, name, interface: device, netns, cgroup, addresses } = endpoint;
    const placed = this.datapath.placeOf(pod);
    const known = this.datapath.knownOf(pod);
    const identity = known?.identity ?? RESERVED_IDENTITIES.init;
    const problem = this.problemOf(pod, placed !== undefined);
    return {
      namespace,
      name,
      interface: device,
      netns,
      cgroup,
      addresses,
      id: placed?.id ?? 0,
      interfaceIndex: placed?.interfaceIndex ?? 0,
      identity,
      labels: this.engine.labelsOf(identity),
      state: problem !== null ? "not-ready" : identity === RESERVED_IDENTITIES.init ? "waiting-for-identity" : "ready",
      problem,
      revision: this.revision,
      enforcing: {
        ingress: this.engine.closedBy(pod, "ingress").length > 0,
        egress: this.engine.closedBy(pod, "egress").length > 0,
      },
      waypoint: this.nodeWaypoint.stateOf(pod, known?.policy),
    };
  }

  private problemOf(pod: string, placed: boolean): string | null {
    if (!placed) return "its interface is gone";
    return this.datapath.lockedDown().includes(pod)
      ? "its policy does not fit into the maps: everything is denied"
      : null;
  }

  // ---- what is shown ----

  cluster(): Cluster {
    return this.current.cluster;
  }

  policy(): PolicyState {
    const { cluster, diagnostics } = this.current;
    return {
      revision: this.revision,
      problems: [...diagnostics, ...this.nodeServices.problems],
      changes: { ...this.changes },
      objects: [...cluster.policies.values()].flatMap(([first]) => (first === undefined ? [] : [first.object])),
    };
  }

  endpoints(): readonly EndpointView[] {
    return [...this.registered.values()].map((endpoint) => this.viewOf(endpoint));
  }

  services(): readonly ServiceView[] {
    return this.nodeServices.describe();
  }

  checks(): readonly Check[] {
    const alarms = this.datapath.alarms();
    const own = this.cluster().nodes.get(this.node)?.addresses ?? [];
    const wrong = this.current.diagnostics.filter(({ severity }) => severity === "error").length;
    const missing = this.datapath.missing.map(({ program }) => program);
    const absent = [...new Set([...missing, ...this.unattached.keys()])];
    return [
      check(
        "datapath",
        absent.length === 0,
        absent.length === 0 ? "all programs are in place" : `without ${absent.join(", ")}`,
      ),
      check("capacity", alarms.length === 0, alarms[0]?.message ?? "everything fits"),
      check(
        "sources",
        wrong === 0,
        wrong === 0 ? "everything is in force" : `${wrong} errors: the last good version is in force`,
      ),
      check(
        "node",
        own.length > 0,
        own.length > 0
          ? `${this.node} is ${own.join(", ")}`
          : `there is no Node ${this.node} with an address: to its pods it is world, and HTTP rules let nothing through`,
      ),
      check("changes", this.changes.failed === 0, `${this.changes.failed} changes could not be written`),
    ];
  }

  probes(): readonly Probe[] {
    return describeProbes(this.datapath.object, this.datapath.missing, this.unattached);
  }

  waypoint(): WaypointView {
    return this.nodeWaypoint.state();
  }

  drift(): readonly Drift[] {
    return this.seenDrift;
  }

  counters(): Counters {
    return readCounters((name) => this.datapath.map(name));
  }

  maps(): Promise<readonly MapUse[]> {
    return this.datapath.uses();
  }

  async refresh(): Promise<number> {
    const { source } = this.options;
    await source.refresh();
    if (source.state !== this.current) this.take(source.state);
    return this.revision;
  }

  async checkDrift(): Promise<readonly Drift[]> {
    return this.compareKernel();
  }

  // ---- looking after the kernel ----

  private compareKernel(): readonly Drift[] {
    const before = this.seenDrift.length;
    this.heed(this.datapath.check());
    this.alarm();
    return this.seenDrift.slice(before);
  }

  /** Tells what was found, and lets go of pods whose interface is gone. */
  private heed({ diagnostics, gone, unattached }: Findings): void {
    for (const diagnostic of diagnostics) {
      logDiagnostic(this.log, diagnostic);
      if (diagnostic.code === "N010")
        this.seenDrift.push({ time: Date.now(), what: diagnostic.message, repaired: true });
    }
    this.seenDrift.splice(0, this.seenDrift.length - MAX_DRIFT);
    this.unattached.clear();
    for (const [program, reason] of unattached) this.unattached.set(program, reason);
    for (const pod of gone) {
      this.datapath.remove(pod);
      this.nodeWaypoint.remove(pod);
      this.remember(pod, null);
      this.log("warning", "the interface of an endpoint is gone", { pod });
    }
  }

  /** Each alarm is logged when it comes and when it goes. */
  private alarm(): void {
    const alarms = new Map(this.datapath.alarms().map((diagnostic) => [diagnostic.message, diagnostic]));
    for (const [message, diagnostic] of alarms) if (!this.told.has(message)) logDiagnostic(this.log, diagnostic);
    for (const message of this.told) if (!alarms.has(message)) this.log("info", "an alarm is over", { alarm: message });
    this.told.clear();
    for (const message of alarms.keys()) this.told.add(message);
  }

  private async pump(): Promise<void> {
    let taken = 0;
    for await (const _ of this.datapath.events(this.stopping.signal, (bytes) => this.flows.add(bytes))) {
      // A flood of events must not keep policy changes and requests waiting: what finds no room meanwhile is counted.
      if (++taken % EVENTS_PER_TURN === 0) await breathe();
    }
  }

  private saveSoon(): void {
    this.saving ??= setTimeout(() => {
      this.saving = null;
      this.state.writeEngine(this.engine.save());
    }, SAVE_MILLISECONDS).unref();
  }

  private tell(failure: unknown): void {
    if (!(failure instanceof DiagnosticError)) throw failure;
    for (const diagnostic of failure.diagnostics) logDiagnostic(this.log, diagnostic);
  }
}

const keyOf = ({ namespace, name }: Pick<EndpointRegistration, "namespace" | "name">): string => `${namespace}/${name}`;

function describe(endpoint: SavedEndpoint): DatapathEndpoint {
  const { interface: device, netns, cgroup, addresses, id } = endpoint;
  return { pod: keyOf(endpoint), interface: device, netns, cgroup, addresses, id };
}

function isSame(before: SavedEndpoint, now: EndpointRegistration): boolean {
  return isDeepStrictEqual(describe(before), describe({ ...now, id: before.id }));
}

/** Throws N006, N012. */
function checkRegistration({ interface: device, netns, cgroup, addresses, ...ref }: EndpointRegistration): void {
  for (const address of addresses) mapAddress(address);
  const problem =
    addresses.length === 0
      ? "has no address"
      : device === ""
        ? "has no interface"
        : !existsSync(netns)
          ? `has a network namespace that is not there: ${netns}`
          : cgroup !== null && !existsSync(cgroup)
            ? `has a cgroup that is not there: ${cgroup}`
            : null;
  if (problem !== null) throw agentError("N012", `pod ${keyOf(ref)} ${problem}`);
}

function check(name: string, ok: boolean, message: string): Check {
  return { name, state: ok ? "ok" : "degraded", message };
}

/** package.json stands above mesh/ in the sources and above dist/mesh/ when built. */
function readVersion(): string {
  const [path] = ["../../package.json", "../../../package.json"]
    .map((at) => new URL(at, import.meta.url))
    .filter((url) => existsSync(url));
  return path === undefined ? "unknown" : (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}
