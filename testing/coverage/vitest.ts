/**
 * Coverage of kernel-side sources in `vitest --coverage`: vitest's own V8 provider, and what programs did beside it.
 *
 *   coverage: { provider: "custom", customProviderModule: "ebpf-ts/testing/coverage" }
 *
 * Workers write what they collected into a folder of this run; the provider merges it into the coverage map before reports
 * are made and thresholds are judged.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import base from "@vitest/coverage-v8";
import type { CoverageProvider, CoverageProviderModule } from "vitest/node";
import { toIstanbul } from "./istanbul.ts";
import type { IstanbulFile } from "./istanbul.ts";
import { readCoverage, writeProcessCoverage } from "./record.ts";

/** The part of istanbul-lib-coverage's CoverageMap that is used. */
interface CoverageMap {
  readonly data: Record<string, unknown>;
  addFileCoverage(file: IstanbulFile): void;
}

const VARIABLE = "EBPF_TS_COVERAGE";

const module: CoverageProviderModule = {
  ...base,

  /** In a worker, after each test file. */
  async takeCoverage(options) {
    writeProcessCoverage();
    return base.takeCoverage?.(options);
  },

  /** In the main process, before workers are made: they inherit the variable. */
  async getProvider(): Promise<CoverageProvider> {
    const provider = await base.getProvider();
    const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-coverage-"));
    process.env[VARIABLE] = folder;
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    // What workers load follows from these options: this module, not the one that the provider was made by.
    const resolve = provider.resolveOptions.bind(provider);
    provider.resolveOptions = () => ({ ...resolve(), provider: "custom" });
    const generate = provider.generateCoverage.bind(provider);
    provider.generateCoverage = async (context) => {
      const map = (await generate(context)) as CoverageMap;
      for (const file of readCoverage(folder)) {
        // Where `include` names the sources, vitest has looked at them as if they were JavaScript.
        delete map.data[file.path];
        map.addFileCoverage(toIstanbul(file));
      }
      for (const name of readdirSync(folder)) rmSync(join(folder, name));
      return map;
    };
    return provider;
  },
};

export { module as default };
