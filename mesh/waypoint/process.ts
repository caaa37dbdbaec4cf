/**
 * The waypoint's process, as a machine of messages: listens in the pods' namespaces that it is told of, judges by the rules
 * that it is told, and tells what it sees. main.ts gives it an IPC channel.
 *
 * When the agent goes away, it goes on with the rules that it has; the kernel's policy stays in force meanwhile too.
 */
import { existsSync, writeFileSync } from "node:fs";
import { KernelError, listenTcp, withNetns } from "ebpf-ts/loader";
import type { ListenOptions, TcpListener } from "ebpf-ts/loader";
import { DnsProxy } from "../dns/proxy.ts";
import type { Direction } from "../objects/types.ts";
import { FlowRuleBook } from "./flow-rules.ts";
import { Http1 } from "./http1/conversation.ts";
import { HTTP_LIMITS } from "./http1/refusals.ts";
import type { KernelSide } from "./kernel.ts";
import type { FromWaypoint, ToWaypoint, WaypointEndpoint } from "./messages.ts";
import { Proxy, TIMEOUTS } from "./proxy.ts";
import type { AccessRecord } from "./types.ts";

/** Records go in bunches: so many, or after so many milliseconds. */
const RECORDS = 256;
const RECORDS_AFTER = 25;
/** Milliseconds between sweeps of what has no connections. */
const SWEEP = 15_000;
/** Connections in a listener's queue, and those that are being made, are taken for so long after a successor listens. Milliseconds. */
const HAND_OVER = 1000;

export interface ProcessOptions {
  send(message: FromWaypoint): void;
  openKernel(configuration: ToWaypoint & { readonly kind: "configure" }): KernelSide;
  /** It has drained. */
  ended(): void;
}

/** An endpoint's namespace, and the listeners in it. */
interface Served {
  readonly netns: string;
  readonly ingress: TcpListener[];
  readonly egress: TcpListener[];
}

const DIRECTIONS = ["ingress", "egress"] as const;

export class WaypointProcess {
  private readonly options: ProcessOptions;
  private readonly rules: FlowRuleBook;
  private readonly served = new Map<number, Served>();
  private kernel: KernelSide | null = null;
  private proxy: Proxy | null = null;
  private dns: DnsProxy | null = null;
  private egressPort = 0;
  private records: AccessRecord[] = [];
  private recordTimer: NodeJS.Timeout | null = null;
  private readonly sweeper: NodeJS.Timeout;

  constructor(options: ProcessOptions) {
    this.options = options;
    const send = (message: FromWaypoint): void => options.send(message);
    this.rules = new FlowRuleBook({
      opened: (tuple, rules) => send({ kind: "flow", tuple, rules }),
      gone: (tuple) => send({ kind: "flowGone", tuple }),
      broken: (set, reason) => send({ kind: "problem", code: "W003", message: `HTTP rules ${set}: ${reason}` }),
    });
    this.sweeper = setInterval(() => this.rules.sweep(), SWEEP).unref();
  }

  receive(message: ToWaypoint): void {
    switch (message.kind) {
      case "configure":
        this.configure(message);
        return;
      case "rules":
        this.rules.setRules(message.set, message.deleted);
        this.proxy?.policiesChanged();
        return;
      case "endpoint":
        this.serve(message.endpoint);
        return;
      case "endpointGone":
        this.forget(message.id);
        this.rules.endEndpoint(message.id);
        this.proxy?.policiesChanged();
        return;
      case "verdicts":
        for (const [tuple, rules] of message.verdicts) this.rules.setVerdict(tuple, rules);
        this.proxy?.policiesChanged();
        return;
      case "drain":
        void this.drain(message.grace);
        return;
      case "dns":
        this.dns?.receive(message.reply);
    }
  }

  /** DNS questions need the agent's permission: clients shall hear at once that nobody answers. */
  agentGone(): void {
    this.dns?.close();
  }

  async drain(grace: number): Promise<void> {
    this.dns?.close();
    // Connections that wait in the queues of the listeners are taken before these are closed.
    await new Promise((resolve) => setTimeout(resolve, HAND_OVER));
    await this.proxy?.drain(grace);
    this.sendRecords();
    clearInterval(this.sweeper);
    this.options.ended();
  }

