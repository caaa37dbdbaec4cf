/** The cluster as a value: what is known of it, and what it is after some objects changed. */
import type { Cluster, MeshObject, ObjectRef } from "./types.ts";

export type ObjectChange =
  | { readonly kind: "set"; readonly object: MeshObject }
  | { readonly kind: "delete"; readonly ref: ObjectRef };

/** Nothing is known. */
export const EMPTY_CLUSTER: Cluster = {
  namespaces: new Map(),
  pods: new Map(),
  nodes: new Map(),
  services: new Map(),
  endpointSlices: new Map(),
  cidrGroups: new Map(),
  policies: new Map(),
};

/** In which table of the cluster objects of a kind are; every policy kind is in `policies`. */
const TABLES: Readonly<Record<string, keyof Cluster>> = {
  Namespace: "namespaces",
  Pod: "pods",
  Node: "nodes",
  Service: "services",
  EndpointSlice: "endpointSlices",
  CiliumCIDRGroup: "cidrGroups",
};

/** `namespace/name`, or `name` of what has no namespace. */
export function nameOf({ namespace, name }: Pick<ObjectRef, "namespace" | "name">): string {
  return namespace === null ? name : `${namespace}/${name}`;
}

/** `kind namespace/name`: no two objects have the same. */
export function keyOf(ref: ObjectRef): string {
  return `${ref.kind} ${nameOf(ref)}`;
}

export function refOf(object: MeshObject): ObjectRef {
  switch (object.kind) {
    case "Policy":
      return object.object;
    case "CidrGroup":
      return { kind: "CiliumCIDRGroup", namespace: null, name: object.value.name };
    case "Namespace":
    case "Node":
      return { kind: object.kind, namespace: null, name: object.value.name };
    case "Pod":
    case "Service":
    case "EndpointSlice":
      return { kind: object.kind, namespace: object.value.namespace, name: object.value.name };
  }
}

/** The cluster after the changes, in order. Tables that no change is about stay the same maps. */
export function applyChanges(cluster: Cluster, changes: readonly ObjectChange[]): Cluster {
  const copies = new Map<keyof Cluster, Map<string, unknown>>();
  for (const change of changes) {
    const ref = change.kind === "set" ? refOf(change.object) : change.ref;
    const table = TABLES[ref.kind] ?? "policies";
    const copy = copies.get(table) ?? new Map<string, unknown>(cluster[table]);
    copies.set(table, copy);
    const key = table === "policies" ? keyOf(ref) : nameOf(ref);
    if (change.kind === "set") copy.set(key, change.object.value);
    else copy.delete(key);
  }
  return { ...cluster, ...(Object.fromEntries(copies) as Partial<Cluster>) };
}

/** The cluster of just these objects. */
export function clusterOf(objects: Iterable<MeshObject>): Cluster {
  return applyChanges(
    EMPTY_CLUSTER,
    [...objects].map((object) => ({ kind: "set", object })),
  );
}
