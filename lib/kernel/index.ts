export { ATTACH_TYPES, HOOKS, NETWORK_LAYER_TYPES, PROGRAM_FLAGS, PROGRAM_TYPES } from "./program-types.ts";
export type { AttachType, ContextKind, Hook, HookName, ProgramType } from "./program-types.ts";
// prettier-ignore
export { KEYLESS_MAPS, MAPS_OF_MAPS, MAP_FLAGS, MAP_TYPES, PER_CPU_MAPS, STORAGE_MAPS, UNTYPED_MAPS, UPDATE_FLAGS } from "./map-types.ts";
export type { MapType } from "./map-types.ts";
export { MAP_RULES, fitsInner, mapProblem } from "./map-rules.ts";
export type { MapDefinition, MapProblem } from "./map-rules.ts";
// prettier-ignore
export { CONTEXTS, CONTEXT_FIELDS, FLOW_KEYS_SIZE, SOCKET_FIELDS, SOCKET_SIZE, TCP_SOCK_FIELDS, TCP_SOCK_SIZE } from "./contexts.ts";
export type {
  ContextField,
  ContextFieldName,
  ContextLayout,
  FieldAccess,
  FieldKind,
  PacketWindow,
  SocketFieldName,
  TcpSockFieldName,
} from "./contexts.ts";
export { contextAccess, mayLoad, mayStore, storableFields } from "./context-access.ts";
export type { ContextAccess } from "./context-access.ts";
export { ERROR_ARGUMENTS, ITERATORS, NULLABLE_ARGUMENTS } from "./tracing-nulls.ts";
export type { IteratorArgument } from "./tracing-nulls.ts";
export { plainContext } from "./plain-contexts.ts";
export type { PlainContext } from "./plain-contexts.ts";
export { HELPERS } from "./helpers.ts";
export { HELPER_NAMES, helperNumber } from "./helper-names.ts";
export type { AnyHelperName } from "./helper-names.ts";
export { KERNEL_FUNCTIONS, mayCallKernel } from "./kernel-functions.ts";
export type { KernelFunctionName } from "./kernel-functions.ts";
export { TABLED_TYPES, mayCall } from "./helper-programs.ts";
export type { ArgKind, Helper, HelperName, ResultKind } from "./helpers.ts";
export { PROTOCOL, TCP_STATE } from "./sockets.ts";
export { KFUNCS, callable, isKfunc } from "./kfuncs.ts";
export type { CType, CallableName, KernelFunction, KfuncName } from "./kfuncs.ts";
export { LIMITS } from "./limits.ts";
export { SECTION_NAMES, sectionMeaning } from "./sections.ts";
export type { SectionMeaning } from "./sections.ts";
export { verdictOf, verdictsOf } from "./verdicts.ts";
export type { Verdict, VerdictMeaning } from "./verdicts.ts";
export { MAP_HELPERS, takesMap } from "./helper-maps.ts";
export type { MapHelperName } from "./helper-maps.ts";
export { MAP_FIELDS } from "./map-fields.ts";
export type { MapField } from "./map-fields.ts";
