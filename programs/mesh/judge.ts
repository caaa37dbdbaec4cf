// Who is it, and what does policy say: the two questions whose cost must not grow with the cluster.
import { noInline } from "ebpf-ts/std";
import { InMap, Packet, UNKNOWN_PORT } from "./packet";
import {
  Action, Address, FlowKey, Host, HostFlag, Identity, Judgement, JudgementFlag, JudgementKey, PortKey, PortPrefix, Prefix, Verdict,
  hosts, judgements, portRanges, prefixes, verdicts,
} from "./tables";

/** What is known of an address: of itself, or of the longest prefix that has it. */
export function lookUpHost(hi: u64, lo: u64): Host | null {
  const address = new Address();
  address.hi = hi;
  address.lo = lo;
  const host = hosts.get(address);
  if (host) return host;
  const prefix = new Prefix();
  prefix.bits = 128;
  prefix.a = <u32>hi;
  prefix.b = <u32>(hi >> 32);
  prefix.c = <u32>lo;
  prefix.d = <u32>(lo >> 32);
  return prefixes.get(prefix);
}

/** Finds the remote end's identity and puts it into the packet; true: it is this node itself. */
export function identify<Where = InMap>(packet: Packet, key: FlowKey): bool {
  noInline();
  const host = lookUpHost(key.remoteHi, key.remoteLo);
  packet.identity = host && host.identity != 0 ? host.identity : Identity.World;
  return host != null && (host.flags & HostFlag.Local) != 0;
}

function decide(packet: Packet, action: u8, rule: u32, l7: u16): void {
  packet.action = action;
  packet.rule = rule;
  packet.l7 = l7;
}

/** Puts what a policy says about `packet.identity` and a port into the packet. `port`: as Packet.port. */
export function judge<Where = InMap>(packet: Packet, policy: u32, direction: u32, protocol: u32, port: u32): void {
  noInline();
  const who = new JudgementKey();
  who.policy = policy;
  who.identity = packet.identity;
  who.direction = direction;
  let judgement = judgements.get(who);
  if (!judgement && packet.identity != Identity.Unfit) {
    who.identity = 0;
    judgement = judgements.get(who);
  }
  if (!judgement) return decide(packet, Action.Deny, 0, 0);
  const verdict = judgement.ports != 0 ? lookUpPort(judgement, protocol, port) : null;
  if (verdict) decide(packet, verdict.action, verdict.rule, verdict.l7);
  else decide(packet, judgement.action, judgement.rule, judgement.l7);
}

/** The port table's verdict; null: it leaves the port to the judgement. */
function lookUpPort(judgement: Judgement, protocol: u32, port: u32): Verdict | null {
  const flags = judgement.flags;
  const exact = new PortKey();
  exact.ports = judgement.ports;
  exact.protocol = <u8>protocol;
  if (port != UNKNOWN_PORT) {
    if (flags & JudgementFlag.Exact) {
      exact.port = <u16>port;
      const verdict = verdicts.get(exact);
      if (verdict) return verdict;
    }
    if (flags & JudgementFlag.Ranges) {
      const range = new PortPrefix();
      range.bits = 56;
      range.ports = bswap<u32>(judgement.ports);
      range.protocol = <u8>protocol;
      range.portHigh = <u8>(port >> 8);
      range.portLow = <u8>port;
      const verdict = portRanges.get(range);
      if (verdict) return verdict;
    }
  }
  if (!(flags & JudgementFlag.AnyPort)) return null;
  exact.port = 0;
  return verdicts.get(exact);
}
