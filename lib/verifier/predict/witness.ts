/**
 * A profile that remembers what it was asked. A walk is a function of the program and of the profile's answers, so another
 * kernel that answers the same questions the same way gives the same verdict: it need not be walked.
 */
import type { KernelProfile } from "../profiles/index.ts";

/** A question asked before, and its answer. */
interface Answer {
  readonly ask: (kernel: KernelProfile) => boolean;
  readonly answer: boolean;
}

export class Witness {
  readonly #answers = new Map<string, Answer>();
  /** Answers as the kernel does. */
  readonly profile: KernelProfile;

  constructor(kernel: KernelProfile) {
    const remember = (key: string, ask: Answer["ask"]): boolean => {
      const known = this.#answers.get(key);
      if (known !== undefined) return known.answer;
      const answer = ask(kernel);
      this.#answers.set(key, { ask, answer });
      return answer;
    };
    this.profile = {
      name: kernel.name,
      version: kernel.version,
      limits: kernel.limits,
      has: (rule) => remember(rule, (k) => k.has(rule)),
      hasProgramType: (type, attach) => remember(`type ${type} ${attach}`, (k) => k.hasProgramType(type, attach)),
      hasMapType: (type) => remember(`map ${type}`, (k) => k.hasMapType(type)),
      mayCall: (helper, type, attach) =>
        remember(`helper ${helper} ${type} ${attach}`, (k) => k.mayCall(helper, type, attach)),
      mayCallKernel: (kfunc, type) => remember(`kfunc ${kfunc} ${type}`, (k) => k.mayCallKernel(kfunc, type)),
    };
  }

  /** Every question that was asked so far has the same answer. */
  isLike(kernel: KernelProfile): boolean {
    if (JSON.stringify(kernel.limits) !== JSON.stringify(this.profile.limits)) return false;
    for (const { ask, answer } of this.#answers.values()) if (ask(kernel) !== answer) return false;
    return true;
  }
}
