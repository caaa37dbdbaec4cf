/** The command line as data for commander: subcommands, and what becomes of usage errors. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { EXIT } from "./exit.ts";
import { createOutput, reportError } from "./output.ts";
import type { Io, Output } from "./output.ts";

/** What a subcommand does: its words go to `out`, its promise is the exit code. Errors are thrown. */
export type Action<Options> = (args: readonly string[], options: Options, out: Output) => Promise<number>;

/** Gives a subcommand its action; the one way from commander into our code. */
export type Attach = <Options extends { json?: true }>(command: Command, action: Action<Options>) => void;

type Add = (program: Command, attach: Attach) => void;

/** By name. Loaded when asked for: an agent of the mesh has no use for the compiler, and each would wait for all. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  build: async () => (await import("./build.ts")).addBuild,
  verify: async () => (await import("./verify.ts")).addVerify,
  dis: async () => (await import("./dis.ts")).addDis,
  run: async () => (await import("./run.ts")).addRun,
  debug: async () => (await import("./debug.ts")).addDebug,
  test: async () => (await import("./test.ts")).addTest,
  load: async () => (await import("./load.ts")).addLoad,
  mesh: async () => (await import("./mesh.ts")).addMesh,
  demo: async () => (await import("./demo.ts")).addDemo,
};

const EXIT_CODES = `
Exit codes:
  0    ok
  1    the input is wrong: a compile error, no eBPF object, refused by the kernel or the verifier's model, a test that fails,
       a mismatch in the demo
  2    usage: unknown command, option or argument
  3    the machine lacks something: privilege, a kernel feature, an outside command
  4    not known: a program uses what the verifier's model does not have
  130  stopped by Ctrl-C before it was done`;

/** Runs a command line (without node and script) and gives the exit code. Never throws, never exits. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.ok;
  const attach: Attach = (command, action) => {
    command.action(async (...given: unknown[]) => {
      const options = command.opts<Parameters<typeof action>[1]>();
      const out = createOutput(io, options.json === true);
      // commander passes the arguments (a list for one that repeats), then the options, then the command.
      const args = given
        .slice(0, -2)
        .flat()
        .filter((a) => typeof a === "string");
      exitCode = await action(args, options, out).catch((error: unknown) => reportError(out, error));
    });
  };
  try {
    const program = createProgram(io);
    for (const add of await commandsFor(argv)) add(program, attach);
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return reportError(createOutput(io, false), error);
  }
}

/** The one that is asked for; all of them for help, and for a name that none has. */
function commandsFor([name = ""]: readonly string[]): Promise<readonly Add[]> {
  const one = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return Promise.all((one === undefined ? Object.values(COMMANDS) : [one]).map((load) => load()));
}

function createProgram(io: Io): Command {
  return (
    new Command("ebpf-ts")
      .description("Kernel-side eBPF programs in TypeScript: build, verify, look at, run and load them.")
      .version(readVersion(), "-V, --version", "print the version")
      .addHelpText("after", EXIT_CODES)
      // Subcommands inherit what is set before they are added.
      .exitOverride()
      .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
      .showHelpAfterError("(see --help)")
  );
}

/** package.json stands above cli/ in the sources and above dist/cli/ when built. */
function readVersion(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      return (JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { version: string }).version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return "unknown";
}
