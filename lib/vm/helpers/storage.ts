/**
 * Storage that hangs on sockets, tasks and cgroups (maps/storage.ts). Source: bpf-helpers(7), what Linux 6.18 answers.
 */
import { ATTACH_TYPES } from "../../kernel/index.ts";
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import type { Host } from "../host.ts";
import { CgroupStorage, OwnedStorage } from "../maps/index.ts";
import { result } from "./helper.ts";
import type { Implementation, Implementations } from "./helper.ts";
import { isFull } from "./socket-lookup.ts";

/** BPF_LOCAL_STORAGE_GET_F_CREATE */
const CREATE = 1n;

/** What a register names as the owner of a value; null for none that may have one. */
type Owner = (host: Host, register: bigint) => object | null;

const socketOwner: Owner = (host, register) => {
  const socket = host.socket(register);
  return isFull(socket) ? socket : null;
};
const objectOwner: Owner = (host, register) => (register === 0n ? null : host.object(register));

export const STORAGE_HELPERS = {
  sk_storage_get: getter(socketOwner),
  sk_storage_delete: deleter(socketOwner),
  task_storage_get: getter(objectOwner),
  task_storage_delete: deleter(objectOwner),
  cgrp_storage_get: getter(objectOwner),
  cgrp_storage_delete: deleter(objectOwner),
  /** The value of the cgroup that the program is attached to. */
  get_local_storage: (host, r1, r2) => {
    const map = host.mapOf(r1, CgroupStorage, "storage of cgroups");
    const { attach, cgroup, cpu } = host.run;
    if (r2 !== 0n) throw new Trap("argument", "get_local_storage takes no flags");
    return BigInt(map.storageOf(cgroup(), attach === null ? 0 : ATTACH_TYPES[attach], cpu));
  },
} satisfies Implementations;

/** map, owner, initial value or null, flags: the value's address or null. */
function getter(ownerOf: Owner): Implementation {
  return (host, r1, r2, r3, r4) => {
    const map = host.mapOf(r1, OwnedStorage, "storage of that kind");
    const owner = ownerOf(host, r2);
    if (owner === null || r4 > CREATE) return 0n;
    const initial = r3 === 0n ? null : host.bytes(r3, map.spec.valueSize);
    return BigInt(map.storageOf(owner, r4 === CREATE, initial));
  };
}

function deleter(ownerOf: Owner): Implementation {
  return (host, r1, r2) => {
    const map = host.mapOf(r1, OwnedStorage, "storage of that kind");
    const owner = ownerOf(host, r2);
    return result(owner === null ? -ERRNO.EINVAL : map.removeFrom(owner));
  };
}
