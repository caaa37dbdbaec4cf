/**
 * The DNS proxy: for pods whose questions DNS rules decide, between the pod's sockets and the server that they asked.
 *
 *   client ── question ── may it ask? (agent) ──┬── no: REFUSED
 *                                               └── yes: server, from inside the pod ── answer ── in the kernel? (agent) ── client
 *
 * The agent decides, because only it knows the policy as it is now and opens addresses; an answer is held back until it says
 * that the kernel knows them, so that the connection that follows is never too early. Without an agent nothing is answered.
 *
 * A program at the pod's sockets sends the questions to a listener on the pod's loopback and says whose they are
 * (`DnsKernel.senderOf`). Datagrams that it knows nothing of are dropped: there is no server to ask.
 */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { bindUdp, KernelError } from "ebpf-ts/loader";
import type { SocketAddress } from "ebpf-ts/loader";
import { RCODE, readAnswer, readQuery, replyTo } from "./message.ts";
import type { Answer, Question } from "./message.ts";
import type { DnsFromAgent, DnsRecord, DnsToAgent } from "./messages.ts";

/** Whose a datagram is, and what it is for. */
export interface Sender {
  /** As servers see it; the port is the client's. */
  readonly client: SocketAddress;
  readonly server: SocketAddress;
  /** The rule of the verdict that sent it here. */
  readonly rule: number;
}

/** A socket from inside of a pod that the pod's own veth lets through to one server. Whoever opens it owns the descriptor. */
export interface ServerSocket {
  readonly fd: number;
  /** To be called when the socket is closed. */
  ended(): void;
}

export interface DnsKernel {
  /** Null: nothing is known of datagrams from the port. */
  senderOf(endpoint: number, port: number, listenerPort: number): Sender | null;
  openToServer(endpoint: number, sender: Sender): ServerSocket;
}

export interface DnsOptions {
  readonly kernel: DnsKernel;
  send(message: DnsToAgent): void;
  complain(message: string): void;
}

/** Milliseconds for the agent to say something, and for the server to answer (what resolvers wait before they ask again). */
const AGENT_LIMIT = 2000;
const SERVER_LIMIT = 5000;
/** Questions of one pod at once. More are answered SERVFAIL. */
const MAX_PENDING = 256;

interface Listener {
  readonly sockets: readonly Socket[];
  pending: number;
}

export class DnsProxy {
  private readonly options: DnsOptions;
  private readonly listeners = new Map<number, Listener>();
  private readonly waiting = new Map<number, (message: DnsFromAgent | null) => void>();
  private nextTicket = 1;

  constructor(options: DnsOptions) {
    this.options = options;
  }

  /** Takes questions of an endpoint on loopback in its namespace. Does nothing when it does already. Throws L002. */
  serve(endpoint: number, netns: string, port: number): void {
    if (this.listeners.has(endpoint)) return;
    const sockets: Socket[] = [];
    const listener: Listener = { sockets, pending: 0 };
    this.listeners.set(endpoint, listener);
    try {
      for (const address of ["127.0.0.1", "::1"])
        sockets.push(...this.listen(endpoint, listener, { address, port, netns }));
    } catch (error) {
      this.stop(endpoint);
      throw error;
    }
  }

  stop(endpoint: number): void {
    for (const socket of this.listeners.get(endpoint)?.sockets ?? []) socket.close();
    this.listeners.delete(endpoint);
  }

  /** Nobody can answer for policy any more. */
  close(): void {
    for (const endpoint of [...this.listeners.keys()]) this.stop(endpoint);
    for (const settle of [...this.waiting.values()]) settle(null);
  }

  receive(message: DnsFromAgent): void {
    this.waiting.get(message.ticket)?.(message);
  }

  private listen(
    endpoint: number,
    listener: Listener,
    place: SocketAddress & { readonly netns: string },
  ): readonly Socket[] {
    const bound = bindIfThere(place);
    if (bound === null) return [];
    const socket = adopt(bound, place.address);
    socket.on("message", (bytes, from) => {
      // The socket may be closed by the time that an answer is there.
      const reply = (answer: Uint8Array): void => {
        if (this.listeners.get(endpoint) === listener) socket.send(answer, from.port, from.address, () => undefined);
      };
      void this.take(endpoint, listener, bytes, from.port, place.port, reply);
    });
    socket.on("error", (error) => this.options.complain(`DNS questions of endpoint ${endpoint}: ${error.message}`));
    return [socket];
  }

