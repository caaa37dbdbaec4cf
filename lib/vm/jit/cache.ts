/** Modules by their bytes: the same program on another machine, with its maps at the same addresses, is compiled once. */
import type { Optimizer } from "./optimize.ts";

const MOST = 128;
const modules = new Map<string, WebAssembly.Module>();
/** In front of what was optimised: no module starts with it. */
const OPTIMIZED = "-O";
const latin1 = new TextDecoder("latin1");

export function moduleOf(bytes: Uint8Array, optimizer: Optimizer | null): WebAssembly.Module {
  const key = (optimizer === null ? "" : OPTIMIZED) + latin1.decode(bytes);
  const known = modules.get(key);
  const module = known ?? new WebAssembly.Module(optimizer?.optimize(bytes) ?? bytes);
  // Taken out and put in again: the first of a Map is the one that was used longest ago.
  modules.delete(key);
  modules.set(key, module);
  const [oldest] = modules.keys();
  if (modules.size > MOST && oldest !== undefined) modules.delete(oldest);
  return module;
}
