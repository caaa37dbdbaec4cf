/**
 * Where a scenario plays on the real kernel: a namespace and a cgroup of its own, processes in them, its programs loaded
 * and attached. Set up from a scenario's data, and taken down whatever happened.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { createCgroup, findCgroup2, removeCgroup } from "../../mesh/bed/cgroup.ts";
import { ATTACH_TYPES } from "../../lib/kernel/index.ts";
import {
  attachCgroup,
  attachNetns,
  attachSockmap,
  attachTcx,
  attachXdp,
  KernelError,
  load,
  withNetns,
} from "../../loader/index.ts";
import type { BpfMap, Link, LoadedObject, Program, RingBuffer } from "../../loader/index.ts";
import { compiledProgram } from "./compiled.ts";
import { nameErrno } from "./hands.ts";
import type { Answer, Hands } from "./hands.ts";
import { DEFAULT_NETNS } from "./script.ts";
import type {
  Attachment,
  CgroupAttachment,
  CgroupPath,
  DeviceAttachment,
  Preset,
  Ref,
  Scenario,
  Task,
  Topology,
} from "./script.ts";
import { encodeValue, splitRef } from "./values.ts";

export interface OpenSocket {
  readonly fd: number;
  readonly stream: boolean;
}

/** Something attached. */
interface Standing {
  replace(program: Program): Promise<void>;
  detach(): Promise<void>;
  /** Gives up what this process holds; the rest goes with the cgroup. */
  close(): void;
}

/** The user without rights, on every Linux. */
const NOBODY = 65_534;

let stages = 0;

export class Stage implements AsyncDisposable {
  readonly hands: Hands;
  readonly sockets = new Map<string, OpenSocket>();
  private readonly root: string;
  private readonly groups = new Set<CgroupPath>();
  private readonly tasks = new Map<string, number>();
  private readonly namespaces = new Map<string, number>();
  private readonly objects = new Map<string, LoadedObject>();
  private readonly rings = new Map<Ref, RingBuffer>();
  private readonly standing = new Map<string, Standing>();
  private readonly removeOnExit = (): void => removeCgroup(this.root);

  private constructor(hands: Hands) {
    this.hands = hands;
    this.root = join(findCgroup2(), `ebts${process.pid}stage${stages++}`);
    process.on("exit", this.removeOnExit);
  }

  /** Everything that is there before a scenario's first step. */
  static async set(scenario: Scenario, hands: Hands): Promise<Stage> {
    const stage = new Stage(hands);
    try {
      await stage.build(scenario);
      return stage;
    } catch (failure) {
      await stage[Symbol.asyncDispose]();
      throw failure;
    }
  }

  private async build(scenario: Scenario): Promise<void> {
    await this.makeNamespaces(scenario.topology ?? { netns: [DEFAULT_NETNS] });
    for (const [name, task] of Object.entries<Task>({ main: {}, ...scenario.tasks })) {
      await this.startTask(name, task);
    }
    const wanted = programsOf(scenario);
    for (const [id, file] of Object.entries(scenario.objects)) {
      const programs = wanted.filter(([object]) => object === id).map(([, name]) => name);
      this.objects.set(id, await load(await compiledProgram(file), { programs }));
    }
    for (const entry of scenario.presets ?? []) this.setEntry(entry);
    for (const attachment of scenario.attach ?? []) await this.attach(attachment);
  }

  // ---- namespaces and tasks

  private async makeNamespaces(topology: Topology): Promise<void> {
    for (const { name, addresses, forwards } of topology.netns) {
      this.namespaces.set(name, await this.hands.must("netns"));
      for (const address of addresses ?? []) await this.hands.must("address", address);
      if (forwards === true) this.inNetns(name, "sh", ["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    }
    for (const { ends } of topology.veth ?? []) {
      const [a, b] = ends;
      await this.hands.must("enter", this.namespace(b.netns));
      this.ip(a.netns, `link add ${a.device} type veth peer name ${b.device} netns ${this.hands.pid}`);
      for (const { netns, device, addresses, mac } of ends) {
        if (mac !== undefined) this.ip(netns, `link set ${device} address ${mac}`);
        for (const address of addresses) this.ip(netns, `addr add ${address} dev ${device} nodad`);
        this.ip(netns, `link set ${device} up`);
      }
    }
    for (const { name, routes = [] } of topology.netns) {
      for (const { to, via } of routes) this.ip(name, `route add ${to} via ${via}`);
    }
  }

  private namespace(name: string): number {
    const fd = this.namespaces.get(name);
    if (fd === undefined) throw new Error(`no namespace ${name}`);
    return fd;
  }

  /** Runs ip(8) in a namespace. */
  ip(netns: string, command: string): void {
    this.inNetns(netns, "ip", command.split(" "));
  }

  private inNetns(netns: string, command: string, args: readonly string[]): void {
    withNetns(this.netnsPath(netns), () => execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] }));
  }

