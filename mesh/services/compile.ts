/**
 * From Services, EndpointSlices and Pods to the kernel's tables. Pure: what is the same as in `previous` keeps its numbers, and
 * where nothing changed the very objects, so that the difference of two tables is cheap to find.
 */
import type { Diagnostic } from "ebpf-ts/diag";
import type { Cluster, EndpointSlice, Pod, Service, ServicePort } from "../objects/types.ts";
import { aliasTable } from "./alias.ts";
import type { Slot } from "./alias.ts";
import { fromPods, fromSlices, isIpv6, seedOf, selectPods } from "./backends.ts";
import type { Candidate, Found } from "./backends.ts";
import { serviceProblem } from "./diagnostics.ts";
import { maglevSize, maglevTable } from "./maglev.ts";
import { Places } from "./places.ts";
import type { Algorithm, Backend, Frontend, FrontendKey, ServiceTables, SlotTable, Sources } from "./types.ts";

/**
 * Entries of the kernel's maps. A state and the one after it share them: what is taken by either is not free, so that a cluster that
 * replaces everything at once fits at half of them.
 */
export const SERVICE_LIMITS = { frontends: 65_536, backends: 131_071, slots: 262_144, maglevTables: 2048 } as const;

export const NO_SERVICES: ServiceTables = {
  frontends: new Map(),
  next: { service: 1, maglev: 1 },
  problems: [],
};

type Objects = Pick<Cluster, "services" | "endpointSlices" | "pods">;

export function compileServices(cluster: Objects, previous: ServiceTables = NO_SERVICES): ServiceTables {
  const compiler = new Compiler(cluster, previous);
  // A service that has had an address keeps it against one that comes.
  const services = [...cluster.services.values()].toSorted(byName);
  for (const service of services) compiler.add(service, true);
  for (const service of services) compiler.add(service, false);
  return compiler.finish();
}

export function frontendKey(address: string, port: number, protocol: string): FrontendKey {
  return `${seedOf({ address, port })}/${protocol}`;
}

class Compiler {
  private readonly previous: ServiceTables;
  private readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  private readonly pods: ReadonlyMap<string, readonly Pod[]>;
  private readonly frontends = new Map<FrontendKey, Frontend>();
  private readonly problems: Diagnostic[] = [];
  private readonly next: { service: number; maglev: number };
  private readonly backends: Places;
  private readonly slots: Places;
  private maglevTables = 0;

  constructor(cluster: Objects, previous: ServiceTables) {
    this.previous = previous;
    this.next = { ...previous.next };
    const before = [...previous.frontends.values()];
    const numbers = before.flatMap(({ backends }) => backends.map(({ number }) => ({ first: number, length: 1 })));
    this.backends = new Places({ first: 1, length: SERVICE_LIMITS.backends }, numbers);
    const tables = before.flatMap(({ table }) =>
      table?.algorithm === "random" ? [{ first: table.number, length: table.slots.length }] : [],
    );
    this.slots = new Places({ first: 0, length: SERVICE_LIMITS.slots }, tables);
    this.slices = groupBy(cluster.endpointSlices.values(), (slice) => `${slice.namespace}/${slice.service}`);
    this.pods = groupBy(cluster.pods.values(), (pod) => pod.namespace);
  }

  /** `established`: only the addresses that are this service's already, or else only the others. */
  add(service: Service, established: boolean): void {
    if (service.addresses.length === 0) return;
    const slices = this.slices.get(nameOf(service));
    const behind = slices ?? selectPods(service, this.pods.get(service.namespace) ?? []);
    for (const port of service.ports) {
      for (const address of service.addresses) {
        const key = frontendKey(address, port.port, port.protocol);
        const old = this.previous.frontends.get(key);
        const owned = old?.sources != null && nameOf(old.sources.service) === nameOf(service);
        if (owned === established) this.addFrontend(key, address, port, { service, port: port.name, behind }, slices);
      }
    }
  }

  finish(): ServiceTables {
    return { frontends: this.frontends, next: this.next, problems: this.problems };
  }

  private addFrontend(
    key: FrontendKey,
    address: string,
    port: ServicePort,
    sources: Sources,
    slices: readonly EndpointSlice[] | undefined,
  ): void {
    const taken = this.frontends.get(key);
    if (taken !== undefined) return this.report("S001", `${key} of ${nameOf(sources.service)} is ${ownerOf(taken)}'s`);
    const old = this.previous.frontends.get(key);
    const same = old?.sources != null && sameSources(old.sources, sources);
    const found = findBackends(slices, sources.behind as readonly Pod[], port, isIpv6(address));
    if (found.without.length > 0) {
      const who = found.without.length === 1 ? found.without[0] : `${found.without.length} pods`;
      this.report("S002", `${nameOf(sources.service)}: ${who} without a port named ${String(port.targetPort)}`);
    }
    const frontend = same && old !== undefined ? old : this.build(key, address, port, sources, found, old);
    if (frontend !== null && this.fits(frontend)) this.frontends.set(key, frontend);
    else this.report("S003", `${key} of ${nameOf(sources.service)} does not fit`);
  }

