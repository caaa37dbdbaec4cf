/** How long-running commands are stopped: Ctrl-C, SIGTERM, or their own time. */

/** A signal that Ctrl-C, SIGTERM or the end of the time raises. A second Ctrl-C ends the process at once. */
export function stopOnSignals(seconds?: number): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const stop = (): void => {
    process.off("SIGINT", stop);
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  // Keeps the process alive while only the kernel has work to do.
  const timer = setTimeout(stop, Math.min((seconds ?? Infinity) * 1000, 2 ** 31 - 1));
  return {
    signal: controller.signal,
    release: () => {
      clearTimeout(timer);
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    },
  };
}
