/**
 * The waypoint as the agent sees it: what is in its process, whether that runs, and for which pods it listens.
 *
 * The process is started when the first pod's policy asks for HTTP rules and ended when none does any more. When it ends by
 * itself, every pod is reported as down at once, and it is started again, each time after a longer pause. A new process gets
 * everything from what is kept here.
 *
 * When an agent starts, the process of the one before may still run, with its listeners in place: it goes on until the new one
 * listens, and then drains. So an agent's restart costs no connection.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Diagnostic } from "ebpf-ts/diag";
import { answerDns } from "../dns/messages.ts";
import type { DnsAuthority, DnsRecord, DnsToAgent } from "../dns/messages.ts";
import type { EndpointPolicy, EngineChange, HttpRuleSet } from "../policy/types.ts";
import { waypointDiagnostic } from "./diagnostics.ts";
import { redirects, rulesOf } from "./flow-verdict.ts";
import { keyOfTuple } from "./messages.ts";
import type { FlowRules, FlowTuple, FromWaypoint, MapPaths, ToWaypoint } from "./messages.ts";
import type { AccessRecord } from "./types.ts";

export interface WaypointOptions {
  readonly maps: MapPaths;
  /** Port of the listeners for egress on loopback in the pods' namespaces. */
  readonly egressPort: number;
  /** File of the node's network namespace; null: this process's. */
  readonly netns: string | null;
  /** Remembers the process, so that the next agent finds it. */
  readonly stateDir: string;
  /** Program of the process; default: the package's. */
  readonly program?: string;
  /** What an address is now (`PolicyEngine.identityOf`). */
  identityOf(address: string): number;
  /**
   * The pods (`namespace/name`) in whose namespaces it listens, when they changed. `pending`: pods that are as they were, since an
   * earlier agent's process serves them until the new one says something about them.
   */
  changed(up: ReadonlySet<string>, pending: ReadonlySet<string>): void;
  /** `pod`: whose policy was asked. */
  access(pod: string, record: AccessRecord): void;
  /** Answers for DNS rules. Default: nothing may be asked. */
  readonly dns?: DnsAuthority;
  dnsAccess?(record: DnsRecord): void;
  diagnose(diagnostic: Diagnostic): void;
}

/** A pod of this node. */
export interface WaypointPod {
  /** `namespace/name`. */
  readonly pod: string;
  /** Number in the kernel's maps. */
  readonly id: number;
  readonly netns: string;
  readonly addresses: readonly string[];
}

export interface WaypointState {
  readonly state: "stopped" | "starting" | "running" | "failed";
  readonly pid: number | null;
  readonly endpoints: readonly string[];
  readonly restarts: number;
  readonly message: string | null;
}

/** Milliseconds: between crash and restart, doubled each time up to the second, forgotten after the third of running well. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 5000;
const WELL = 30_000;
/** Nobody asks for it: it may be asked for again at once; and an agent that starts does not know its pods yet. */
const LINGER = 3000;
const GRACE = 30_000;

const NO_DNS: DnsAuthority = { mayAsk: () => ({ allow: false, rule: 0 }), open: () => false };

const STATE_FILE = "waypoint.json";

interface Pod extends WaypointPod {
  policy: EndpointPolicy | null;
}

interface TrackedFlow {
  readonly tuple: FlowTuple;
  /** What the process goes by. */
  rules: FlowRules;
}

export class WaypointSupervisor {
  private readonly options: WaypointOptions;
  private readonly sets = new Map<number, HttpRuleSet>();
  private readonly pods = new Map<string, Pod>();
  /** By number. */
  private readonly names = new Map<number, string>();
  private readonly flows = new Map<string, TrackedFlow>();
  private readonly up = new Set<string>();
  /** Pods about which a process of this agent has said something. */
  private readonly told = new Set<string>();
  private child: ChildProcess | null = null;
  private ready = false;
  private stopped = false;
  private restarts = 0;
  private pause = FIRST_PAUSE;
  private message: string | null = null;
  private restartTimer: NodeJS.Timeout | null = null;
  private lingerTimer: NodeJS.Timeout | null = null;
  private wellTimer: NodeJS.Timeout | null = null;
  /** Processes of earlier agents; they drain when ours listens. */
  private predecessors: readonly StartedProcess[];

