/**
 * Error numbers of Linux as the bpf(2) system call uses them: name, meaning, and what is usually behind it.
 * Sources: include/uapi/asm-generic/errno*.h, include/linux/errno.h (ENOTSUPP, which leaks to user space), bpf(2).
 */
interface Row {
  readonly errno: number;
  readonly text: string;
  /** What to look at first. */
  readonly remedy?: string;
}

const PRIVILEGE =
  "run as root, or with CAP_BPF and CAP_NET_ADMIN (and CAP_PERFMON for tracing) in the initial user namespace; containers, kernel lockdown and security modules can refuse bpf(2) too";

// prettier-ignore
export const ERRNO = {
  EPERM:        { errno: 1,   text: "operation not permitted", remedy: PRIVILEGE },
  ENOENT:       { errno: 2,   text: "no such entry" },
  ESRCH:        { errno: 3,   text: "no such process or type" },
  EINTR:        { errno: 4,   text: "interrupted" },
  ENXIO:        { errno: 6,   text: "no such device or address" },
  E2BIG:        { errno: 7,   text: "too big", remedy: "a map at its max_entries, too many programs at one hook, or a request that this kernel is too old for" },
  EBADF:        { errno: 9,   text: "bad file descriptor", remedy: "the object was closed" },
  EAGAIN:       { errno: 11,  text: "try again" },
  ENOMEM:       { errno: 12,  text: "out of memory", remedy: "reduce max_entries; on kernels before 5.11 raise the locked-memory limit (ulimit -l unlimited)" },
  EACCES:       { errno: 13,  text: "permission denied", remedy: "the verifier refused the program, or the map does not allow this access" },
  EFAULT:       { errno: 14,  text: "bad address" },
  EBUSY:        { errno: 16,  text: "busy", remedy: "something else is attached there, or the map is frozen or in use" },
  EEXIST:       { errno: 17,  text: "exists already" },
  ENODEV:       { errno: 19,  text: "no such device", remedy: "is the interface in another network namespace?" },
  ENOTDIR:      { errno: 20,  text: "not a directory" },
  EINVAL:       { errno: 22,  text: "invalid argument", remedy: "often a feature, type or flag that this kernel is too old for" },
  ENFILE:       { errno: 23,  text: "too many open files in the system" },
  EMFILE:       { errno: 24,  text: "too many open files", remedy: "raise the limit (ulimit -n)" },
  ENOSPC:       { errno: 28,  text: "no space left" },
  ERANGE:       { errno: 34,  text: "out of range" },
  ENOSYS:       { errno: 38,  text: "no such system call", remedy: "the kernel is built without CONFIG_BPF_SYSCALL, or a seccomp filter hides it" },
  ENOLINK:      { errno: 67,  text: "the link's target is gone" },
  ENOTSOCK:     { errno: 88,  text: "not a socket" },
  EOPNOTSUPP:   { errno: 95,  text: "operation not supported", remedy: "neither the object nor this kernel may support it" },
  EAFNOSUPPORT: { errno: 97,  text: "address family not supported" },
  EADDRINUSE:   { errno: 98,  text: "address in use" },
  EADDRNOTAVAIL: { errno: 99, text: "address not available", remedy: "the address must be one of an interface of the socket's network namespace" },
  ENETUNREACH:  { errno: 101, text: "network unreachable" },
  ECONNABORTED: { errno: 103, text: "connection aborted" },
  ECONNREFUSED: { errno: 111, text: "connection refused" },
  EHOSTUNREACH: { errno: 113, text: "no route to host" },
  EINPROGRESS:  { errno: 115, text: "operation now in progress" },
  ESTALE:       { errno: 116, text: "stale" },
  ENOTSUPP:     { errno: 524, text: "operation not supported", remedy: "neither the object nor this kernel may support it" },
} as const satisfies Readonly<Record<string, Row>>;

export type ErrnoName = keyof typeof ERRNO;

const BY_NUMBER = new Map<number, readonly [ErrnoName, Row]>(
  Object.entries(ERRNO).map(([name, row]) => [row.errno, [name as ErrnoName, row]]),
);

/** Name, meaning and likely cause of an error number (positive); unknown ones are named by their number. */
export function describeErrno(errno: number): {
  readonly name: string;
  readonly text: string;
  readonly remedy?: string;
} {
  const entry = BY_NUMBER.get(errno);
  return entry === undefined ? { name: `errno ${errno}`, text: "unknown error" } : { name: entry[0], ...entry[1] };
}

/** Whether a result of the shim (negative on failure) is one of these errors. */
export function failedWith(result: number, ...names: readonly ErrnoName[]): boolean {
  return names.some((name) => result === -ERRNO[name].errno);
}
