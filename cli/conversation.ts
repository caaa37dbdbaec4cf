/** Lines from the process's standard input: from a terminal with line editing, or from a pipe. */
import { createInterface } from "node:readline";
import { INTERRUPTED } from "./output.ts";
import type { Conversation } from "./output.ts";

type Answer = Awaited<ReturnType<Conversation["ask"]>>;

type Terminal = { readonly isTTY?: boolean };

export function converse(
  input: NodeJS.ReadableStream & Terminal,
  output: NodeJS.WritableStream & Terminal,
): Conversation {
  const interactive = input.isTTY === true && output.isTTY === true;
  const lines = createInterface({ input, ...(interactive ? { output } : {}), terminal: interactive });
  // Lines of a pipe come faster than they are asked for.
  const waiting: Answer[] = [];
  let asked: ((answer: Answer) => void) | null = null;
  const give = (answer: Answer): void => {
    if (asked === null) waiting.push(answer);
    else asked(answer);
    asked = null;
  };
  lines.on("line", give);
  lines.on("SIGINT", () => give(INTERRUPTED));
  lines.on("close", () => give(null));
  return {
    interactive,
    ask(prompt) {
      const next = waiting.shift();
      if (next !== undefined) return Promise.resolve(next);
      lines.setPrompt(prompt);
      if (interactive) lines.prompt();
      return new Promise((resolve) => (asked = resolve));
    },
    close: () => lines.close(),
  };
}
