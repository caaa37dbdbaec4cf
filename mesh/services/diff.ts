/**
 * What has to be written to turn one state of the kernel's tables into another, in an order in which no moment is wrong: what
 * is named comes before what names it, and goes after it.
 */
import type { Backend, Frontend, ServiceTables, SlotTable } from "./types.ts";

export type ServiceWrite =
  | { readonly kind: "set backend"; readonly backend: Backend; readonly service: number }
  | { readonly kind: "set table"; readonly table: SlotTable }
  | { readonly kind: "set service"; readonly frontend: Frontend }
  | { readonly kind: "delete service"; readonly frontend: Frontend }
  | { readonly kind: "delete table"; readonly table: SlotTable }
  | { readonly kind: "delete backend"; readonly backend: Backend };

const ORDER: readonly ServiceWrite["kind"][] = [
  "set backend",
  "set table",
  "set service",
  "delete service",
  "delete table",
  "delete backend",
];

export function diffServices(before: ServiceTables, after: ServiceTables): ServiceWrite[] {
  const writes: ServiceWrite[] = [];
  for (const [key, now] of after.frontends) {
    const was = before.frontends.get(key);
    if (was !== now) writes.push(...diffFrontend(was, now));
  }
  for (const [key, was] of before.frontends) {
    if (!after.frontends.has(key)) writes.push({ kind: "delete service", frontend: was }, ...removeBehind(was, null));
  }
  const byKind = new Map(ORDER.map((kind) => [kind, [] as ServiceWrite[]]));
  for (const write of writes) byKind.get(write.kind)?.push(write);
  return [...byKind.values()].flat();
}

function diffFrontend(was: Frontend | undefined, now: Frontend): ServiceWrite[] {
  const writes: ServiceWrite[] = [];
  const old = new Map(was?.backends.map((backend) => [backend.number, backend]));
  for (const backend of now.backends) {
    if (old.get(backend.number)?.state !== backend.state)
      writes.push({ kind: "set backend", backend, service: now.id });
  }
  if (now.table !== null && !sameTable(now.table, was?.table)) writes.push({ kind: "set table", table: now.table });
  if (was === undefined || !sameService(was, now)) writes.push({ kind: "set service", frontend: now });
  if (was !== undefined) writes.push(...removeBehind(was, now));
  return writes;
}

function removeBehind(was: Frontend, now: Frontend | null): ServiceWrite[] {
  const writes: ServiceWrite[] = [];
  if (was.table !== null && !sameTable(was.table, now?.table)) writes.push({ kind: "delete table", table: was.table });
  const kept = new Set(now?.backends.map(({ number }) => number));
  for (const backend of was.backends) if (!kept.has(backend.number)) writes.push({ kind: "delete backend", backend });
  return writes;
}

function sameService(a: Frontend, b: Frontend): boolean {
  return (
    a.id === b.id && a.affinity === b.affinity && (a.table === null ? b.table === null : sameTable(a.table, b.table))
  );
}

function sameTable(a: SlotTable, b: SlotTable | null | undefined): boolean {
  return a.algorithm === b?.algorithm && a.number === b.number;
}
