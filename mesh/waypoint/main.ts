/** The program of the waypoint's process: a WaypointProcess on the IPC channel of whoever started it. */
import { Kernel } from "./kernel.ts";
import type { FromWaypoint, ToWaypoint } from "./messages.ts";
import { WaypointProcess } from "./process.ts";

/** For whom replaces it, or ends it when no agent is there: milliseconds. */
const GRACE = 30_000;

/**
 * Without an agent nobody listens; what it would have been told it asks again. An agent that was killed is gone before the channel
 * is known to be (EPIPE): the connections that come here meanwhile must not end with it.
 */
function send(message: FromWaypoint): void {
  if (process.connected) process.send?.(message, () => undefined);
}

const waypoint = new WaypointProcess({
  send,
  openKernel: ({ maps, netns }) => new Kernel(maps, netns),
  ended: () => process.exit(0),
});

process.on("message", (message) => waypoint.receive(message as ToWaypoint));
process.on("disconnect", () => waypoint.agentGone());
process.on("SIGTERM", () => void waypoint.drain(GRACE));
// Sent to the whole group of a terminal: the agent decides.
process.on("SIGINT", () => undefined);