  constructor(options: WaypointOptions) {
    this.options = options;
    mkdirSync(options.stateDir, { recursive: true });
    this.predecessors = findProcesses(this.stateFile);
  }

  /** Whether an earlier agent's process still listens: its pods may be taken for up until `changed` says otherwise. */
  get inherited(): boolean {
    return this.predecessors.length > 0;
  }

  state(): WaypointState {
    const { child, restarts, message } = this;
    const failed = this.restartTimer !== null;
    const state = child === null ? (failed ? "failed" : "stopped") : this.ready ? "running" : "starting";
    return { state, pid: child?.pid ?? null, endpoints: [...this.up].toSorted(), restarts, message };
  }

  /** Whether it listens for the pod. */
  listensFor(pod: string): boolean {
    return this.up.has(pod);
  }

  /** Call before the change is written to the kernel, so that rules are there when connections come. */
  apply(change: EngineChange): void {
    if (change.first !== null) this.apply(change.first);
    for (const set of change.newHttpRules) this.sets.set(set.number, set);
    for (const number of change.oldHttpRules) this.sets.delete(number);
    if (change.newHttpRules.length > 0) this.send({ kind: "rules", set: change.newHttpRules, deleted: [] });
    for (const [name, policy] of change.endpoints) {
      const pod = this.pods.get(name);
      if (pod !== undefined) this.place(pod, policy);
    }
    const identitiesChanged = change.hosts.set.length > 0 || change.hosts.deleted.length > 0;
    if (change.endpoints.size > 0 || identitiesChanged) this.judgeFlows();
    if (change.oldHttpRules.length > 0) this.send({ kind: "rules", set: [], deleted: change.oldHttpRules });
    this.startOrStop();
  }

  /** A pod was registered, or has another place. */
  add(pod: WaypointPod, policy: EndpointPolicy | null): void {
    const known: Pod = { ...pod, policy: null };
    this.pods.set(pod.pod, known);
    this.names.set(pod.id, pod.pod);
    this.place(known, policy);
    this.startOrStop();
  }

  remove(name: string): void {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    this.pods.delete(name);
    this.names.delete(pod.id);
    this.send({ kind: "endpointGone", id: pod.id });
    this.markDown(name);
    this.told.delete(name);
    this.startOrStop();
  }

  /** Ends the process after what is under way, for good. */
  async stop(grace = GRACE): Promise<void> {
    this.leave();
    this.endPredecessors();
    const { child } = this;
    if (child === null) return;
    this.send({ kind: "drain", grace });
    child.ref();
    await new Promise<void>((resolve) => child.once("exit", () => resolve()));
    rmSync(this.stateFile, { force: true });
  }

  /** The agent ends and the process goes on. */
  leave(): void {
    this.stopped = true;
    for (const timer of [this.restartTimer, this.lingerTimer, this.wellTimer]) if (timer !== null) clearTimeout(timer);
    this.restartTimer = this.lingerTimer = this.wellTimer = null;
    // What it says from here on is for nobody.
    this.child?.removeAllListeners().on("error", () => undefined);
    this.child?.unref();
    this.child?.channel?.unref();
  }

  // ---- pods and flows --------------------------------------------------------------------------------------------

  private place(pod: Pod, policy: EndpointPolicy | null): void {
    pod.policy = policy;
    const { ingress, egress } = needsOf(pod);
    // Told also when it needs nothing any more: open connections go on by their verdicts, listeners go.
    if (ingress || egress || this.up.has(pod.pod)) this.send(describePod(pod));
  }

  /** Tells the process where other rules hold than it goes by. */
  private judgeFlows(): void {
    const verdicts: (readonly [FlowTuple, FlowRules])[] = [];
    for (const flow of this.flows.values()) {
      const rules = this.judge(flow.tuple);
      if (rules === flow.rules) continue;
      flow.rules = rules;
      verdicts.push([flow.tuple, rules]);
    }
    if (verdicts.length > 0) this.send({ kind: "verdicts", verdicts });
  }

