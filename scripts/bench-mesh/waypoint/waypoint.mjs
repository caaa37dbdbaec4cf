// The waypoint's process as the agent starts it, but for the kernel's side: every connection of its listener is one from a
// client of identity 300 to a server on loopback. Told by IPC: { port } of the server; tells { port } of its listener.
import { connectTcp } from "ebpf-ts/loader";
import { WaypointProcess } from "../../../dist/mesh/waypoint/process.js";

let server = 0;
const kernel = {
  originOf: ({ remote }) => ({
    direction: "ingress",
    endpoint: 1,
    identity: 300,
    client: remote,
    destination: { address: "127.0.0.1", port: server },
    l7: 1,
    rule: 1,
  }),
  dial: ({ destination }) => ({ fd: connectTcp(destination), ended() {} }),
  publish: (_endpoint, listener) => process.send({ kind: "published", port: listener.local.port }),
  setEndpoint() {},
  removeEndpoint() {},
};

const waypoint = new WaypointProcess({
  send: (message) => process.send(message),
  openKernel: () => kernel,
  ended: () => process.exit(0),
});
process.on("message", (message) => {
  if (message.kind === "server") server = message.port;
  else waypoint.receive(message);
});
