/** The sidecarless service mesh: policy, identities, services, datapath, waypoint and agent of one node. */
export { RESERVED_IDENTITIES } from "./identity/reserved.ts";
// prettier-ignore
export type {
  CidrGroup, Cluster, Direction, DnsRule, EndpointSlice, Entity, HeaderMatch, HttpRule, L7Rules, Labels, MeshObject, NamedPort,
  Namespace, Node, ObjectRef, Peer, Place, Pod, Policy, PortRule, PortSpec, Protocol, Requirement, Rule, Selector, Service,
  ServicePort,
} from "./objects/types.ts";
// prettier-ignore
export type {
  DirectionPolicy, EndpointPolicy, EngineChange, Explanation, FlowQuery, HostEntry, HttpRequestHead, HttpRuleSet, IdentityNumber,
  Judgement, PolicyEngine, PortEntry, PortTable, PrefilterEntry, RuleInfo, RuleNumber, Verdict,
} from "./policy/types.ts";
