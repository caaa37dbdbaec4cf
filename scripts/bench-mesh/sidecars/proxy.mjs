// The least that a sidecar can be: a TCP proxy in Node, to one upstream. `proxy.mjs PORT ADDRESS UPSTREAM-PORT`.
import { connect, createServer } from "node:net";

const [port, address, upstream] = process.argv.slice(2);
const server = createServer((client) => {
  const server = connect(Number(upstream), address);
  for (const [from, to] of [
    [client, server],
    [server, client],
  ]) {
    from.setNoDelay(true);
    from.on("error", () => to.destroy());
    from.pipe(to);
  }
});
server.listen(Number(port), () => process.send("ready"));
process.on("disconnect", () => process.exit(0));
