/**
 * The manifest of an object: for each program what kernels load it, what it needs and what it costs, as JSON in a section of
 * the object, so that whoever ships the object can tell before loading it.
 */
import type { Prediction } from "./portability.ts";

/** The section's name. Loaders skip sections that they do not know. */
export const MANIFEST_SECTION = ".ebpf-ts.manifest";

export interface Manifest {
  /** The version of this layout. */
  readonly version: 1;
  readonly programs: readonly ManifestProgram[];
}

export interface ManifestProgram {
  readonly name: string;
  /** The oldest kernel that loads it, `5.15`; null for none of those that were asked about. */
  readonly firstKernel: string | null;
  /** By kernel: `accept`; the reason's code, `R201`; or `unsupported`. */
  readonly kernels: Readonly<Record<string, string>>;
  /** By feature: the release that brought it. */
  readonly needs: Readonly<Record<string, string>>;
  /** Instructions that the verifier walks, and states that it keeps at most. */
  readonly processed: number;
  readonly peakStates: number;
  /** Bytes of stack by function. */
  readonly stack: Readonly<Record<string, number>>;
}

/** Programs by name, in the order of the object. */
export function manifestOf(predictions: ReadonlyMap<string, Prediction>): Manifest {
  return {
    version: 1,
    programs: [...predictions].map(([name, { firstKernel, verdicts, needs, statistics, functions }]) => ({
      name,
      firstKernel,
      kernels: Object.fromEntries(verdicts.map(({ kernel, verdict, error }) => [kernel, error?.code ?? verdict])),
      needs: Object.fromEntries(needs.map(({ feature, since }) => [feature, since])),
      processed: statistics.processed,
      peakStates: statistics.peakStates,
      stack: Object.fromEntries(functions.map((f) => [f.name, f.stackDepth])),
    })),
  };
}

/** The bytes of the section: UTF-8, the same for the same manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(manifest)}\n`);
}

/** The other way; null for bytes that are no manifest of this version. */
export function decodeManifest(bytes: Uint8Array): Manifest | null {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
    return value.version === 1 && Array.isArray(value.programs) ? value : null;
  } catch {
    return null;
  }
}