  private configure(message: ToWaypoint & { readonly kind: "configure" }): void {
    try {
      const kernel = this.options.openKernel(message);
      this.kernel = kernel;
      this.egressPort = message.egressPort;
      this.proxy = new Proxy({
        protocol: new Http1(HTTP_LIMITS),
        steering: kernel,
        dialer: kernel,
        policies: this.rules,
        timeouts: TIMEOUTS,
        record: (record) => this.record(record),
        complain: (text) => this.options.send({ kind: "problem", code: "W004", message: text }),
      });
      this.dns = new DnsProxy({
        kernel,
        send: (said) => this.options.send({ kind: "dns", message: said }),
        complain: (text) => this.options.send({ kind: "problem", code: "W006", message: text }),
      });
      this.options.send({ kind: "ready" });
    } catch (error) {
      this.options.send({ kind: "problem", code: "W005", message: String(error) });
    }
  }

  /** Makes it so, touching no listener that is right already: connections may wait in its queue. */
  private serve(endpoint: WaypointEndpoint): void {
    const { kernel, proxy } = this;
    if (kernel === null || proxy === null) return;
    const { id, netns } = endpoint;
    if (this.served.get(id)?.netns !== netns) this.forget(id);
    const served = this.served.get(id) ?? { netns, ingress: [], egress: [] };
    this.served.set(id, served);
    kernel.setEndpoint(endpoint);
    try {
      for (const direction of DIRECTIONS) {
        if (!endpoint[direction]) stopAll(served[direction], proxy);
        else if (served[direction].length === 0) this.listen(id, served, direction, kernel, proxy);
      }
      if (endpoint.egress) this.dns?.serve(id, netns, this.egressPort);
      else this.dns?.stop(id);
      this.options.send({ kind: "listening", endpoint: id, up: endpoint.ingress || endpoint.egress });
    } catch (error) {
      this.forget(id);
      const message = `endpoint ${id} in ${netns}: ${error instanceof Error ? error.message : String(error)}`;
      this.options.send({ kind: "problem", code: "W001", message });
    }
  }

  private listen(id: number, served: Served, direction: Direction, kernel: KernelSide, proxy: Proxy): void {
    const { netns } = served;
    const listeners = direction === "ingress" ? [listenForSteered(netns)] : listenOnLoopback(netns, this.egressPort);
    served[direction].push(...listeners);
    for (const listener of listeners) {
      proxy.serve(listener, { endpoint: id, direction });
      if (direction === "ingress") kernel.publish(id, listener);
    }
  }

  private forget(id: number): void {
    const served = this.served.get(id);
    if (served === undefined) return;
    this.served.delete(id);
    for (const direction of DIRECTIONS) if (this.proxy !== null) stopAll(served[direction], this.proxy);
    this.dns?.stop(id);
    this.kernel?.removeEndpoint(id);
    this.options.send({ kind: "listening", endpoint: id, up: false });
  }

  private record(record: AccessRecord): void {
    this.records.push(record);
    if (this.records.length >= RECORDS) this.sendRecords();
    else this.recordTimer ??= setTimeout(() => this.sendRecords(), RECORDS_AFTER);
  }

  private sendRecords(): void {
    if (this.recordTimer !== null) clearTimeout(this.recordTimer);
    this.recordTimer = null;
    if (this.records.length === 0) return;
    this.options.send({ kind: "records", records: this.records });
    this.records = [];
  }
}

/**
 * Where sk_lookup sends connections: the address that the listener is bound to does not matter to them, but there is one place
 * for it in the map, so it takes both families, which only a wildcard address does. Whoever dials its port is turned away.
 */
function listenForSteered(netns: string): TcpListener {
  return listenIfThere({ address: "::", port: 0, netns }) ?? listenTcp({ address: "127.0.0.1", port: 0, netns });
}

/**
 * Where connections go whose destination a program rewrites. The port is the same for each process, so a successor shares it;
 * what waits in the queue of the one that closes first goes over to the other (tcp_migrate_req, ip-sysctl).
 */
function listenOnLoopback(netns: string, port: number): TcpListener[] {
  withNetns(netns, () => writeIfThere("/proc/sys/net/ipv4/tcp_migrate_req", "1"));
  const addresses = ["127.0.0.1", "::1"];
  return addresses.flatMap((address) => listenIfThere({ address, port, netns, reusePort: true }) ?? []);
}

/** Linux 5.14 has it. */
function writeIfThere(path: string, text: string): void {
  if (existsSync(path)) writeFileSync(path, text);
}

function stopAll(listeners: TcpListener[], proxy: Proxy): void {
  for (const listener of listeners.splice(0)) proxy.stop(listener);
}

const NO_IPV6: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/** Null: the namespace has no IPv6. */
function listenIfThere(options: ListenOptions): TcpListener | null {
  try {
    return listenTcp(options);
  } catch (error) {
    const hasNoIpv6 = error instanceof KernelError && NO_IPV6.has(error.errnoName);
    if (options.address.includes(":") && hasNoIpv6) return null;
    throw error;
  }
}
