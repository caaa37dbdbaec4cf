/** Service load balancing: from Services, EndpointSlices and Pods to the kernel's tables. */
export { compileServices, NO_SERVICES, SERVICE_LIMITS } from "./compile.ts";
export { describeServices } from "./describe.ts";
export { SERVICE_DIAGNOSTICS } from "./diagnostics.ts";
export { diffServices } from "./diff.ts";
export type { ServiceWrite } from "./diff.ts";
export { applyServices, readServices } from "./maps.ts";
export type { ServiceMaps, StoredServices } from "./maps.ts";
export { sockmapErrata } from "./sockmap-errata.ts";
export type { SockmapErratum } from "./sockmap-errata.ts";
export type { Backend, Frontend, FrontendKey, ServiceTables, SlotTable } from "./types.ts";
