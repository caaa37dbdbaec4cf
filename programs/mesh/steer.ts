// Connections whose HTTP rules decide, to the waypoint: sk_lookup in the pod's network namespace.
//
// to_pod has judged the packet on its way here and left the verdict in the flow's entry; this program acts on it, so the two
// never disagree. Redirect: the connection goes to the pod's listener of the waypoint instead of the application's, the flow is
// marked as steered, and the waypoint learns from `steered` who calls. What was not judged does not connect: closed, not open.
import { Family, IpProtocol, SkAction, SkLookup, monotonicTime, skLookup } from "ebpf-ts/std";
import { mapped } from "./packet";
import { Action, Address, Flow, FlowKey, Steered, SteeredKey, flows, halfOpen, hosts, listeners, steered } from "./tables";

function setKey(key: FlowKey, ctx: SkLookup): void {
  if (ctx.family == Family.Inet) {
    key.localLo = mapped(ctx.localIp4_be);
    key.remoteLo = mapped(ctx.remoteIp4_be);
  } else {
    key.localHi = ctx.localIp6High_be;
    key.localLo = ctx.localIp6Low_be;
    key.remoteHi = ctx.remoteIp6High_be;
    key.remoteLo = ctx.remoteIp6Low_be;
  }
  key.localPort = <u16>ctx.localPort;
  key.remotePort = ctx.remotePort;
  key.protocol = IpProtocol.Tcp;
}

function isPod(key: FlowKey): bool {
  const address = new Address();
  address.hi = key.localHi;
  address.lo = key.localLo;
  const host = hosts.get(address);
  return host != null && host.endpoint != 0;
}

/** Says to the waypoint what it has to do with the connection. */
function tellWaypoint(key: FlowKey, flow: Flow): void {
  const connection = new SteeredKey();
  connection.clientHi = key.remoteHi;
  connection.clientLo = key.remoteLo;
  connection.serverHi = key.localHi;
  connection.serverLo = key.localLo;
  connection.clientPort = key.remotePort;
  connection.serverPort = key.localPort;
  const what = new Steered();
  what.time = monotonicTime();
  what.originalHi = key.localHi;
  what.originalLo = key.localLo;
  what.originalPort = key.localPort;
  what.l7 = flow.l7;
  what.identity = flow.identity;
  what.endpoint = flow.endpoint;
  what.rule = flow.rule;
  what.direction = flow.direction;
  steered.set(connection, what);
}

export const steer = skLookup((ctx) => {
  if (ctx.protocol != IpProtocol.Tcp) return SkAction.Pass;
  const key = new FlowKey();
  setKey(key, ctx);
  // Within the pod: never seen by tcx.
  if (key.localHi == key.remoteHi && key.localLo == key.remoteLo) return SkAction.Pass;
  let flow = halfOpen.get(key);
  if (!flow) flow = flows.get(key);
  // Loopback and other addresses of the namespace are nobody's endpoint.
  if (!flow) return isPod(key) ? SkAction.Drop : SkAction.Pass;
  flow.steered = 0;
  if (flow.action != Action.Redirect) return SkAction.Pass;
  const listener = listeners.get(flow.endpoint);
  if (!listener) return SkAction.Drop;
  const assigned = ctx.assign(listener) == 0;
  listener.release();
  if (!assigned) return SkAction.Drop;
  flow.steered = 1;
  tellWaypoint(key, flow);
  return SkAction.Pass;
});
