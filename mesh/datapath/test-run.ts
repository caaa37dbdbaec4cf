/**
 * The programs as judges of single flows, without a network: `to_pod` and `from_pod` run on a first packet that is made up
 * (BPF_PROG_TEST_RUN), against maps that are written as for a real node but pinned and attached nowhere.
 *
 * A test run without an interface runs at the loopback device, so the pod that is asked about is entered under its index, and
 * nothing else has to exist. Each flow has a client's port of its own: no question is the reply to an earlier one.
 */
import { load } from "ebpf-ts/loader";
import type { BpfMap, LoadedObject, RingBuffer } from "ebpf-ts/loader";
import { ethernet, icmp, icmpv6, ipv4, ipv6, packet, tcp, udp } from "ebpf-ts/packet";
import { EVENT_KIND, readFlowEvent } from "../observe/event.ts";
import type { FlowEvent } from "../observe/event.ts";
import type { EngineChange, FlowQuery } from "../policy/types.ts";
import { encodeOne, U32 } from "./layouts.ts";
import { defaultObjectPath, readObject } from "./object.ts";
import { Writer } from "./writer.ts";
import type { PodPolicy } from "./writer.ts";

/** A pod of the node whose programs are asked. */
export interface JudgedPod {
  /** `namespace/name`. */
  readonly pod: string;
  /** Canonical text. */
  readonly addresses: readonly string[];
  readonly known: PodPolicy;
}

/** What a program says at one end. `redirect`: the HTTP rules of set `l7` decide. */
export interface KernelVerdict {
  readonly verdict: "allow" | "deny" | "redirect";
  /** DropReason of the programs; 0: it passes. */
  readonly reason: number;
  readonly rule: number;
  readonly l7: number;
}

/** Null: the end is no pod of this node. */
export interface KernelVerdicts {
  readonly egress: KernelVerdict | null;
  readonly ingress: KernelVerdict | null;
}

/** Index of the loopback device in any namespace. */
const LOOPBACK = 1;
/** Pods wait under indices that no test runs at. */
const FIRST_INDEX = 1000;
const WAYPOINT_DOWN = 220;
/** Ports of clients, one after the other. */
const FIRST_PORT = 1024;
const LAST_PORT = 65_535;
const SCTP = 132;

export class TestRunNode {
  private readonly object: LoadedObject;
  private readonly events: RingBuffer<Uint8Array>;
  private writer: Writer;
  private pods = new Map<string, { readonly pod: string; readonly index: number }>();
  private nextId = 1;
  private nextPort = FIRST_PORT;

  private constructor(object: LoadedObject) {
    this.object = object;
    this.events = object.ringbuf<Uint8Array>("events", { type: 0 });
    this.writer = this.newWriter();
  }

  /** Loads the programs, which takes a second; one node can be asked about many clusters. */
  static async load(path: string = defaultObjectPath()): Promise<TestRunNode> {
    return new TestRunNode(await load(readObject(path), { programs: ["to_pod", "from_pod"] }));
  }

  /** A whole cluster, in place of what was there before. */
  begin(change: EngineChange, pods: readonly JudgedPod[]): void {
    this.writer.close();
    this.writer = this.newWriter();
    this.pods = new Map();
    this.nextId = 1;
    this.place(pods);
    this.writer.apply(change);
    this.writer.forgetStrangers();
    this.writer.forgetFound();
    this.writer.setSettings({ flags: FLOW_EVENTS });
  }

  /** A change of it; `pods` are all that the node has now. */
  apply(change: EngineChange, pods: readonly JudgedPod[]): void {
    const now = new Set(pods.map(({ pod }) => pod));
    for (const [address, { pod }] of this.pods) {
      if (now.has(pod)) continue;
      this.writer.remove(pod);
      this.pods.delete(address);
    }
    this.place(pods.filter(({ pod }) => ![...this.pods.values()].some((known) => known.pod === pod)));
    this.writer.apply(change);
  }