  private judge({ endpoint, direction, remote, port }: FlowTuple): FlowRules {
    const policy = this.pods.get(this.names.get(endpoint) ?? "")?.policy ?? null;
    if (policy === null) return "deny";
    return rulesOf(policy, direction, this.options.identityOf(remote), port);
  }

  /** A first one is only answered when other rules hold; of a known one the process asks which. */
  private noteFlow(tuple: FlowTuple, rules: FlowRules): void {
    const key = keyOfTuple(tuple);
    const known = this.flows.get(key);
    const now = this.judge(tuple);
    this.flows.set(key, { tuple, rules: now });
    if (known !== undefined || now !== rules) this.send({ kind: "verdicts", verdicts: [[tuple, now]] });
  }

  // ---- the process -----------------------------------------------------------------------------------------------

  private get needed(): boolean {
    return [...this.pods.values()].some((pod) => needsOf(pod).ingress || needsOf(pod).egress);
  }

  private startOrStop(): void {
    if (this.stopped) return;
    if (this.needed) {
      if (this.lingerTimer !== null) clearTimeout(this.lingerTimer);
      this.lingerTimer = null;
      if (this.child === null && this.restartTimer === null) this.start();
    } else {
      this.lingerTimer ??= setTimeout(() => this.retire(), LINGER).unref();
    }
  }

  private start(): void {
    this.restartTimer = null;
    this.ready = false;
    const child = fork(this.options.program ?? defaultProgram(), {
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      // Not this process's flags; and not in its group, which a terminal may end as a whole.
      execArgv: [],
      detached: true,
    });
    this.child = child;
    child.on("message", (message) => this.receive(message as FromWaypoint));
    child.on("error", (error) => this.diagnose("W002", `the waypoint cannot be started: ${error.message}`));
    child.on("exit", (code, signal) => this.exited(child, code, signal));
    // First of all: what is told nothing ends with this agent, and what has listeners must be found by the next.
    this.remember(child);
    const { maps, egressPort, netns } = this.options;
    this.send({ kind: "configure", maps, egressPort, netns });
    this.send({ kind: "rules", set: [...this.sets.values()], deleted: [] });
    for (const pod of this.pods.values()) {
      const { ingress, egress } = needsOf(pod);
      if (ingress || egress) this.send(describePod(pod));
    }
  }

  /** Nobody needs it: another one is started when somebody does again. */
  private retire(): void {
    this.lingerTimer = null;
    this.endPredecessors();
    const { child } = this;
    if (child === null) return;
    this.send({ kind: "drain", grace: GRACE });
    this.forgetChild();
    rmSync(this.stateFile, { force: true });
  }

