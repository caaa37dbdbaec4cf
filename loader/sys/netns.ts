/**
 * Doing something inside another network namespace.
 *
 * setns(2) moves the calling thread only, which is JavaScript's own; so whatever runs inside must be synchronous, and the
 * thread goes back before anything else can run. libuv's threads are never moved.
 */
import { closeSync, openSync } from "node:fs";
import { check, loaderError } from "../errors.ts";
import { shim } from "./shim.ts";

/** CLONE_NEWNET, include/uapi/linux/sched.h. */
const CLONE_NEWNET = 0x40000000;

/**
 * Runs `body` in the network namespace that the file names (`/run/netns/x`, `/proc/PID/ns/net`); undefined: right here.
 * `body` must not be asynchronous: a promise is refused.
 */
export function withNetns<T>(path: string | undefined, body: () => T): T {
  if (path === undefined) return body();
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    return inNamespace(openNetns(path), home, path, body);
  } finally {
    closeSync(home);
  }
}

/**
 * The number by which programs know a network namespace (`netnsCookie` of their contexts): never used again while the machine
 * runs, unlike the inode of its file. `path` as of `withNetns`. Linux 5.14.
 */
export function netnsCookie(path?: string): bigint {
  const cookie = withNetns(path, () => shim().netnsCookie());
  if (typeof cookie === "number") check(cookie, `ask for the cookie of ${path ?? "the own network namespace"}`);
  return BigInt(cookie);
}

/** Opens a network namespace by the path of its file. The caller closes the descriptor. */
export function openNetns(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw loaderError("L004", `cannot open network namespace ${path}: ${String(cause)}`, {
      remedy: "a namespace is named by a file: /run/netns/NAME (ip netns add NAME) or /proc/PID/ns/net",
    });
  }
}

function inNamespace<T>(target: number, home: number, path: string, body: () => T): T {
  try {
    check(shim().setns(target, CLONE_NEWNET), `enter network namespace ${path}`);
    try {
      const result = body();
      if (result instanceof Promise) throw new TypeError("withNetns: the body must be synchronous");
      return result;
    } finally {
      check(shim().setns(home, CLONE_NEWNET), "go back to the own network namespace");
    }
  } finally {
    closeSync(target);
  }
}
