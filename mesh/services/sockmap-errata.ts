/**
 * Kernels on which a sockhash with redirection between sockets is known to be bad, so that the shortcut stays off.
 *
 * A range ends with the mainline release that has the fix. Stable branches got most fixes too, but which version of which
 * branch is not verified here, so they count as bad: off costs time, on would cost bytes. Seen to work: 6.18, by this project's tests.
 */
export interface SockmapErratum {
  /** Mainline releases `from` (null: all) up to, not including, `until`. */
  readonly from: string | null;
  readonly until: string;
  readonly what: string;
  /** Commit of the mainline kernel, or a public report. */
  readonly source: string;
}

// prettier-ignore
const ERRATA: readonly SockmapErratum[] = [
  { from: null,   until: "5.17", what: "no bpf_loop: the program that waits for the other end does not load",                          source: "e6f2dd0f8067 (\"bpf: Add bpf_loop helper\")" },
  { from: null,   until: "6.2",  what: "a message that is redirected in several parts releases the socket once for each of them",    source: "7a9841ca0252 (\"bpf, sockmap: Fix repeated calls to sock_put() when msg has more_data\")" },
  { from: null,   until: "6.13", what: "redirected bytes are charged to the sender's memory, and not given back in full",             source: "54f89b3178d5 (\"tcp_bpf: Charge receive socket buffer in bpf_tcp_ingress()\"), ca70b8baf2bd (\"tcp_bpf: Fix the sk_mem_uncharge logic in tcp_bpf_sendmsg\")" },
  { from: "5.16", until: "6.18", what: "accept() of an MPTCP listener (Go's default) fails over a connection that is in a sockhash",    source: "c77b3b79a92e (\"mptcp: Fix proto fallback detection with BPF\"); report: github.com/daeuniverse/dae/pull/912" },
];

/** Those of a kernel release, as `os.release()` gives it: `6.1.0-13-amd64`. Empty: the shortcut may be used. */
export function sockmapErrata(release: string): readonly SockmapErratum[] {
  const version = numberOf(release);
  return ERRATA.filter(({ from, until }) => (from === null || numberOf(from) <= version) && version < numberOf(until));
}

/** Comparable: 6.18.44 is 6018. A text without a version is older than all. */
function numberOf(release: string): number {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(major) * 1000 + Number(minor);
}
