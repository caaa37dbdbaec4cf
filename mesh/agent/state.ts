/**
 * What an agent remembers across restarts: which pods were registered, and the engine's numbers.
 *
 * Two files, because the one must be on disk before a registration is answered, and the other, which is large, may be late: numbers
 * that are lost are found again, as they are hashes. Files are replaced by renaming, so a reader finds the old or the new.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { EndpointRegistration } from "../control/view.ts";
import { agentError } from "../datapath/diagnostics.ts";
import { STATE_FILES } from "../datapath/programs.ts";

/** A registration, and the number that it got; null: killed before it had one. */
export interface SavedEndpoint extends EndpointRegistration {
  readonly id: number | null;
}

interface EndpointsFile {
  readonly version: 1;
  readonly endpoints: readonly SavedEndpoint[];
}

const FILES = { endpoints: "endpoints.json", engine: "engine.json" } as const;

/** Removes what an agent keeps in its state folder, and the folder when nothing else is in it. */
export function removeState(folder: string): void {
  for (const name of [...Object.values(FILES), ...Object.values(STATE_FILES)]) {
    for (const path of [join(folder, name), join(folder, `${name}.new`)]) rmSync(path, { force: true });
  }
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

export class StateFolder {
  private readonly endpointsPath: string;
  private readonly enginePath: string;

  /** Makes the folder. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.endpointsPath = join(folder, FILES.endpoints);
    this.enginePath = join(folder, FILES.engine);
  }

  /** Throws N014. */
  readEndpoints(): readonly SavedEndpoint[] {
    if (!existsSync(this.endpointsPath)) return [];
    try {
      const { version, endpoints } = JSON.parse(readFileSync(this.endpointsPath, "utf8")) as EndpointsFile;
      if (version === 1 && Array.isArray(endpoints)) return endpoints;
    } catch (cause) {
      throw agentError("N014", `${this.endpointsPath} cannot be read: ${String(cause)}`);
    }
    throw agentError("N014", `${this.endpointsPath} is no list of endpoints of this version`);
  }

  writeEndpoints(endpoints: readonly SavedEndpoint[]): void {
    const file: EndpointsFile = { version: 1, endpoints };
    replace(this.endpointsPath, JSON.stringify(file));
  }

  /** For `PolicyEngineOptions.saved`; undefined: there is none, or it cannot be read, and numbers start afresh. */
  readEngine(): unknown {
    try {
      return JSON.parse(readFileSync(this.enginePath, "utf8")) as unknown;
    } catch {
      return undefined;
    }
  }

  writeEngine(saved: unknown): void {
    replace(this.enginePath, JSON.stringify(saved));
  }
}

function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
