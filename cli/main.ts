#!/usr/bin/env node
/** The `ebpf-ts` command: streams and exit code of the process around `runCli`. */
import { runCli } from "./cli.ts";
import { converse } from "./conversation.ts";

// `ebpf-ts dis x.o | head`: the reader has enough, so have we.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  colours: process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "",
  conversation: () => converse(process.stdin, process.stdout),
});