  private netnsPath(name: string): string {
    return `/proc/${this.hands.pid}/fd/${this.namespace(name)}`;
  }

  private async startTask(name: string, { cgroup = "/", netns, unprivileged }: Task): Promise<void> {
    const number = this.tasks.size + 1;
    await this.hands.must("enter", this.namespace(netns ?? [...this.namespaces.keys()][0] ?? ""));
    await this.hands.must("task", number, this.cgroup(cgroup), unprivileged === true ? NOBODY : 0);
    this.tasks.set(name, number);
  }

  /** The folder of a cgroup, made when it is named first. */
  cgroup(path: CgroupPath): string {
    const folder = join(this.root, path);
    if (!this.groups.has(path)) createCgroup(folder);
    this.groups.add(path);
    return folder;
  }

  /** Asks a task of the scenario by name. */
  async ask(task: string | undefined, verb: string, ...args: readonly (string | number)[]): Promise<Answer> {
    const number = this.tasks.get(task ?? "main");
    if (number === undefined) throw new Error(`no task ${task}`);
    return this.hands.ask(number, verb, ...args);
  }

  socket(name: string): OpenSocket {
    const socket = this.sockets.get(name);
    if (socket === undefined) throw new Error(`no socket ${name}`);
    return socket;
  }

  // ---- maps

  map(ref: Ref): BpfMap {
    const [object, name] = splitRef(ref);
    const map = this.objects.get(object)?.maps.get(name);
    if (map === undefined) throw new Error(`no map ${ref}`);
    return map;
  }

  setEntry({ map: ref, key, value, program }: Preset): void {
    const map = this.map(ref);
    const whole = program === undefined ? value : { ...(value as object), program: this.program(program).fd };
    const [first = ""] = this.namespaces.keys();
    withNetns(this.netnsPath(first), () => {
      map.setRaw(encodeValue(map.keyCodec, key), encodeValue(map.valueCodec, whole));
    });
  }

  ring(ref: Ref): RingBuffer {
    const [object, name] = splitRef(ref);
    const ring = this.rings.get(ref) ?? this.objects.get(object)?.ringbuf(name);
    if (ring === undefined) throw new Error(`no ring buffer ${ref}`);
    this.rings.set(ref, ring as RingBuffer);
    return ring as RingBuffer;
  }

  /** A descriptor of a map or program that the tasks can use. */
  async lend(fd: number): Promise<number> {
    return this.hands.must("grab", process.pid, fd);
  }

  // ---- programs

  program(ref: Ref): Program {
    const [object, name] = splitRef(ref);
    const program = this.objects.get(object)?.programs.get(name);
    if (program === undefined) throw new Error(`no program ${ref}`);
    return program;
  }

  /** Throws a KernelError, or a `Refused`, where the kernel refuses. */
  async attach(attachment: Attachment): Promise<void> {
    const program = this.program(attachment.program);
    this.standing.set(attachment.id ?? attachment.program, await this.stand(attachment, program));
  }

  private async stand(attachment: Attachment, program: Program): Promise<Standing> {
    if ("cgroup" in attachment && (attachment.mode ?? "link") !== "link") {
      return LegacyAttachment.make(this, attachment, program);
    }
    const link =
      "cgroup" in attachment
        ? attachCgroup(program, this.cgroup(attachment.cgroup))
        : "map" in attachment
          ? attachSockmap(program, this.map(attachment.map) as unknown as BpfMap<never, never>)
          : "device" in attachment
            ? this.attachDevice(program, attachment)
            : attachNetns(program, this.netnsPath(attachment.netns));
    return {
      replace: async (next) => link.update(next),
      detach: async () => link.detach(),
      close: () => link.close(),
    };
  }

