/**
 * One agent for each bpffs folder.
 *
 * The lock is a listening socket of the abstract kind, named after the folder: the kernel gives a name to one process and takes
 * it back when that process ends, however it ends, so there is nothing stale to clean up. Such names are per network namespace; agents
 * of several nodes on one machine run in namespaces of their own, so it is taken in the first process's wherever that can be
 * entered.
 */
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { withNetns } from "ebpf-ts/loader";
import { agentError } from "./diagnostics.ts";

const FIRST_NETNS = "/proc/1/ns/net";

export interface Lock {
  release(): void;
}

/** Throws N004 when another process has it. */
export async function lockFolder(folder: string): Promise<Lock> {
  const { dev, ino } = statSync(folder);
  const path = `\0ebpf-ts-mesh-${dev}-${ino}`;
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (failure: NodeJS.ErrnoException) =>
      reject(
        failure.code === "EADDRINUSE" ? agentError("N004", `${folder} belongs to an agent that is running`) : failure,
      ),
    );
    // Binding happens within the call, so the namespace is that of the moment.
    withNetns(existsSync(FIRST_NETNS) ? FIRST_NETNS : undefined, () => void server.listen(path));
  });
  server.unref();
  return { release: () => void server.close() };
}