  /** What becomes of the first packet of a flow, at each end that is a pod of the node. */
  judge(flow: FlowQuery): KernelVerdicts {
    const bytes = firstPacket(flow, this.takePort());
    if (flow.protocol.startsWith("ICMP")) this.forgetFlows();
    return {
      egress: this.ask("from_pod", flow.source, bytes),
      ingress: this.ask("to_pod", flow.destination, bytes),
    };
  }

  close(): void {
    this.writer.close();
    this.object.close();
  }

  private newWriter(): Writer {
    const map = (name: string): BpfMap => this.object.map(name) as unknown as BpfMap;
    return new Writer({
      settings: map("settings"),
      endpoints: map("endpoints"),
      namespaces: map("namespaces"),
      hosts: map("hosts"),
      prefixes: map("prefixes"),
      judgements: map("judgements"),
      verdicts: map("verdicts"),
      portRanges: map("portRanges"),
      deniedPrefixes: map("deniedPrefixes"),
    });
  }

  private place(pods: readonly JudgedPod[]): void {
    for (const { pod, addresses, known } of pods) {
      const id = this.nextId++;
      const index = FIRST_INDEX + id;
      this.writer.add({ id, pod, interfaceIndex: index, namespace: BigInt(id), addresses }, known);
      for (const address of addresses) this.pods.set(address, { pod, index });
    }
  }

  private takePort(): number {
    this.nextPort = this.nextPort === LAST_PORT ? FIRST_PORT : this.nextPort + 1;
    // The ports have been round once: what is known under them is forgotten.
    if (this.nextPort === FIRST_PORT) this.forgetFlows();
    return this.nextPort;
  }

  private forgetFlows(): void {
    for (const map of ["flows", "halfOpen", "toldDrops"]) this.object.map(map).clear();
  }

  private ask(name: string, address: string, bytes: Uint8Array): KernelVerdict | null {
    const at = this.pods.get(address);
    if (at === undefined) return null;
    const endpoints = this.object.map("endpoints");
    endpoints.setRaw(encodeOne(U32, LOOPBACK), endpoints.getRaw(encodeOne(U32, at.index)) as Uint8Array);
    while (this.events.read() !== undefined);
    const { returnValue } = this.object.program(name).testRun({ data: bytes });
    const told = this.events.read();
    return verdictOf(returnValue, told === undefined ? null : readFlowEvent(told));
  }
}

/** SettingsFlag.FlowEvents: what passes is told too. */
const FLOW_EVENTS = 1;
/** TCX_PASS. */
const PASS = 0;

/** No event: it passed without a question, or the drop was told already. */
function verdictOf(returned: number, event: FlowEvent | null): KernelVerdict {
  const { kind = 0, reason = 0, rule = 0, l7 = 0 } = event ?? {};
  if (reason === WAYPOINT_DOWN || kind === EVENT_KIND.redirected) return { verdict: "redirect", reason, rule, l7 };
  return { verdict: returned === PASS ? "allow" : "deny", reason, rule, l7 };
}

function firstPacket({ source, destination, protocol, port }: FlowQuery, client: number): Uint8Array {
  const path = { saddr: source, daddr: destination };
  const sctp = protocol === "SCTP";
  const before = source.includes(":")
    ? ipv6(sctp ? { ...path, nextHeader: SCTP } : path)
    : ipv4(sctp ? { ...path, protocol: SCTP } : path);
  switch (protocol) {
    case "TCP":
      return packet(ethernet(), before, tcp({ sport: client, dport: port, flags: "S" }));
    case "UDP":
      return packet(ethernet(), before, udp({ sport: client, dport: port }), "question");
    case "SCTP":
      return packet(ethernet(), before, sctpHeader(client, port));
    case "ICMP":
      return packet(ethernet(), before, icmp({ type: port, id: client }));
    case "ICMPv6":
      return packet(ethernet(), before, icmpv6({ type: port, id: client }));
  }
}

/** Ports, tag and checksum, and the head of an INIT chunk (RFC 9260 section 3): programs look at the ports alone. */
function sctpHeader(source: number, destination: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, source);
  view.setUint16(2, destination);
  view.setUint8(12, 1);
  view.setUint16(14, 20);
  return bytes;
}
