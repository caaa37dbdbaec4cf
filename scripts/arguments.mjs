// The command line of a script: options as node's parseArgs takes them. What does not fit ends the script with its usage and
// exit code 2, never with a stack trace; --help prints the usage.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Values and positionals. `usage` is the text behind "usage: "; `check` gives what is wrong with them, or null. */
export function readArguments(usage, config, check = () => null) {
  let parsed;
  try {
    parsed = parseArgs({ ...config, options: { ...config.options, help: { type: "boolean" } } });
  } catch (error) {
    refuse(error.message, usage);
  }
  if (parsed.values.help) {
    console.log(`usage: ${usage}`);
    process.exit(0);
  }
  const wrong = check(parsed);
  if (wrong !== null) refuse(wrong, usage);
  return parsed;
}

/** The JSON of a file that the command line named; a file that is not there or holds something else ends the script. */
export function readJson(file, usage) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    return refuse(`${file}: ${error.message}`, usage);
  }
}

/** Ends the script with exit code 3 where a command is missing; `debian`: the package that has it. */
export function requireTool(command, debian) {
  if (spawnSync(command, ["--version"]).status === 0) return;
  console.error(`${command} is needed and not there; Debian's package ${debian} has it`);
  process.exit(3);
}

/** Is the text a whole number that is at least `least`? An absent option is. */
export function isWhole(text, least = 0) {
  return text === undefined || (/^\d+$/.test(text) && Number(text) >= least);
}

function refuse(wrong, usage) {
  console.error(`${wrong}\nusage: ${usage}`);
  process.exit(2);
}
