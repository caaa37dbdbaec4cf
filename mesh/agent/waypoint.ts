/**
 * The node's waypoint, for the agent: what a change means for it, which pods it listens for into the kernel, its access log into the
 * flow log. `supervisor.ts` looks after the process.
 */
import type { Datapath } from "../datapath/datapath.ts";
import type { DnsAuthority } from "../dns/messages.ts";
import type { FlowLog } from "../observe/log.ts";
import type { EndpointPolicy, EngineChange, PolicyEngine } from "../policy/types.ts";
import { redirects } from "../waypoint/flow-verdict.ts";
import { endLeftWaypoint, WaypointSupervisor } from "../waypoint/supervisor.ts";
import type { WaypointPod, WaypointState } from "../waypoint/supervisor.ts";
import { logDiagnostic } from "./log.ts";
import type { Log } from "./log.ts";

/** Port of the listeners on loopback in the pods' namespaces to which egress with HTTP rules is sent. */
const EGRESS_PORT = 15_001;

export interface NodeWaypointOptions {
  readonly datapath: Datapath;
  readonly engine: Pick<PolicyEngine, "identityOf">;
  readonly flows: FlowLog;
  readonly log: Log;
  readonly dns: DnsAuthority;
  readonly stateDir: string;
  /** File of the node's network namespace; null: this process's. */
  readonly netns: string | null;
}

export class NodeWaypoint {
  private readonly options: NodeWaypointOptions;
  private readonly supervisor: WaypointSupervisor;

  constructor(options: NodeWaypointOptions) {
    this.options = options;
    const { datapath, dns, engine, flows, log, stateDir, netns } = options;
    const [steered, proxied, listeners] = ["steered", "proxied", "listeners"].map((map) => datapath.pathOf(map)) as [
      string,
      string,
      string,
    ];
    this.supervisor = new WaypointSupervisor({
      maps: { steered, proxied, listeners },
      egressPort: EGRESS_PORT,
      netns,
      stateDir,
      identityOf: (address) => engine.identityOf(address),
      changed: (up, pending) => datapath.setWaypoint(up, pending),
      dns,
      dnsAccess: (record) => flows.addDns(record),
      access: (_pod, record) => flows.addAccess(record),
      diagnose: (diagnostic) => logDiagnostic(log, diagnostic),
    });
  }

  /** Before the first change is written: programs at sockets may send connections to it from then on. */
  prepare(): void {
    this.options.datapath.setSettings({ waypointPort: EGRESS_PORT });
  }

  /**
   * The pods of an earlier agent are in the datapath. Where its waypoint still listens they stay reachable through it until the
   * new one does; where not, they are down.
   */
  begin(): void {
    if (!this.supervisor.inherited) this.options.datapath.setWaypoint(new Set());
  }

  /** Before the change is written to the kernel, so that rules are there when connections come. */
  apply(change: EngineChange): void {
    this.supervisor.apply(change);
  }

  add(pod: WaypointPod, policy: EndpointPolicy): void {
    this.supervisor.add(pod, policy);
  }

  remove(pod: string): void {
    this.supervisor.remove(pod);
  }

  state(): WaypointState {
    return this.supervisor.state();
  }

  /** What it is to a pod of this policy. */
  stateOf(pod: string, policy: EndpointPolicy | undefined): "none" | "up" | "down" {
    if (policy === undefined || ![policy.ingress, policy.egress].some(redirects)) return "none";
    return this.supervisor.listensFor(pod) ? "up" : "down";
  }

  /** The agent ends and the process goes on. */
  leave(): void {
    this.supervisor.leave();
  }

  /** Ends it now: nothing sends connections to it any more. */
  async uninstall(): Promise<void> {
    await this.supervisor.stop(0);
    endLeftWaypoint(this.options.stateDir);
  }
}
