/**
 * A simulated socket: a cookie, and `struct bpf_sock` as programs that hold a pointer to it may read it.
 * It neither sends nor receives: sock_map_update and msg_redirect_hash need something to name, tests something to compare.
 */
import { SOCKET_FIELDS, SOCKET_SIZE } from "../kernel/index.ts";
import type { ContextField, SocketFieldName } from "../kernel/index.ts";
import { vmError } from "./diagnostics.ts";
import { readFields, writeField } from "./fields.ts";
import type { FieldValue } from "./fields.ts";
import type { Memory, Region } from "./memory.ts";

export type SocketFields = { readonly [name in SocketFieldName]?: FieldValue };

const named = (name: SocketFieldName): ContextField => {
  const found = SOCKET_FIELDS.find((f) => f.name === name);
  if (found === undefined) throw new Error(`struct bpf_sock has no field ${name}`);
  return found;
};
const ADDRESSES = {
  v4: [named("src_ip4"), named("dst_ip4")],
  v6: [named("src_ip6"), named("dst_ip6")],
} as const;

const DEFAULTS: SocketFields = { family: 2, type: 1, protocol: 6, state: 1 }; // AF_INET, SOCK_STREAM, TCP, ESTABLISHED

export class Socket {
  /** What get_socket_cookie gives. */
  readonly cookie: bigint;
  /** Where programs see it. */
  readonly region: Region;

  /** Made by `Machine.createSocket`. */
  constructor(memory: Memory, cookie: bigint, fields: SocketFields) {
    this.cookie = cookie;
    this.region = memory.map("socket", SOCKET_SIZE, { writable: false });
    this.update({ ...DEFAULTS, ...fields });
  }

  /** Sets fields, as when the connection has changed. Throws V007 for one that a socket does not have. */
  update(fields: SocketFields): void {
    for (const [name, value] of Object.entries(fields)) {
      const field = SOCKET_FIELDS.find((f) => f.name === name);
      // prettier-ignore
      if (field === undefined || value === undefined) {
        throw vmError("V007", `a socket has no field ${name}`, { expected: SOCKET_FIELDS.map((f) => f.name).join(", "), found: name });
      }
      writeField(this.region.view, field, value);
    }
  }

  /** Its own and the other end's address, in place. */
  addresses(family: "ipv4" | "ipv6"): { readonly local: Uint8Array; readonly remote: Uint8Array } {
    const { v4, v6 } = ADDRESSES;
    const [local, remote] = family === "ipv4" ? v4 : v6;
    const bytes = (field: ContextField): Uint8Array =>
      this.region.bytes.subarray(field.offset, field.offset + field.size);
    return { local: bytes(local), remote: bytes(remote) };
  }

  /** Fields of struct bpf_sock by name. */
  get fields(): Record<string, FieldValue> {
    return readFields(this.region.view, SOCKET_FIELDS);
  }
}
