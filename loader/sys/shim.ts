/**
 * Finds and types the native shim (shim.c). Loaded on first use, so that importing the loader works where there is no
 * kernel to reach; only then is its absence an error, which says how to get it.
 */
import { createRequire } from "node:module";
import { endianness } from "node:os";
import { fileURLToPath } from "node:url";
import { existsSync } from "node:fs";
import { loaderError } from "../errors.ts";

/** What shim.c exports. Numbers below zero are negated error numbers. */
export interface Shim {
  readonly pageSize: number;
  /** `pointers`: pairs of an offset into `attr` and the buffer whose address goes there. */
  bpf(cmd: number, attr: Uint8Array, ...pointers: readonly (number | Uint8Array)[]): number;
  mmap(fd: number, length: number, offset: number, writable: boolean): ArrayBuffer | number;
  unmap(mapping: ArrayBuffer): void;
  setns(fd: number, type: number): number;
  ifNameToIndex(name: string): number;
  netnsCookie(): bigint | number;
  /** Non-blocking, as are accepted ones. Addresses are `struct sockaddr_*`: see sockaddr.ts. */
  socket(domain: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, name: number, value: number): number;
  bind(fd: number, address: Uint8Array): number;
  connect(fd: number, address: Uint8Array): number;
  listen(fd: number, backlog: number): number;
  /** Writes the peer's address. */
  accept(fd: number, address: Uint8Array): number;
  getsockname(fd: number, address: Uint8Array): number;
  startWaiting(callback: (id: number) => void): number;
  watch(fd: number, id: number): number;
  unwatch(fd: number): number;
  keepAlive(yes: boolean): void;
}

let loaded: Shim | undefined;

/** The shim, loaded once. Throws L001 where it is missing. */
export function shim(): Shim {
  return (loaded ??= loadShim());
}

/** Null, or why the shim cannot be had here. */
export function missingShim(): string | null {
  if (process.platform !== "linux") return `the bpf(2) system call is Linux's; this is ${process.platform}`;
  if (endianness() !== "LE") return "the loader supports little-endian machines only";
  return findShim() === undefined ? "the native shim is not built (no C compiler at installation?)" : null;
}

// Sources run from loader/sys, the compiled package from dist/loader/sys.
function findShim(): string | undefined {
  const candidates = ["../../build/shim.node", "../../../build/shim.node"];
  return candidates.map((path) => fileURLToPath(new URL(path, import.meta.url))).find((path) => existsSync(path));
}

function loadShim(): Shim {
  const missing = missingShim();
  const path = findShim();
  if (missing !== null || path === undefined) {
    throw loaderError("L001", `the kernel cannot be reached: ${missing ?? "no shim"}`, {
      remedy:
        "install a C compiler (Debian: gcc libc6-dev), then: npm rebuild ebpf-ts (in a checkout: node scripts/build-shim.mjs)",
    });
  }
  return createRequire(import.meta.url)(path) as Shim;
}
