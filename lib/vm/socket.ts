/**
 * A simulated socket: a cookie, and `struct bpf_sock` as programs that hold a pointer to it may read it.
 * It neither sends nor receives: sock_map_update and msg_redirect_hash need something to name, tests something to compare.
 */
import { SOCKET_FIELDS, SOCKET_SIZE } from "../kernel/index.ts";
import type { SocketFieldName } from "../kernel/index.ts";
import { vmError } from "./diagnostics.ts";
import { readFields, writeField } from "./fields.ts";
import type { FieldValue } from "./fields.ts";
import type { Memory, Region } from "./memory.ts";

export type SocketFields = { readonly [name in SocketFieldName]?: FieldValue };

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
    for (const [name, value] of Object.entries({ ...DEFAULTS, ...fields })) {
      const field = SOCKET_FIELDS.find((f) => f.name === name);
      // prettier-ignore
      if (field === undefined || value === undefined) {
        throw vmError("V007", `a socket has no field ${name}`, { expected: SOCKET_FIELDS.map((f) => f.name).join(", "), found: name });
      }
      writeField(this.region.view, field, value);
    }
  }

  /** Fields of struct bpf_sock by name. */
  get fields(): Record<string, FieldValue> {
    return readFields(this.region.view, SOCKET_FIELDS);
  }
}
