/**
 * sockmap (by index) and sockhash (by key): containers of sockets. Programs put the socket of their context in
 * (sock_map_update, sock_hash_update) and send to those they find; the host puts in sockets of the machine. Read with
 * `get`, an entry is the socket's cookie, as in the kernel when values have 8 bytes. Source: net/core/sock_map.c.
 */
import { ERRNO } from "../errno.ts";
import type { Socket } from "../socket.ts";
import { indexOf } from "./array.ts";
import { hashKey } from "./key.ts";
import type { HashKey } from "./key.ts";
import { SET_FLAGS, VmMap, refusal } from "./map.ts";
import type { SetMode } from "./map.ts";

export class SocketMap extends VmMap {
  private readonly table = new Map<HashKey, { readonly key: Uint8Array; readonly socket: Socket }>();

  /** The socket under a key, or null. */
  getSocket(key: Uint8Array): Socket | null {
    this.checkLength("key", key, this.spec.keySize);
    return this.find(key);
  }

  /** Puts a socket in. Throws MapError (E2BIG, EEXIST, ENOENT). */
  setSocket(key: Uint8Array, socket: Socket, mode: SetMode = "any"): void {
    this.checkLength("key", key, this.spec.keySize);
    this.check("set an entry", this.put(key, socket, SET_FLAGS[mode]));
  }

  /** As `getSocket`, for helpers: the key is known to be long enough. */
  find(key: Uint8Array): Socket | null {
    return this.table.get(hashKey(key))?.socket ?? null;
  }

  /** 0 or a negative errno. */
  put(key: Uint8Array, socket: Socket, flags: number): number {
    if (this.spec.type === "sockmap" && indexOf(key) >= this.spec.maxEntries) return -ERRNO.E2BIG;
    const id = hashKey(key);
    const known = this.table.has(id);
    const refused = refusal(flags, known);
    if (refused !== 0) return refused;
    if (!known && this.table.size >= this.spec.maxEntries) return -ERRNO.E2BIG;
    this.table.set(id, { key: key.slice(), socket });
    return 0;
  }

  override lookup(key: Uint8Array, _cpu: number): number {
    return this.find(key)?.region.start ?? 0;
  }

  // sock_map_delete_elem of an empty or absent index is -EINVAL, of an absent key -ENOENT.
  override remove(key: Uint8Array): number {
    if (this.table.delete(hashKey(key))) return 0;
    return this.spec.type === "sockmap" ? -ERRNO.EINVAL : -ERRNO.ENOENT;
  }

  override keys(): Uint8Array[] {
    return [...this.table.values()].map(({ key }) => key.slice());
  }

  protected override read(key: Uint8Array): Uint8Array | number {
    const socket = this.find(key);
    if (socket === null) return -ERRNO.ENOENT;
    if (this.spec.valueSize !== 8) return -ERRNO.ENOSPC;
    const out = new Uint8Array(8);
    new DataView(out.buffer).setBigUint64(0, socket.cookie, true);
    return out;
  }

  /** The host sets sockets with `setSocket`: there are no file descriptors here. */
  protected override write(_key: Uint8Array, _value: Uint8Array, _flags: number): number {
    return -ERRNO.EINVAL;
  }
}
