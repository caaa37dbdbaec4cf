/**
 * Sockmaps and sockhashes on the node: which programs a map has, and what entering and leaving a map does to a socket.
 * Rules: net/core/sock_map.c, Linux 6.18, seen in the scenarios.
 */
import { ERRNO } from "../errno.ts";
import type { Errno } from "../errno.ts";
import type { SocketMap, SocketMapGuard } from "../maps/index.ts";
import type { Socket } from "../socket.ts";
import { Attachment } from "./attach.ts";
import type { Place } from "./attach.ts";
import type { Program } from "./program.ts";
import { MAP_HOOKS, Psock } from "./psock.ts";
import type { MapHook } from "./psock.ts";
import { isMember } from "./reuseport-group.ts";
import { startJudging, stopJudging } from "./sk-skb.ts";
import { sockOf } from "./sock.ts";

/** The programs of all maps of a node. */
export class Sockmaps implements SocketMapGuard {
  private readonly programs = new WeakMap<SocketMap, Partial<Record<MapHook, Attachment>>>();

  /** Attaches a program to a map: sockets that enter later get it. */
  attach(map: SocketMap, program: Program): Attachment {
    const hook = hookOf(program);
    if (hook === null) return new Attachment(program, null, "EINVAL");
    const held = this.of(map);
    const refused = refusal(held, hook);
    if (refused !== null) return new Attachment(program, null, refused);
    const place: Place = {
      detach: () => {
        delete held[hook];
        return "ok";
      },
      replace: () => "ok",
    };
    const attachment = new Attachment(program, place);
    held[hook] = attachment;
    return attachment;
  }

  /** A socket enters a map. */
  enter(map: SocketMap, socket: Socket): number {
    const sock = sockOf(socket);
    if (sock === null) return 0;
    const given = this.of(map);
    const psock = sock.psock ?? new Psock(sock);
    // sk_user_data has room for one owner.
    if (clashes(psock, given) || isMember(sock)) return -ERRNO.EBUSY;
    // Only streams can be parsed.
    const parsed = given.sk_skb_stream_parser !== undefined && given.sk_skb_stream_verdict !== undefined;
    if (parsed && sock.type !== "stream") return -ERRNO.EOPNOTSUPP;
    for (const hook of MAP_HOOKS) {
      const attachment = given[hook];
      if (attachment !== undefined) psock.programs[hook] = attachment.program;
    }
    psock.links.push(map);
    sock.psock = psock;
    startJudging(psock, given);
    return 0;
  }

  /** One entry of it is gone; with the last one the socket is as any other. */
  leave(map: SocketMap, socket: Socket): void {
    const sock = sockOf(socket);
    const psock = sock?.psock ?? null;
    if (sock === null || psock === null) return;
    psock.links.splice(psock.links.indexOf(map), 1);
    const given = this.of(map);
    if (JUDGING.some((hook) => given[hook] !== undefined)) stopJudging(psock);
    if (psock.links.length === 0) sock.psock = null;
  }

  private of(map: SocketMap): Partial<Record<MapHook, Attachment>> {
    const known = this.programs.get(map) ?? {};
    this.programs.set(map, known);
    return known;
  }
}

const JUDGING: readonly MapHook[] = ["sk_skb_stream_parser", "sk_skb_stream_verdict", "sk_skb_verdict"];

function hookOf({ attach, type }: Program): MapHook | null {
  // An sk_skb program of no particular kind is a verdict of streams (libbpf's section "sk_skb").
  if (type === "sk_skb" && attach === null) return "sk_skb_stream_verdict";
  return MAP_HOOKS.find((hook) => hook === attach) ?? null;
}

/** Packets are judged by one of the two kinds of verdict. */
function refusal(held: Partial<Record<MapHook, Attachment>>, hook: MapHook): Errno | null {
  const other = { sk_skb_stream_verdict: "sk_skb_verdict", sk_skb_verdict: "sk_skb_stream_verdict" } as const;
  if (held[hook] !== undefined) return "EBUSY";
  return hook in other && held[other[hook as keyof typeof other]] !== undefined ? "EBUSY" : null;
}

/** A socket has each kind of program at most once, whichever maps they come from (sock_map_link). */
function clashes({ programs }: Psock, given: Partial<Record<MapHook, Attachment>>): boolean {
  const verdict = (of: object): boolean => "sk_skb_stream_verdict" in of || "sk_skb_verdict" in of;
  if (given.sk_msg_verdict !== undefined && programs.sk_msg_verdict !== undefined) return true;
  if (given.sk_skb_stream_parser !== undefined && programs.sk_skb_stream_parser !== undefined) return true;
  return verdict(given) && verdict(programs);
}
