/**
 * sk_msg: a program judges what an application sends, before TCP has it.
 *
 *   write ──> (wait for cork bytes) ──> program ──┬ pass      ──> TCP
 *                                                ├ redirect  ──> another socket of a sockmap: its queue, or its TCP
 *                                                └ drop      ──> the write fails with EACCES
 *
 * A verdict is for the whole message, or for as many bytes as msg_apply_bytes says: for less the rest is judged again, for
 * more the next writes are not. msg_cork_bytes holds the message back until it is that long.
 * Source: net/ipv4/tcp_bpf.c (tcp_bpf_send_verdict), Linux 6.18.
 */
import { FAMILY_NUMBERS } from "./endpoint.ts";
import { joined } from "./frame.ts";
import type { Errno } from "../errno.ts";
import type { RunResult } from "../machine.ts";
import type { Message, Psock, Target } from "./psock.ts";
import { sockOf } from "./sock.ts";
import { sendTcp } from "./tcp-calls.ts";
import { TcpSock } from "./tcp-sock.ts";

const SK_PASS = 1;
const NOTHING = new Uint8Array(0);

/** sendmsg of a socket with an sk_msg program: the bytes taken, or the error. */
export function sendMessage(sock: TcpSock, psock: Psock, data: Uint8Array, more: boolean): number | Errno {
  if (data.length === 0) return 0;
  if (sock.error !== null) return sock.error;
  const corked = psock.cork !== null;
  const message = psock.cork ?? { bytes: NOTHING, apply: 0, cork: 0, target: null };
  psock.cork = null;
  message.bytes = joined(message.bytes, data);
  if (psock.corkBytes > 0) {
    psock.corkBytes = Math.max(0, psock.corkBytes - data.length);
    if (psock.corkBytes > 0) {
      psock.cork = message;
      return data.length;
    }
    psock.eval = "none";
  }
  return judgeMessage(sock, psock, message, { length: data.length, corked, more });
}

interface Write {
  /** Bytes of the call. */
  readonly length: number;
  /** The message had waited for them. */
  readonly corked: boolean;
  readonly more: boolean;
}

/** `copied` counts what of the caller's bytes is taken. */
function judgeMessage(sock: TcpSock, psock: Psock, message: Message, { length, corked, more }: Write): number | Errno {
  let copied = length;
  do {
    const before = message.bytes.length;
    if (psock.eval === "none") runVerdict(sock, psock, message);
    const { bytes, cork } = message;
    const delta = before - bytes.length;
    if (cork > bytes.length) {
      psock.corkBytes = cork - bytes.length;
      psock.cork = message;
      return copied;
    }
    const size = psock.apply > 0 && psock.apply < bytes.length ? psock.apply : bytes.length;
    const part = bytes.subarray(0, size);
    message.bytes = bytes.subarray(size);
    const failure = deliver(sock, psock, part, more);
    if (psock.apply > 0) psock.apply = Math.max(0, psock.apply - size);
    if (psock.eval === "drop") {
      // The kernel keeps this verdict: without corking the socket's program is never asked again.
      copied -= size + delta;
      return copied > 0 ? copied : "EACCES";
    }
    if (failure !== null) return failure;
    // The kernel gives up what is left of a corked message when a part of it was redirected.
    if (corked && psock.eval === "redirect") message.bytes = NOTHING;
    if (psock.apply === 0) {
      psock.eval = "none";
      psock.target = null;
    }
  } while (message.bytes.length > 0);
  return copied;
}

function deliver(sock: TcpSock, psock: Psock, part: Uint8Array, more: boolean): Errno | null {
  if (psock.eval === "drop") return null;
  if (psock.eval === "redirect" && psock.target !== null) return redirectMessage(psock.target, part);
  const sent = sendTcp(sock, part, more);
  return typeof sent === "string" ? sent : null;
}

/** Into the other socket's queue, or out through it, past its own program. */
function redirectMessage({ sock, ingress }: Target, part: Uint8Array): Errno | null {
  if (sock.psock === null) return "EPIPE";
  if (!ingress) {
    if (!(sock instanceof TcpSock)) return "EOPNOTSUPP";
    const sent = sendTcp(sock, part);
    return typeof sent === "string" ? sent : null;
  }
  sock.psock.ingress.push(part.slice());
  return null;
}

function runVerdict(sock: TcpSock, psock: Psock, message: Message): void {
  const program = psock.programs.sk_msg_verdict;
  psock.eval = "pass";
  if (program === undefined) return;
  const result = program.run("sk_msg", sock.namespace, {
    packet: message.bytes,
    socket: sock.publish(),
    context: messageContext(sock, message.bytes.length),
  });
  message.bytes = result.packet ?? NOTHING;
  message.apply = lastOf(result, "apply_bytes") ?? message.apply;
  message.cork = lastOf(result, "cork_bytes") ?? message.cork;
  message.target = targetOf(result) ?? message.target;
  psock.apply = message.apply;
  psock.target = message.target;
  psock.eval = result.returnValue !== SK_PASS ? "drop" : psock.target === null ? "pass" : "redirect";
}

function targetOf({ redirects }: RunResult): Target | null {
  const redirect = redirects.findLast(({ kind }) => kind === "socket");
  const sock = redirect?.kind === "socket" ? sockOf(redirect.socket) : null;
  return sock === null || redirect?.kind !== "socket" ? null : { sock, ingress: redirect.ingress };
}

/** Null: no program said so. */
function lastOf({ effects }: RunResult, kind: "apply_bytes" | "cork_bytes"): number | null {
  const found = effects.findLast((effect) => effect.kind === kind);
  return found !== undefined && "bytes" in found ? found.bytes : null;
}

function messageContext(sock: TcpSock, size: number): Record<string, number | string> {
  const { local4, remote4 } = sock.ipv4Ends;
  return {
    family: FAMILY_NUMBERS[sock.family],
    local_ip4: local4,
    remote_ip4: remote4,
    ...(sock.family === "inet6" ? { local_ip6: sock.local.address, remote_ip6: sock.remote.address } : {}),
    local_port: sock.local.port,
    remote_port: sock.remote.port,
    size,
  };
}
