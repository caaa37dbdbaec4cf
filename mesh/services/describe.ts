/** Services as the agent shows them. */
import type { ServiceFrontend, ServiceView } from "../control/view.ts";
import type { Frontend, ServiceTables } from "./types.ts";

/** By namespace and name. What was read after a restart and nothing was compiled for yet belongs to no service, and is not shown. */
export function describeServices(tables: ServiceTables): ServiceView[] {
  const views = new Map<string, { namespace: string; name: string; frontends: ServiceFrontend[] }>();
  for (const frontend of tables.frontends.values()) {
    if (frontend.sources === null) continue;
    const { namespace, name } = frontend.sources.service;
    const key = `${namespace}/${name}`;
    const view = views.get(key) ?? { namespace, name, frontends: [] };
    view.frontends.push(describeFrontend(frontend));
    views.set(key, view);
  }
  return [...views].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, view]) => view);
}

function describeFrontend({ address, port, protocol, affinity, algorithm, backends }: Frontend): ServiceFrontend {
  return {
    address,
    port,
    protocol,
    affinity,
    algorithm,
    backends: backends.map((backend) => ({
      address: backend.address,
      port: backend.port,
      weight: backend.weight,
      active: backend.state === "active",
      node: backend.node,
    })),
  };
}
