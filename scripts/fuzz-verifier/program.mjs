// The program with a number: the same for the same seed. One third stays as the generator made it, the others are changed.
import { generate } from "./generate.mjs";
import { mutate } from "./mutate.mjs";
import { Random } from "./random.mjs";

/** Of a hundred programs so many stay as they were generated. */
const UNCHANGED = 35;
const MUTATION_SEED = 0x5eed;

/** `kernelIds`: ids of the kernel functions that the program may call, by name; `loader`: one of LOADERS (privileges.mjs). */
export function programOf(seed, index, kernelIds, loader) {
  const random = new Random(seed, index);
  const program = generate(random, kernelIds, loader);
  return random.chance(UNCHANGED) ? program : mutate(program, new Random(seed ^ MUTATION_SEED, index));
}