  private attachDevice(program: Program, { netns, device }: DeviceAttachment): Link {
    const target = { interface: device, netns: this.netnsPath(netns) };
    return program.type === "xdp" ? attachXdp(program, { ...target, mode: "native" }) : attachTcx(program, target);
  }

  async replace(id: string, program: Ref): Promise<void> {
    await this.attached(id).replace(this.program(program));
  }

  async detach(id: string): Promise<void> {
    await this.attached(id).detach();
    this.standing.delete(id);
  }

  private attached(id: string): Standing {
    const standing = this.standing.get(id);
    if (standing === undefined) throw new Error(`nothing attached as ${id}`);
    return standing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.removeOnExit);
    try {
      await this.hands.must("reset");
      for (const standing of this.standing.values()) standing.close();
    } finally {
      for (const object of this.objects.values()) object.close();
      removeCgroup(this.root);
    }
  }
}

/** A system call of a task was refused where the scenario may observe that. */
export class Refused extends Error {
  readonly errnoName: string;

  constructor(result: number, what: string) {
    const name = nameErrno(-result);
    super(`${what}: ${name}`);
    this.errnoName = name;
  }
}

/** The name of the error where a kernel or task refused something; anything else is thrown again. */
export function errnoOf(failure: unknown): string {
  if (failure instanceof KernelError) return nameErrno(failure.errno);
  if (failure instanceof Refused) return failure.errnoName;
  throw failure;
}

/** BPF_F_ALLOW_OVERRIDE, BPF_F_ALLOW_MULTI, BPF_F_REPLACE of BPF_PROG_ATTACH. */
const ATTACH_FLAGS = { exclusive: 0, override: 1, multi: 2 } as const;
const REPLACE = 4;

/** An attachment by BPF_PROG_ATTACH, which lasts until it is detached or the cgroup goes. */
class LegacyAttachment implements Standing {
  private readonly stage: Stage;
  private readonly folder: string;
  private readonly flags: number;
  private program: Program;

  private constructor(stage: Stage, folder: string, flags: number, program: Program) {
    this.stage = stage;
    this.folder = folder;
    this.flags = flags;
    this.program = program;
  }

  static async make(stage: Stage, { cgroup, mode }: CgroupAttachment, program: Program): Promise<LegacyAttachment> {
    const flags = mode === undefined || mode === "link" ? 0 : ATTACH_FLAGS[mode];
    const attachment = new LegacyAttachment(stage, stage.cgroup(cgroup), flags, program);
    await attachment.call("attach", program, flags, 0);
    return attachment;
  }

  async replace(next: Program): Promise<void> {
    if (this.flags === ATTACH_FLAGS.multi) await this.call("attach", next, this.flags | REPLACE, this.program.fd);
    else await this.call("attach", next, this.flags, 0);
    this.program = next;
  }

  detach(): Promise<void> {
    return this.call("detach", this.program, 0, 0);
  }

  close(): void {}

  private async call(verb: "attach" | "detach", program: Program, flags: number, replaces: number): Promise<void> {
    if (program.attach === null) throw new Error(`${program.what} has no attach type`);
    const fd = await this.stage.lend(program.fd);
    const old = replaces === 0 ? 0 : await this.stage.lend(replaces);
    const { result } = await this.stage.hands.ask(0, verb, ATTACH_TYPES[program.attach], this.folder, fd, flags, old);
    for (const lent of [fd, old]) if (lent !== 0) await this.stage.hands.must("close", lent);
    if (result < 0) throw new Refused(result, `${verb} ${program.what}`);
  }
}

/** Object id and name of every program that a scenario names. */
function programsOf({ attach = [], presets = [], steps }: Scenario): (readonly [string, string])[] {
  const refs = new Set(attach.map(({ program }) => program));
  for (const { program } of presets) if (program !== undefined) refs.add(program);
  for (const step of steps) {
    if (step.do === "attach") refs.add(step.attachment.program);
    if (step.do === "replace" || step.do === "reuseport") refs.add(step.program);
  }
  return [...refs].map(splitRef);
}
