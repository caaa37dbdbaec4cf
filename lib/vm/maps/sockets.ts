/**
 * sockmap (by index) and sockhash (by key): containers of sockets. Programs put the socket of their context in
 * (sock_map_update, sock_hash_update) and send to those they find; the host puts in sockets of the machine. Read with
 * `get`, an entry is the socket's cookie when values have 8 bytes. A socket that is closed leaves the map.
 *
 * Only sockets that can take part may be put in: TCP that is established or listens, UDP, Unix sockets; others give
 * -EOPNOTSUPP. Source: docs.kernel.org/bpf/map_sockmap.html.
 */
import { UPDATE_FLAGS } from "../../kernel/index.ts";
import { ERRNO } from "../errno.ts";
import type { Socket } from "../socket.ts";
import { indexOf, nextIndex } from "./array.ts";
import { hashKey } from "./key.ts";
import type { HashKey } from "./key.ts";
import { SET_FLAGS, VmMap, refusal } from "./map.ts";
import type { SetMode } from "./map.ts";

// Sources: include/linux/socket.h, include/uapi/linux/in.h, include/net/tcp_states.h.
const FAMILY = { unix: 1, inet: 2, inet6: 10 };
const PROTOCOL = { tcp: 6, udp: 17 };
const STATE = { established: 1, listen: 10 };
const TYPE = { stream: 1, datagram: 2 };

/** Who is told of sockets that enter and leave a map: what it gives instead of 0 keeps one out. */
export interface SocketMapGuard {
  enter(map: SocketMap, socket: Socket): number;
  leave(map: SocketMap, socket: Socket): void;
}

export class SocketMap extends VmMap {
  guard: SocketMapGuard | null = null;
  private readonly table = new Map<HashKey, { readonly key: Uint8Array; readonly socket: Socket }>();

  /** The socket under a key, or null. */
  getSocket(key: Uint8Array): Socket | null {
    this.checkLength("key", key, this.spec.keySize);
    return this.find(key);
  }

  /** Puts a socket in. Throws MapError (E2BIG, EEXIST, ENOENT, EOPNOTSUPP). */
  setSocket(key: Uint8Array, socket: Socket, mode: SetMode = "any"): void {
    this.checkLength("key", key, this.spec.keySize);
    const refused = takesPart(socket) ? this.put(key, socket, SET_FLAGS[mode]) : -ERRNO.EOPNOTSUPP;
    this.check("set an entry", refused);
  }

  /** As `getSocket`, for helpers: the key is known to be long enough. */
  find(key: Uint8Array): Socket | null {
    return this.table.get(hashKey(key))?.socket ?? null;
  }

  /**
   * As `setSocket`, for helpers: 0 or a negative errno. The state of the socket does not matter: sock_ops programs may
   * put one in before its connection counts as established.
   */
  put(key: Uint8Array, socket: Socket, flags: number): number {
    if (!isSuitable(socket)) return -ERRNO.EOPNOTSUPP;
    if (flags > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    if (this.spec.type === "sockmap" && indexOf(key) >= this.spec.maxEntries) return -ERRNO.E2BIG;
    const kept = this.guard?.enter(this, socket) ?? 0;
    if (kept !== 0) return kept;
    const id = hashKey(key);
    const old = this.table.get(id);
    const refused = refusal(flags, old !== undefined);
    const full = old === undefined && this.table.size >= this.spec.maxEntries;
    if (refused !== 0 || full) {
      this.guard?.leave(this, socket);
      return refused !== 0 ? refused : -ERRNO.E2BIG;
    }
    this.table.set(id, { key: key.slice(), socket });
    if (old !== undefined) this.guard?.leave(this, old.socket);
    return 0;
  }

  override lookup(key: Uint8Array, _cpu: number): number {
    return this.find(key)?.region.start ?? 0;
  }

  // sock_map_delete_elem of an empty or absent index is -EINVAL, of an absent key -ENOENT.
  override remove(key: Uint8Array): number {
    const id = hashKey(key);
    const entry = this.table.get(id);
    if (entry !== undefined) {
      this.table.delete(id);
      this.guard?.leave(this, entry.socket);
      return 0;
    }
    return this.spec.type === "sockmap" ? -ERRNO.EINVAL : -ERRNO.ENOENT;
  }

  override dropObject(object: object): void {
    for (const [id, { socket }] of this.table) {
      if (socket !== object) continue;
      this.table.delete(id);
      this.guard?.leave(this, socket);
    }
  }

  override keys(): Uint8Array[] {
    const keys = Array.from(this.table.values(), ({ key }) => key.slice());
    return this.spec.type === "sockmap" ? keys.sort((a, b) => indexOf(a) - indexOf(b)) : keys;
  }

  protected override read(key: Uint8Array): Uint8Array | number {
    if (this.spec.valueSize !== 8) return -ERRNO.ENOSPC;
    const socket = this.find(key);
    return socket === null ? -ERRNO.ENOENT : cookieOf(socket);
  }

  /** The host sets sockets with `setSocket`: there are no file descriptors here. */
  protected override write(_key: Uint8Array, _value: Uint8Array, _flags: number): number {
    return -ERRNO.EBADF;
  }

  protected override next(key: Uint8Array | null): Uint8Array | number {
    return this.spec.type === "sockmap" ? nextIndex(key, this.spec.maxEntries) : super.next(key);
  }
}

/** reuseport_sockarray: sockets by index, of which an sk_reuseport program chooses the one that gets a packet. */
export class ReuseportArray extends VmMap {
  private readonly sockets = new Map<number, Socket>();

