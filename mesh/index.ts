/** The sidecarless service mesh: policy, identities, services, datapath, waypoint and agent of one node. */
export { agentCni, ClusterFolder, startAgent as startBedAgent } from "./bed/agent.ts";
export type { BedAgent, BedAgentOptions } from "./bed/agent.ts";
export { createBed, whyNoBed } from "./bed/bed.ts";
export type { Bed, Cni, PacketCounts, Device, NodePlace, OutsidePlace, PodPlace } from "./bed/bed.ts";
export { BED_DIAGNOSTICS } from "./bed/diagnostics.ts";
export type { Ended, Exchanged, HttpRequest, Totals, Tried, Try } from "./bed/hand.ts";
export type { Hand } from "./bed/hand-process.ts";
export { planOf } from "./bed/plan.ts";
export type { BedNode, BedPlan, BedPod, OutsideHost } from "./bed/plan.ts";
export { spawnIn } from "./bed/process.ts";
export type { Place as BedPlace } from "./bed/process.ts";
export { removeLeftovers } from "./bed/removal.ts";
export { RESERVED_IDENTITIES } from "./identity/reserved.ts";
export {
  contains,
  formatAddress,
  formatPrefix,
  mappedBytes,
  mappedLength,
  parseAddress,
  parsePrefix,
} from "./objects/address.ts";
export { parseAddressOrPrefix, prefixOf } from "./objects/address.ts";
export type { Address, Family, Prefix } from "./objects/address.ts";
export { EMPTY_CLUSTER, applyChanges, clusterOf, keyOf, nameOf, refOf } from "./objects/cluster.ts";
export type { ObjectChange } from "./objects/cluster.ts";
export { startAgent } from "./agent/agent.ts";
export { watchFolder } from "./control/folder.ts";
export type { FolderOptions } from "./control/folder.ts";
export type { Source, SourceState } from "./control/source.ts";
export type { Agent, AgentOptions } from "./agent/agent.ts";
export { createLog } from "./agent/log.ts";
export type { Details, Level, Log } from "./agent/log.ts";
export { uninstall } from "./datapath/uninstall.ts";
export type { NodeSite } from "./datapath/links.ts";
export { AGENT_DIAGNOSTICS } from "./datapath/diagnostics.ts";
export type { AgentCode } from "./datapath/diagnostics.ts";
export { INPUT_DIAGNOSTICS } from "./objects/diagnostics.ts";
export type { InputCode, InputDiagnostic } from "./objects/diagnostics.ts";
export { FileParser, parseObjects } from "./objects/parse.ts";
export type { ParsedObject, ParsedText } from "./objects/parse.ts";
// prettier-ignore
export type {
  CidrGroup, Cluster, Direction, DnsRule, EndpointSlice, Entity, HeaderMatch, HttpRule, L7Rules, Labels, MeshObject, NamedPort,
  Namespace, Node, ObjectRef, Peer, Place, Pod, Policy, PortRule, PortSpec, Protocol, Requirement, Rule, Selector, Service,
  ServicePort,
} from "./objects/types.ts";
export { createPolicyEngine } from "./policy/engine.ts";
export type { Enforcement, PolicyEngineOptions } from "./policy/engine.ts";
export { compileHttpRules } from "./policy/http-match.ts";
export type { HeaderEdit, HttpMatch, HttpMatcher } from "./policy/http-match.ts";
export { checkPattern } from "./policy/pattern.ts";
// prettier-ignore
export type {
  DirectionPolicy, EndpointPolicy, EngineChange, Explanation, FlowQuery, HostEntry, HttpRequestHead, HttpRuleSet, IdentityNumber,
  Judgement, PolicyEngine, PortEntry, PortTable, PrefilterEntry, RuleInfo, RuleNumber, Verdict,
} from "./policy/types.ts";
export { DROP_REASONS, dropReason, findDropReason } from "./observe/drop-reasons.ts";
export type { DropReason } from "./observe/drop-reasons.ts";
export { FILTER_FIELDS, matcherOf } from "./observe/filter.ts";
export type { FilterKey, FlowFilter } from "./observe/filter.ts";
export { createFlowContext } from "./observe/context.ts";
export type { ContextSources } from "./observe/context.ts";
export type { FlowContext } from "./observe/flow.ts";
export { coloured, formatFlow, plain } from "./observe/format.ts";
export type { Colour, FormatOptions, Paint } from "./observe/format.ts";
export { hubbleLost, hubbleOf } from "./observe/hubble.ts";
export { FlowLog } from "./observe/log.ts";
export type { Followed, FlowListener, FlowLogOptions, FollowOptions } from "./observe/log.ts";
export { createMetrics } from "./observe/metrics.ts";
export type { Metrics } from "./observe/metrics.ts";
export type { Flow, FlowEnd, FlowHttp, FlowRule, FlowVerdict } from "./observe/types.ts";
export { AGENT_ABSENT, API_DIAGNOSTICS } from "./control/api-diagnostics.ts";
export type { ApiCode } from "./control/api-diagnostics.ts";
export { serveApi } from "./control/api.ts";
export type { ApiOptions, ApiServer } from "./control/api.ts";
export { AgentClient } from "./control/client.ts";
export type { FlowsOptions } from "./control/client.ts";
export { effectiveRules } from "./control/documents.ts";
// prettier-ignore
export type {
  DirectionDocument, EffectiveRule, EndpointPolicyDocument, PolicyDocument, StatusDocument,
} from "./control/documents.ts";
export { explainFlow } from "./control/explain.ts";
export type { Explained, ExplainedEnd, ExplainWorld, Question } from "./control/explain.ts";
// prettier-ignore
export type {
  AgentView, Check, Counters, Drift, EndpointRegistration, EndpointState, EndpointView, MapUse, PolicyState, Probe,
  ServiceFrontend, ServiceView, Traffic, WaypointView,
} from "./control/view.ts";
// prettier-ignore
export { applyServices, compileServices, describeServices, diffServices, NO_SERVICES, readServices, SERVICE_DIAGNOSTICS, SERVICE_LIMITS, sockmapErrata } from "./services/index.ts";
// prettier-ignore
export type {
  Backend, Frontend, FrontendKey, ServiceMaps, ServiceTables, ServiceWrite, SlotTable, SockmapErratum,
  StoredServices,
} from "./services/index.ts";
export { WAYPOINT_DIAGNOSTICS } from "./waypoint/diagnostics.ts";
export type { WaypointCode } from "./waypoint/diagnostics.ts";
export { REFUSALS } from "./waypoint/http1/refusals.ts";
export type { Refusal } from "./waypoint/http1/refusals.ts";
export { endLeftWaypoint, WaypointSupervisor } from "./waypoint/supervisor.ts";
export type { WaypointOptions, WaypointPod, WaypointState } from "./waypoint/supervisor.ts";
export type { AccessRecord, Failure, Origin as RequestOrigin } from "./waypoint/types.ts";
