/**
 * Waiting for descriptors to become readable, as promises. The shim has one thread that sleeps in epoll_wait; here are the
 * promises it settles. A waiting promise keeps the process alive, as a timer would.
 */
import { check } from "../errors.ts";
import { shim } from "./shim.ts";

const waiting = new Map<number, () => void>();
let started = false;
let nextId = 0;

/**
 * Resolves when `fd` is readable, or when `signal` is aborted, whichever is first. At most one wait for a descriptor at
 * a time. The descriptor must stay open until then.
 */
export async function waitReadable(fd: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  start();
  const id = nextId;
  nextId = (nextId + 1) >>> 0;
  await new Promise<void>((resolve) => {
    const settle = () => {
      waiting.delete(id);
      signal.removeEventListener("abort", settle);
      if (waiting.size === 0) shim().keepAlive(false);
      resolve();
    };
    check(shim().watch(fd, id), "wait for a descriptor");
    if (waiting.size === 0) shim().keepAlive(true);
    waiting.set(id, settle);
    signal.addEventListener("abort", settle, { once: true });
  });
}

/** Forgets a descriptor. Call before closing it when it was ever waited for. */
export function forgetFd(fd: number): void {
  if (started) shim().unwatch(fd);
}

function start(): void {
  if (started) return;
  check(
    shim().startWaiting((id) => waiting.get(id)?.()),
    "start the waiting thread",
  );
  started = true;
}
