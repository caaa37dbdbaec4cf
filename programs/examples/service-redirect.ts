// Service addresses without a proxy: connect() to a service is turned into a connect() to its backend before the first
// packet exists, and getpeername() tells the application the address that it asked for.
import { Cell, HashMap, LruHashMap, Verdict, connect4, getpeername4 } from "ebpf-ts/std";

@unmanaged @final
class Endpoint {
  ip: u32;
  port: u16;
  protocol: u16;
}

/** Service address to backend address. */
export const services = new HashMap<Endpoint, Endpoint>(1024);
/** Socket cookie to the service address it asked for. */
export const origins = new LruHashMap<u64, Endpoint>(65536);
/** Connections that were redirected, by service. */
export const redirected = new HashMap<Endpoint, Cell<u64>>(1024);

export const redirect = connect4((ctx) => {
  const service = new Endpoint();
  service.ip = ctx.ip4;
  service.port = ctx.port;
  service.protocol = <u16>ctx.protocol;
  const backend = services.get(service);
  if (!backend) return Verdict.Allow;

  // Without the entry getpeername would show the backend: rather refuse than lie.
  if (origins.set(ctx.socketCookie, service) != 0) return Verdict.Deny;
  const n = redirected.get(service);
  if (n) n.add(1);
  ctx.ip4 = backend.ip;
  ctx.port = backend.port;
  return Verdict.Allow;
});

export const peer = getpeername4((ctx) => {
  const origin = origins.get(ctx.socketCookie);
  if (origin) {
    ctx.ip4 = origin.ip;
    ctx.port = origin.port;
  }
  return Verdict.Allow;
});