  private exited(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (child !== this.child) return;
    this.forgetChild();
    if (this.stopped) return;
    this.restarts++;
    this.message = `it ended by itself (${signal ?? `status ${code}`})`;
    this.diagnose("W002", `the waypoint's process ${child.pid} ended by itself: ${signal ?? `status ${code}`}`);
    this.restartTimer = setTimeout(() => {
      this.restartTimer = null;
      this.startOrStop();
    }, this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
  }

  private forgetChild(): void {
    if (this.wellTimer !== null) clearTimeout(this.wellTimer);
    this.child = null;
    this.ready = false;
    this.flows.clear();
    if (this.up.size === 0) return;
    this.up.clear();
    this.tellChanged();
  }

  private receive(message: FromWaypoint): void {
    switch (message.kind) {
      case "ready":
        this.ready = true;
        this.wellTimer = setTimeout(() => (this.pause = FIRST_PAUSE), WELL).unref();
        return;
      case "listening":
        this.noteListening(message.endpoint, message.up);
        return;
      case "flow":
        this.noteFlow(message.tuple, message.rules);
        return;
      case "flowGone":
        this.flows.delete(keyOfTuple(message.tuple));
        return;
      case "records":
        for (const record of message.records) this.options.access(this.nameOf(record.origin.endpoint) ?? "", record);
        return;
      case "dns":
        this.receiveDns(message.message);
        return;
      case "problem":
        this.message = message.message;
        this.diagnose(message.code, message.message);
    }
  }

  private receiveDns(message: DnsToAgent): void {
    if (message.kind === "dnsRecord") this.options.dnsAccess?.(message.record);
    else this.send({ kind: "dns", reply: answerDns(message, this.options.dns ?? NO_DNS, (id) => this.nameOf(id)) });
  }

  private noteListening(id: number, up: boolean): void {
    const name = this.nameOf(id);
    if (name === undefined) return;
    this.told.add(name);
    if (!up) {
      this.markDown(name);
      return;
    }
    this.up.add(name);
    this.tellChanged();
    const all = [...this.pods.values()].filter((pod) => needsOf(pod).ingress || needsOf(pod).egress);
    if (all.every(({ pod }) => this.up.has(pod))) this.endPredecessors();
  }

  private markDown(name: string): void {
    if (this.up.delete(name)) this.tellChanged();
  }

  private tellChanged(): void {
    const pending = this.inherited ? [...this.pods.keys()].filter((pod) => !this.told.has(pod)) : [];
    this.options.changed(new Set(this.up), new Set(pending));
  }

  private nameOf(id: number): string | undefined {
    return this.names.get(id);
  }

  private send(message: ToWaypoint): void {
    if (this.child?.connected === true) this.child.send(message);
  }

  private diagnose(code: Parameters<typeof waypointDiagnostic>[0], message: string): void {
    this.options.diagnose(waypointDiagnostic(code, message));
  }

  // ---- across agents ---------------------------------------------------------------------------------------------

  private get stateFile(): string {
    return join(this.options.stateDir, STATE_FILE);
  }

  private remember(child: ChildProcess | null): void {
    const own = child?.pid === undefined ? [] : [{ pid: child.pid, started: startOf(child.pid) }];
    const processes: readonly StartedProcess[] = [...own, ...this.predecessors];
    writeFileSync(`${this.stateFile}.new`, JSON.stringify(processes));
    renameSync(`${this.stateFile}.new`, this.stateFile);
  }

  private endPredecessors(): void {
    if (this.predecessors.length === 0) return;
    for (const { pid, started } of this.predecessors) if (startOf(pid) === started) process.kill(pid, "SIGTERM");
    this.predecessors = [];
    this.remember(this.child);
  }
}

interface StartedProcess {
  readonly pid: number;
  readonly started: string | null;
}

/** Ends what an agent left behind. `stateDir`: as in WaypointOptions. False: there was nothing. */
export function endLeftWaypoint(stateDir: string): boolean {
  const file = join(stateDir, STATE_FILE);
  const left = findProcesses(file);
  rmSync(file, { force: true });
  for (const { pid } of left) process.kill(pid, "SIGKILL");
  return left.length > 0;
}

/** The processes that a state file names, as far as they are still the same ones. */
function findProcesses(file: string): readonly StartedProcess[] {
  if (!existsSync(file)) return [];
  try {
    const named = JSON.parse(readFileSync(file, "utf8")) as readonly StartedProcess[];
    return named.filter(({ pid, started }) => started !== null && startOf(pid) === started);
  } catch {
    return [];
  }
}

/**
 * When a process was started, in clock ticks since boot (proc(5), field 22): with it a number names one process for good. Null:
 * there is no such process.
 */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}

function needsOf({ policy }: Pod): { readonly ingress: boolean; readonly egress: boolean } {
  if (policy === null) return { ingress: false, egress: false };
  return { ingress: redirects(policy.ingress), egress: redirects(policy.egress) };
}

function describePod(pod: Pod): ToWaypoint {
  const { id, netns, addresses } = pod;
  return { kind: "endpoint", endpoint: { id, netns, addresses, ...needsOf(pod) } };
}

/** Sources run from mesh/waypoint, the program is in dist in any case. */
function defaultProgram(): string {
  const [built, source] = ["./main.js", "../../dist/mesh/waypoint/main.js"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  ) as [string, string];
  return existsSync(built) ? built : source;
}
