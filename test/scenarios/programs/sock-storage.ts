// A value that goes with a socket: written when it connects and when it is established, read and answered by getsockopt.
import { Cell, MapFlag, RingBuffer, SockOp, SocketStorage, Sockopt, Verdict, connect4, getsockopt, sockOps } from "ebpf-ts/std";

@unmanaged @final
class Event {
  op: u32;
  /** The value before and after. */
  before: u32;
  after: u32;
  found: u32;
  cookie: u64;
}

export const values = new SocketStorage<Cell<u32>>();
/** Accepted sockets inherit this one from their listener. */
export const inherited = new SocketStorage<Cell<u32>>(MapFlag.Clone);
export const events = new RingBuffer<Event>(8192);

/** Each event adds its number to the socket's values. */
export const count = sockOps((ctx) => {
  const op = ctx.op;
  if (op != SockOp.TcpConnect && op != SockOp.ActiveEstablished && op != SockOp.PassiveEstablished && op != SockOp.TcpListen) return Verdict.Allow;
  const socket = ctx.socket;
  if (!socket) return Verdict.Allow;
  const own = values.getOrCreate(socket);
  if (!own) return Verdict.Allow;
  const before = own.value;
  own.value = before + op;
  const shared = inherited.getOrCreate(socket);
  if (shared) shared.value += 1;
  const event = events.reserve();
  if (!event) return Verdict.Allow;
  event.op = op;
  event.before = before;
  event.after = before + op;
  event.found = shared ? shared.value : 0;
  event.cookie = ctx.socketCookie;
  events.submit(event);
  return Verdict.Allow;
});

/** connect() writes 100 first, where the sock_ops program goes on from. */
export const start = connect4((ctx) => {
  const socket = ctx.socket;
  if (!socket) return Verdict.Allow;
  const own = values.getOrCreate(socket);
  if (own) own.value = 100;
  return Verdict.Allow;
});

/** The option 0xdead, 1 is the socket's value; 2 deletes it, and answers with what deleting gave. */
export const answer = getsockopt((ctx: Sockopt) => {
  if (ctx.level != 0xdead) return Verdict.Allow;
  const socket = ctx.socket;
  const option = ctx.at<Cell<u32>>(0);
  if (!socket || !option) return Verdict.Allow;
  if (ctx.name == 2) {
    option.value = values.delete(socket);
  } else {
    const own = values.get(socket);
    option.value = own ? own.value : 0xffffffff;
  }
  ctx.length = 4;
  ctx.result = 0;
  return Verdict.Allow;
});
