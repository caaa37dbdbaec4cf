/**
 * The story on the interpreter: the same programs, maps and table, and in place of the kernel's networking the events that
 * it would hand to the programs: a connect() call, the segments of a handshake, an established socket, a message.
 *
 * There is no TCP here, no device and no process: what only they can show is listed as not shown.
 */
import type { ObjectSpec } from "../../lib/object/index.ts";
import { packet } from "../../lib/packet/index.ts";
import { createMachine, drainEvents, viewMap } from "../../lib/vm/index.ts";
import type { Machine, RunResult, Socket } from "../../lib/vm/index.ts";
import {
  BACKEND,
  EXAMPLES,
  FRONTEND,
  MESSAGES,
  TCP,
  TCX_VERDICTS,
  WEB,
  XDP_VERDICTS,
  compileExamples,
} from "./scenario.ts";
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
import type { Stage } from "./traffic.ts";

type Machines = Record<Example, Machine>;

interface Simulation extends Stage {
  readonly machines: Machines;
  readonly dropped: DropEvent[];
  readonly denied: DenyEvent[];
}

/** BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB and its passive counterpart, include/uapi/linux/bpf.h. */
const ESTABLISHED = { active: 4, passive: 5 } as const;
const ALLOW = 1;
const SK_PASS = 1;
/** Where Linux starts to give out ports for connections (net.ipv4.ip_local_port_range). */
const FIRST_PORT = 32_768;
let connections = 0;

const NOT_SHOWN = [
  { what: "echoed data, retransmission, time-outs", why: "there is no TCP: only its segments are made" },
  { what: "packets on the devices", why: "there are no devices; the shortcut is judged by the program's redirects" },
  { what: "the kernel's verifier", why: "programs are interpreted, not loaded" },
];

export async function runOnSimulator(story: Story): Promise<void> {
  const objects = await compileExamples(story);
  const machines = await story.step(
    "simulate maps and hooks",
    () => createMachines(objects),
    () => "no kernel, no privilege",
  );
  const simulation = createSimulation(machines);
  await story.step("fill maps", () => fillMaps(simulation.maps));
  await tellTraffic(story, simulation);
  checkCounters(story, simulation);
  await tellShortcut(story, machines["socket-shortcut"]);
  checkMessages(story, simulation);
  showCounters(story, simulation);
  story.show("not shown by the interpreter", NOT_SHOWN);
}

function createMachines(objects: Record<Example, ObjectSpec>): Machines {
  return Object.fromEntries(EXAMPLES.map((name) => [name, createMachine(objects[name])])) as Machines;
}

function createSimulation(machines: Machines): Simulation {
  const simulation: Simulation = {
    machines,
    dropped: [],
    denied: [],
    maps: (example, name) => viewMap(machines[example], name),
    attempt: (from, address, port) => Promise.resolve(attempt(simulation, from, address, port)),
  };
  return simulation;
}

// ---- a connection ----

/** connect(), then the handshake's segments through the hooks on their way, then getpeername(). */
function attempt(simulation: Simulation, from: Pod, address: string, port: number): string {
  const { machines, dropped, denied } = simulation;
  const seen = { drops: dropped.length, denials: denied.length };
  const socket = machines["service-redirect"].createSocket();
  const asked = { user_ip4: address, user_port: port, protocol: TCP };
  const connect = runOn(machines["service-redirect"], "redirect", { socket, context: asked });
  if (connect.returnValue !== ALLOW) return "failed: EPERM";
  const [destination, destinationPort] = [String(connect.context["user_ip4"]), Number(connect.context["user_port"])];
  if (destination !== BACKEND.address) return "failed: EHOSTUNREACH";
  const passed = passesHandshake(simulation, from.address, destinationPort);
  dropped.push(...drainEvents<DropEvent>(machines["xdp-filter"], "drops"));
  denied.push(...drainEvents<DenyEvent>(machines["tcx-policy"], "denials"));
  const tried = { source: from.address, destination, port: destinationPort, ...seen };
  if (!passed) return whyDropped(simulation, tried) ?? "no answer, and no program said why";
  const actual = { user_ip4: destination, user_port: destinationPort, protocol: TCP };
  const { context } = runOn(machines["service-redirect"], "peer", { socket, context: actual });
  return connectedTo(`${String(context["user_ip4"])}:${String(context["user_port"])}`);
}