  /** Null: it does not fit. */

  private build(
    key: FrontendKey,
    address: string,
    { port, protocol }: ServicePort,
    sources: Sources,
    found: Found,
    old: Frontend | undefined,
  ): Frontend | null {
    const { affinity, algorithm } = sources.service;
    const backends = this.number(found.candidates, old?.backends ?? []);
    if (backends === null) return null;
    const table = this.tabulate(algorithm, backends, old?.table ?? null);
    if (table === undefined) return null;
    const id = old?.id ?? this.next.service++;
    return { key, id, address, port, protocol, affinity, algorithm, backends, table, sources };
  }

  /** When nobody is ready, those that go away and still answer take new flows too. Null: too many. */
  private number(candidates: readonly Candidate[], old: readonly Backend[]): Backend[] | null {
    const numbers = new Map(old.map((backend) => [seedOf(backend), backend.number]));
    const takes = candidates.some(({ ready, weight }) => ready && weight > 0)
      ? ({ ready, weight }: Candidate): boolean => ready && weight > 0
      : ({ draining, weight }: Candidate): boolean => draining && weight > 0;
    const backends: Backend[] = [];
    for (const candidate of candidates) {
      const number = numbers.get(seedOf(candidate)) ?? this.backends.take(1);
      if (number === undefined) return null;
      const { address, port, weight, node } = candidate;
      backends.push({ number, address, port, state: takes(candidate) ? "active" : "terminating", weight, node });
    }
    return backends;
  }

  /** Null: nobody to choose from; undefined: no place for it. */
  private tabulate(
    algorithm: Algorithm,
    backends: readonly Backend[],
    old: SlotTable | null,
  ): SlotTable | null | undefined {
    const active = backends.filter(({ state }) => state === "active");
    if (active.length === 0) return null;
    const made = fill(algorithm, active, old);
    if (old !== null && sameTable(old, made)) return old;
    const number = made.algorithm === "maglev" ? this.next.maglev++ : this.slots.take(made.slots.length);
    return number === undefined ? undefined : { ...made, number };
  }

  private fits({ table }: Frontend): boolean {
    if (this.frontends.size >= SERVICE_LIMITS.frontends) return false;
    if (table?.algorithm !== "maglev") return true;
    return ++this.maglevTables <= SERVICE_LIMITS.maglevTables;
  }

  private report(code: "S001" | "S002" | "S003", message: string): void {
    this.problems.push(serviceProblem(code, message));
  }
}

function findBackends(
  slices: readonly EndpointSlice[] | undefined,
  pods: readonly Pod[],
  port: ServicePort,
  v6: boolean,
): Found {
  return slices === undefined ? fromPods(pods, port, v6) : fromSlices(slices, port, v6);
}

/** A Maglev table does not shrink while the service lives: that would move nearly every client. */
function fill(algorithm: Algorithm, active: readonly Backend[], old: SlotTable | null): SlotTable {
  if (algorithm === "random") return { algorithm, number: 0, slots: aliasTable(active) };
  const least = old?.algorithm === "maglev" ? old.slots.length : 0;
  const seeded = active.map((backend) => ({ ...backend, seed: seedOf(backend) }));
  return { algorithm, number: 0, slots: maglevTable(seeded, maglevSize(active, least)) };
}

function sameTable(a: SlotTable, b: SlotTable): boolean {
  if (a.slots.length !== b.slots.length) return false;
  if (a.algorithm === "maglev") return b.algorithm === "maglev" && a.slots.every((slot, i) => slot === b.slots[i]);
  return b.algorithm === "random" && a.slots.every((slot, i) => sameSlot(slot, b.slots[i]));
}

function sameSlot(a: Slot, b: Slot | undefined): boolean {
  return a.backend === b?.backend && a.other === b.other && a.threshold === b.threshold;
}

function sameSources(a: Sources, b: Sources): boolean {
  return (
    a.service === b.service &&
    a.port === b.port &&
    a.behind.length === b.behind.length &&
    a.behind.every((object, i) => object === b.behind[i])
  );
}

function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function nameOf({ namespace, name }: Service): string {
  return `${namespace}/${name}`;
}

function ownerOf({ sources }: Frontend): string {
  return sources === null ? "another service" : nameOf(sources.service);
}

function byName(a: Service, b: Service): number {
  return nameOf(a) < nameOf(b) ? -1 : 1;
}