  /** The socket at an index, or null. */
  at(index: number): Socket | null {
    return this.sockets.get(index) ?? null;
  }

  /**
   * Puts a socket at an index, or nothing. It must be of a reuseport group: TCP that listens, or UDP. Throws MapError: E2BIG,
   * EEXIST, ENOENT, EINVAL and ENOTSUPP for another socket, EBUSY for one that is in the array already.
   */
  setSocket(index: number, socket: Socket | null, mode: SetMode = "any"): void {
    const known = this.sockets.get(index);
    if (socket === null) this.sockets.delete(index);
    else {
      this.check("set an entry", this.refusalOf(index, socket, known !== undefined, SET_FLAGS[mode]));
      this.sockets.set(index, socket);
    }
  }

  override lookup(key: Uint8Array, _cpu: number): number {
    return this.at(indexOf(key))?.region.start ?? 0;
  }

  override remove(key: Uint8Array): number {
    const index = indexOf(key);
    if (index >= this.spec.maxEntries) return -ERRNO.E2BIG;
    return this.sockets.delete(index) ? 0 : -ERRNO.ENOENT;
  }

  override dropObject(object: object): void {
    for (const [index, socket] of this.sockets) if (socket === object) this.sockets.delete(index);
  }

  override keys(): Uint8Array[] {
    const indices = [...this.sockets.keys()].sort((a, b) => a - b);
    return indices.map((index) => Uint8Array.of(index & 255, (index >> 8) & 255, (index >> 16) & 255, index >>> 24));
  }

  protected override read(key: Uint8Array): Uint8Array | number {
    if (this.spec.valueSize !== 8) return -ERRNO.ENOSPC;
    const socket = this.at(indexOf(key));
    return socket === null ? -ERRNO.ENOENT : cookieOf(socket);
  }
  protected override write(key: Uint8Array, _value: Uint8Array, flags: number): number {
    if (flags > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    return indexOf(key) < this.spec.maxEntries ? -ERRNO.EBADF : -ERRNO.E2BIG;
  }
  protected override next(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.spec.maxEntries);
  }

  private refusalOf(index: number, socket: Socket, known: boolean, flags: number): number {
    if (index >= this.spec.maxEntries) return -ERRNO.E2BIG;
    const refused = refusal(flags, known);
    if (refused !== 0) return refused;
    const { family, protocol, state } = socket.fields;
    const internet = family === FAMILY.inet || family === FAMILY.inet6;
    if (!internet || (protocol !== PROTOCOL.tcp && protocol !== PROTOCOL.udp)) return -ERRNO.ENOTSUPP;
    if (protocol === PROTOCOL.tcp && state !== STATE.listen) return -ERRNO.EINVAL;
    return [...this.sockets.values()].includes(socket) ? -ERRNO.EBUSY : 0;
  }
}

function isSuitable({ fields: { family, protocol } }: Socket): boolean {
  if (family === FAMILY.unix) return true;
  return (
    (family === FAMILY.inet || family === FAMILY.inet6) && (protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp)
  );
}

function takesPart({ fields }: Socket): boolean {
  const { family, type, protocol, state } = fields;
  if (family === FAMILY.unix) return type === TYPE.datagram || state === STATE.established;
  if (family !== FAMILY.inet && family !== FAMILY.inet6) return false;
  if (protocol === PROTOCOL.tcp) return state === STATE.established || state === STATE.listen;
  return protocol === PROTOCOL.udp;
}

function cookieOf(socket: Socket): Uint8Array {
  const cookie = new Uint8Array(8);
  new DataView(cookie.buffer).setBigUint64(0, socket.cookie, true);
  return cookie;
}