/** SYN, SYN and ACK, ACK; true when none is dropped. The filter sees what a pod sends, the policy what the backend gets. */
function passesHandshake({ machines }: Simulation, client: string, port: number): boolean {
  const clientPort = FIRST_PORT + connections++;
  const there = { src: `${client}:${clientPort}`, dst: `${BACKEND.address}:${port}` };
  const back = { src: there.dst, dst: there.src };
  const passesFilter = (frame: Uint8Array): boolean =>
    runOn(machines["xdp-filter"], "filter", { packet: frame }).returnValue === XDP_VERDICTS.XDP_PASS;
  const passesPolicy = (frame: Uint8Array): boolean =>
    runOn(machines["tcx-policy"], "policy", { packet: frame }).returnValue === TCX_VERDICTS.TCX_PASS;
  const toBackend = (frame: Uint8Array): boolean => passesFilter(frame) && passesPolicy(frame);
  const syn = packet.tcp({ ...there, flags: "S" });
  const answer = packet.tcp({ ...back, flags: "SA" });
  const ack = packet.tcp({ ...there, flags: "A" });
  return toBackend(syn) && passesFilter(answer) && toBackend(ack);
}

// ---- the shortcut ----

/** Both ends of a connection are established; then each message and each echo asks the program where to go. */
async function tellShortcut(story: Story, machine: Machine): Promise<void> {
  const what = `${MESSAGES.rounds} messages of ${MESSAGES.size} bytes`;
  await story.step(`${what}, by the shortcut`, () => {
    const ends = establish(machine);
    const arrived = { there: 0, back: 0 };
    for (let round = 0; round < MESSAGES.rounds; round++) {
      if (goesTo(machine, ends.client, ends.server.socket)) arrived.there++;
      if (goesTo(machine, ends.server, ends.client.socket)) arrived.back++;
    }
    const all = `${MESSAGES.rounds} there, ${MESSAGES.rounds} back, into the other's queue`;
    story.check(`${what} by the shortcut`, all, `${arrived.there} there, ${arrived.back} back, into the other's queue`);
  });
}

interface End {
  readonly socket: Socket;
  readonly addresses: {
    readonly local_ip4: string;
    readonly remote_ip4: string;
    readonly local_port: number;
    readonly remote_port: number;
  };
}

function establish(machine: Machine): { client: End; server: End } {
  const port = FIRST_PORT + connections++;
  const client = {
    socket: machine.createSocket(),
    addresses: { local_ip4: FRONTEND.address, remote_ip4: BACKEND.address, local_port: port, remote_port: WEB },
  };
  const server = {
    socket: machine.createSocket(),
    addresses: { local_ip4: BACKEND.address, remote_ip4: FRONTEND.address, local_port: WEB, remote_port: port },
  };
  runOn(machine, "remember", { socket: client.socket, context: { op: ESTABLISHED.active, ...client.addresses } });
  runOn(machine, "remember", { socket: server.socket, context: { op: ESTABLISHED.passive, ...server.addresses } });
  return { client, server };
}

/** Is a message that `from` sends put into the receive queue of `to`? */
function goesTo(machine: Machine, from: End, to: Socket): boolean {
  const message = new Uint8Array(MESSAGES.size);
  const { returnValue, redirects } = runOn(machine, "shortcut", {
    packet: message,
    socket: from.socket,
    context: from.addresses,
  });
  const last = redirects.at(-1);
  return returnValue === SK_PASS && last?.kind === "socket" && last.socket === to && last.ingress;
}

/** Runs a program; a fault is a fault of the demo's programs and ends it. */
function runOn(machine: Machine, program: string, input: Parameters<Machine["run"]>[1]): RunResult {
  const result = machine.run(program, input);
  if (result.fault !== null) throw new Error(`${program} faulted: ${result.fault.message}`);
  return result;
}