  private async take(
    endpoint: number,
    listener: Listener,
    bytes: Uint8Array,
    port: number,
    listenerPort: number,
    reply: (bytes: Uint8Array) => void,
  ): Promise<void> {
    const time = Date.now();
    const began = performance.now();
    const sender = this.options.kernel.senderOf(endpoint, port, listenerPort);
    if (sender === null) return;
    const question = readQuery(bytes);
    const { client, server } = sender;
    const tell = (verdict: DnsRecord["verdict"], rule: number, rcode: number | null, answer?: Answer): void => {
      const { addresses, ttl } = answer ?? { addresses: [], ttl: 0 };
      const { name: query, type } = question ?? { name: "", type: 0 };
      const duration = performance.now() - began;
      const what = { endpoint, client, server, query, type, rcode, addresses, ttl, verdict, rule };
      this.options.send({ kind: "dnsRecord", record: { time, duration, ...what } });
    };
    if (question === null) {
      tell("refused", sender.rule, null);
      return;
    }
    const fail = (rule: number): void => {
      reply(replyTo(bytes, question, RCODE.serverFailure));
      tell("failed", rule, RCODE.serverFailure);
    };
    if (listener.pending >= MAX_PENDING) {
      fail(sender.rule);
      return;
    }
    listener.pending++;
    try {
      const permission = await this.ask({ kind: "question", endpoint, server: server.address, name: question.name });
      if (permission?.kind !== "permission") {
        fail(sender.rule);
      } else if (!permission.allow) {
        reply(replyTo(bytes, question, RCODE.refused));
        tell("denied", permission.rule, RCODE.refused);
      } else {
        const found = await this.askServer(endpoint, sender, bytes, question);
        if (found === null || !(await this.open(question, found.answer))) {
          fail(permission.rule);
          return;
        }
        reply(found.bytes);
        tell("forwarded", permission.rule, found.answer.rcode, found.answer);
      }
    } finally {
      listener.pending--;
    }
  }

  /** Whether the kernel knows the addresses of an answer. */
  private async open({ name }: Question, { addresses, ttl }: Answer): Promise<boolean> {
    if (addresses.length === 0) return true;
    const opened = await this.ask({ kind: "resolved", name, addresses, ttl });
    return opened?.kind === "opened" && opened.ok;
  }

  /** The agent's reply; null: none came in time. */
  private ask(message: Unnumbered<Exclude<DnsToAgent, { readonly kind: "dnsRecord" }>>): Promise<DnsFromAgent | null> {
    const ticket = this.nextTicket++;
    return new Promise((resolve) => {
      const settle = (reply: DnsFromAgent | null): void => {
        clearTimeout(timer);
        this.waiting.delete(ticket);
        resolve(reply);
      };
      const timer = setTimeout(() => settle(null), AGENT_LIMIT);
      this.waiting.set(ticket, settle);
      this.options.send({ ...message, ticket });
    });
  }

  /** Asks from a port of its own, so that nobody can guess where to send a false answer. Null: no answer came in time. */
  private async askServer(
    endpoint: number,
    sender: Sender,
    query: Uint8Array,
    question: Question,
  ): Promise<{ readonly bytes: Uint8Array; readonly answer: Answer } | null> {
    const { server } = sender;
    let opened: ServerSocket;
    try {
      opened = this.options.kernel.openToServer(endpoint, sender);
    } catch (error) {
      this.options.complain(`cannot ask DNS server ${server.address} for endpoint ${endpoint}: ${String(error)}`);
      return null;
    }
    const socket = adopt(opened.fd, server.address);
    try {
      return await new Promise((resolve) => {
        const timer = setTimeout(() => resolve(null), SERVER_LIMIT);
        const give = (found: { readonly bytes: Uint8Array; readonly answer: Answer } | null): void => {
          clearTimeout(timer);
          resolve(found);
        };
        socket.on("message", (bytes, from) => {
          if (from.address !== server.address || from.port !== server.port) return;
          const answer = readAnswer(bytes, question);
          if (answer !== null) give({ bytes, answer });
        });
        socket.on("error", () => give(null));
        socket.send(query, server.port, server.address, (error) => {
          if (error !== null) give(null);
        });
      });
    } finally {
      socket.close();
      opened.ended();
    }
  }
}

type Unnumbered<T> = T extends unknown ? Omit<T, "ticket"> : never;

/** Node's socket around a descriptor, which it owns from here on. */
function adopt(fd: number, like: string): Socket {
  const socket = createSocket(like.includes(":") ? "udp6" : "udp4");
  socket.bind({ fd });
  return socket;
}

const NO_IPV6: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/** Null: the namespace has no IPv6. */
function bindIfThere(place: SocketAddress & { readonly netns: string }): number | null {
  try {
    return bindUdp({ ...place, reusePort: true }).fd;
  } catch (error) {
    if (place.address.includes(":") && error instanceof KernelError && NO_IPV6.has(error.errnoName)) return null;
    throw error;
  }
}
