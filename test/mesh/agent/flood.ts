/** Somebody who never stops sending, and counts what comes back. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { spawnIn } from "../../../mesh/bed/process.ts";
import type { Place } from "../../../mesh/bed/process.ts";

export interface Flood {
  sent(): Promise<number>;
  /** Datagrams that the other end sent back. */
  replies(): Promise<number>;
}

const SCRIPT = `
  const [address, port] = process.argv.slice(1);
  const socket = require("dgram").createSocket("udp4");
  let sent = 0, replies = 0;
  socket.on("message", () => replies++).on("error", () => {});
  setInterval(() => { for (let i = 0; i < 2; i++) socket.send("forbidden", Number(port), address, () => sent++); }, 2);
  process.stdin.on("data", () => console.log(sent + " " + replies));
  console.log("0 0");
`;

/** Sends a thousand datagrams a second from a place; ends with the bed. */
export async function startFlood(place: Place, address: string, port: number): Promise<Flood> {
  const child = spawnIn(place, process.execPath, ["-e", SCRIPT, address, String(port)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (child.stdout === null || child.stdin === null) throw new Error("no pipes");
  const lines = createInterface(child.stdout);
  const { stdin } = child;
  await once(lines, "line");
  const ask = async (): Promise<readonly number[]> => {
    stdin.write("?\n");
    const [line] = (await once(lines, "line")) as [string];
    return line.split(" ").map(Number);
  };
  return { sent: async () => (await ask())[0] ?? 0, replies: async () => (await ask())[1] ?? 0 };
}
