/** Running eBPF programs without a kernel: the reference interpreter, simulated maps, helpers and hooks. */
export { createMachine, Machine } from "./machine.ts";
export type { BatchResult, MachineOptions, RunInput, RunResult } from "./machine.ts";
export { runRaw } from "./raw.ts";
export type { RawInput } from "./raw.ts";
export type { EngineName, Execution, HelperFunction } from "./engine.ts";
export { Stepper } from "./stepper.ts";
export type { Breakpoint, StackFrame } from "./stepper.ts";
export { Tracer } from "./tracer.ts";
export type { TracedAccess, TraceRow } from "./tracer.ts";
export { ENGINE_NAMES } from "./engines.ts";
export { Counters } from "./counters.ts";
export type { BranchCount, ProgramCounts } from "./counters.ts";
export type { Moment, Observer, Watched } from "./observer.ts";
export { contextKindOf, decodeContext, encodeContext } from "./context.ts";
export { loadOptimizer } from "./jit/optimize.ts";
export type { Optimizer } from "./jit/optimize.ts";
export type { ContextInput } from "./context.ts";
export { VM_DIAGNOSTICS } from "./diagnostics.ts";
export type { VmCode } from "./diagnostics.ts";
export type { Environment } from "./environment.ts";
export { explainFault, formatFault } from "./fault.ts";
export type { Fault, FaultKind } from "./fault.ts";
export type { Origin } from "./origin.ts";
export type { FieldValue } from "./fields.ts";
export { Host } from "./host.ts";
export type { Redirect } from "./host.ts";
export { SIMULATED_HELPERS } from "./helpers/index.ts";
export { SIMULATED_KERNEL_FUNCTIONS } from "./kfuncs/index.ts";
// prettier-ignore
export {
  ArrayMap, ArrayOfMaps, BloomFilter, CgroupArray, CgroupStorage, CpuMap, DeviceMap, HashMap, HashOfMaps, LpmTrie, LruHashMap,
  MapError, OwnedStorage, PerfEventArray, ProgArray, QueueMap, ReuseportArray, RingbufMap, SocketMap, StackTraceMap, UserRingbuf,
  VmMap, XskMap,
} from "./maps/index.ts";
// prettier-ignore
export type {
  Batch, CpuQueue, Device, MapHost, SetMode, SpecialField, StorageOwner, TableShape,
} from "./maps/index.ts";
export { Socket } from "./socket.ts";
export type { SocketFields } from "./socket.ts";
export { codecsOf, drainEvents, viewMap } from "./view.ts";
export type { MapView } from "./view.ts";
export { PlainWorld } from "./world.ts";
// prettier-ignore
export type { Cgroup, Endpoint, Interface, Network, PlainFacts, Route, RouteQuery, SocketQuery, Sockets, Task, TcpSockFields, World } from "./world.ts";
export { createNode, Node } from "./node/node.ts";
export type { NodeOptions, VethEnd, Where } from "./node/node.ts";
export { Attachment } from "./node/attach.ts";
export type { Outcome, Position } from "./node/attach.ts";
export { Cgroup as NodeCgroup } from "./node/cgroup.ts";
export type { CgroupMode, CgroupPosition } from "./node/cgroup.ts";
export type { EndpointText, Family } from "./node/endpoint.ts";
export { Interface as NodeInterface } from "./node/interface.ts";
export type { CapturedFrame, InterfaceKind } from "./node/interface.ts";
export { Log } from "./node/log.ts";
export type { DropReason, LogEntry, LogEvent } from "./node/log.ts";
export { Namespace } from "./node/namespace.ts";
export type { RouteOptions } from "./node/route.ts";
export { NodeSocket } from "./node/socket.ts";
export type { PollEvent, ReceiveFlags, SendFlags, SocketKind, SocketOptions } from "./node/socket.ts";
export type { Errno } from "./errno.ts";
