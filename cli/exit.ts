/** Exit codes of the command. */

// prettier-ignore
export const EXIT = {
  ok:          0,
  /** The input is wrong: it does not compile, is no object, is refused by the kernel; a test failed; or the demo saw a mismatch. */
  input:       1,
  /** Unknown command, option or argument. */
  usage:       2,
  /** The machine lacks something: privilege, a kernel feature, an outside command. */
  environment: 3,
  /** The verifier's model does not know something that a program uses. */
  unsupported: 4,
  /** Killed by Ctrl-C, as shells report it: 128 + SIGINT. */
  interrupted: 130,
} as const;
