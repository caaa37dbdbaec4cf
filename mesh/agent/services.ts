/** The services of the cluster in the kernel: compiled when something of them changed, and the difference written. */
import type { Diagnostic } from "ebpf-ts/diag";
import type { ServiceView } from "../control/view.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Cluster } from "../objects/types.ts";
import { applyServices, compileServices, describeServices, diffServices, readServices } from "../services/index.ts";
import type { ServiceMaps, ServiceTables } from "../services/index.ts";

export class NodeServices {
  private readonly maps: ServiceMaps;
  private tables: ServiceTables;
  private last: Pick<Cluster, "services" | "endpointSlices" | "pods"> | null = null;

  /** Finds what an earlier agent left, and repairs what it left half done. */
  constructor(datapath: Datapath) {
    this.maps = {
      services: datapath.map("services") as never,
      slots: datapath.map("slots") as never,
      maglevs: datapath.map("maglevs") as never,
      backends: datapath.map("backends") as never,
      makeMaglev: (length) => datapath.makeInner("maglevs", length) as never,
    };
    const { tables, orphans } = readServices(this.maps);
    applyServices(this.maps, orphans);
    this.tables = tables;
  }

  get problems(): readonly Diagnostic[] {
    return this.tables.problems;
  }

  update(cluster: Cluster): void {
    const { services, endpointSlices, pods } = cluster;
    const { last } = this;
    if (last?.services === services && last.endpointSlices === endpointSlices && last.pods === pods) return;
    this.last = { services, endpointSlices, pods };
    const next = compileServices(cluster, this.tables);
    applyServices(this.maps, diffServices(this.tables, next));
    this.tables = next;
  }

  describe(): readonly ServiceView[] {
    return describeServices(this.tables);
  }
}
