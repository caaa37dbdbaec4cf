export { ATTACH_TYPES, HOOKS, PROGRAM_TYPES } from "./program-types.ts";
export type { AttachType, ContextKind, Hook, HookName, ProgramType } from "./program-types.ts";
export { MAP_FLAGS, MAP_TYPES, PER_CPU_MAPS } from "./map-types.ts";
export type { MapType } from "./map-types.ts";
export { CONTEXTS } from "./contexts.ts";
export type { ContextLayout, PacketWindow } from "./contexts.ts";
export { HELPERS } from "./helpers.ts";
export type { ArgKind, Helper, HelperName, ResultKind } from "./helpers.ts";
export { LIMITS } from "./limits.ts";
