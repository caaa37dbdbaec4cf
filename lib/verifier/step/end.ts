/** What a step returns instead of the next slot when the path is at its end. */
export const END = -1;
