/*
 * Does socket calls that it is told, in processes of given cgroups and network namespaces: the hands of player.ts.
 *
 * One line in, one line out. A request is `TASK VERB ARGUMENT...`, numbers decimal, bytes hexadecimal (`-`: none). The
 * answer is a number, the negated errno on failure, and after it what the verb gives. Task 0 is this process, the hub:
 * it makes the others (`task`), which are processes of their own but share its table of file descriptors
 * (CLONE_FILES). So a socket that one task has made can be used by any, and the hub can close what a scenario left.
 *
 * Nothing here knows a scenario, an address or an option: bytes come laid out (player.ts). Every wait has a limit.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_TASKS 32
#define MAX_BYTES (1 << 20)

/* Since glibc 2.36 and 2.32 only; the numbers are the same on all architectures (asm-generic/unistd.h). */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* ---- words of a line ------------------------------------------------------------------------------------------ */

static char *rest; /* what of the request has not been read yet */

static char *word(void) {
  char *start = rest;
  if (start == NULL) return "";
  rest = strchr(start, ' ');
  if (rest != NULL) *rest++ = 0;
  return start;
}

static long number(void) { return strtol(word(), NULL, 10); }

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* Bytes of a hexadecimal word, decoded in place. */
static uint8_t *bytes(size_t *length) {
  char *hex = word();
  uint8_t *out = (uint8_t *)hex;
  *length = *hex == '-' ? 0 : strlen(hex) / 2;
  for (size_t i = 0; i < *length; i++) out[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
  return out;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

static FILE *answers;

/* A program may make a system call return a number that is no errno; libc passes that on. */
static long result(long r) { return r == -1 ? -errno : r; }

static void say(long r) { fprintf(answers, "%ld\n", result(r)); }

static void put_bytes(const void *data, size_t length) {
  const uint8_t *at = data;
  fputc(' ', answers);
  if (length == 0) fputc('-', answers);
  for (size_t i = 0; i < length; i++) fprintf(answers, "%02x", at[i]);
}

static void say_bytes(long r, const void *data, size_t length) {
  fprintf(answers, "%ld", result(r));
  if (r >= 0) put_bytes(data, length);
  fputc('\n', answers);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

static void on_alarm(int signal) { (void)signal; }

/* Interrupts this process's system call after so many milliseconds (0: no more). */
static void limit(long ms) {
  struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

static int wait_for(int fd, short events, int ms, short *ready) {
  struct pollfd entry = {.fd = fd, .events = events};
  int n = poll(&entry, 1, ms);
  *ready = entry.revents;
  return n;
}

/* ---- verbs of every task ---------------------------------------------------------------------------------------- */

static void do_socket(void) {
  int family = number(), type = number(), protocol = number();
  say(socket(family, type | SOCK_CLOEXEC, protocol));
}

static void do_bind(void) {
  int fd = number();
  size_t length;
  uint8_t *address = bytes(&length);
  say(bind(fd, (struct sockaddr *)address, length));
}

static void do_listen(void) {
  int fd = number(), backlog = number();
  say(listen(fd, backlog));
}

static void do_connect(void) {
  int fd = number();
  size_t length;
  uint8_t *address = bytes(&length);
  limit(number());
  say(connect(fd, (struct sockaddr *)address, length));
  limit(0);
}

static void do_accept(void) {
  int fd = number(), flags = number(), ms = number();
  struct sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  short ready;
  if (wait_for(fd, POLLIN, ms, &ready) == 0) {
    fprintf(answers, "%d\n", -EAGAIN);
    return;
  }
  limit(1000);
  long r = accept4(fd, (struct sockaddr *)&peer, &length, flags | SOCK_CLOEXEC);
  limit(0);
  say_bytes(r, &peer, length);
}

static void do_send(void) {
  int fd = number(), flags = number();
  size_t length, to_length;
  uint8_t *data = bytes(&length), *to = bytes(&to_length);
  limit(1000);
  say(sendto(fd, data, length, flags | MSG_NOSIGNAL, to_length ? (struct sockaddr *)to : NULL, to_length));
  limit(0);
}

/* One recvfrom, after waiting for something to come: count, data, sender. */
static void do_recv(void) {
  static uint8_t data[MAX_BYTES];
  int fd = number();
  size_t length = number();
  int flags = number(), ms = number();
  struct sockaddr_storage from;
  socklen_t from_length = sizeof(from);
  short ready;
  if (wait_for(fd, POLLIN | POLLRDHUP, ms, &ready) == 0) {
    fprintf(answers, "%d\n", -EAGAIN);
    return;
  }
  if (length > MAX_BYTES) length = MAX_BYTES;
  ssize_t n = recvfrom(fd, data, length, flags | MSG_DONTWAIT, (struct sockaddr *)&from, &from_length);
  fprintf(answers, "%ld", result(n));
  if (n >= 0) {
    put_bytes(data, (size_t)n < length ? (size_t)n : length); /* MSG_TRUNC: n may exceed the buffer */
    put_bytes(&from, from_length);
  }
  fputc('\n', answers);
}

static void do_shutdown(void) {
  int fd = number(), how = number();
  say(shutdown(fd, how));
}

static void do_close(void) { say(close(number())); }

static void do_getsockname(void) {
  struct sockaddr_storage address;
  socklen_t length = sizeof(address);
  long r = getsockname(number(), (struct sockaddr *)&address, &length);
  say_bytes(r, &address, length);
}

static void do_getpeername(void) {
  struct sockaddr_storage address;
  socklen_t length = sizeof(address);
  long r = getpeername(number(), (struct sockaddr *)&address, &length);
  say_bytes(r, &address, length);
}

static void do_setsockopt(void) {
  int fd = number(), level = number(), name = number();
  size_t length;
  uint8_t *value = bytes(&length);
  say(setsockopt(fd, level, name, value, length));
}

static void do_getsockopt(void) {
  static uint8_t value[1 << 16];
  int fd = number(), level = number(), name = number();
  socklen_t given = number(), length = given;
  memset(value, 0, sizeof(value));
  long r = getsockopt(fd, level, name, value, &length);
  say_bytes(r, value, length < sizeof(value) ? length : sizeof(value));
}

static void do_poll(void) {
  int fd = number(), events = number(), ms = number();
  short ready;
  int n = wait_for(fd, events, ms, &ready);
  say(n < 0 ? n : ready);
}

/* A copy of another process's file descriptor: maps and programs that player.ts has loaded. */
static void do_grab(void) {
  int process = syscall(SYS_pidfd_open, number(), 0);
  long r = process < 0 ? process : syscall(SYS_pidfd_getfd, process, (int)number(), 0);
  say(r);
  if (process >= 0) close(process);
}

/* The commands of bpf(2) that need a socket's descriptor, and BPF_PROG_ATTACH with its flags. Fields as in loader/sys/attr.ts. */
enum { MAP_LOOKUP_ELEM = 1, MAP_UPDATE_ELEM = 2, PROG_ATTACH = 8, PROG_DETACH = 9 };
union attr {
  struct { uint32_t map, pad; uint64_t key, value, flags; } elem;
  struct { uint32_t target, program, type, flags, replaces; } attach;
};

static long call_bpf(int command, union attr *attr) { return syscall(SYS_bpf, command, attr, sizeof(*attr)); }

/* put MAP KEY SOCKET FLAGS VALUE-SIZE: the socket becomes the value. */
static void do_put(void) {
  union attr attr = {0};
  size_t length;
  attr.elem.map = number();
  attr.elem.key = (uintptr_t)bytes(&length);
  uint64_t value = number();
  attr.elem.value = (uintptr_t)&value;
  attr.elem.flags = number();
  say(call_bpf(MAP_UPDATE_ELEM, &attr));
}

/* storage MAP SOCKET SIZE: the socket is the key. */
static void do_storage(void) {
  static uint8_t value[4096];
  union attr attr = {0};
  attr.elem.map = number();
  int key = number();
  size_t size = number();
  attr.elem.key = (uintptr_t)&key;
  attr.elem.value = (uintptr_t)value;
  say_bytes(call_bpf(MAP_LOOKUP_ELEM, &attr), value, size);
}

/* attach TYPE CGROUP PROGRAM FLAGS REPLACES; detach alike. */
static void attach_or_detach(int command) {
  union attr attr = {0};
  attr.attach.type = number();
  int cgroup = open(word(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  attr.attach.target = cgroup;
  attr.attach.program = number();
  attr.attach.flags = number();
  attr.attach.replaces = number();
  say(cgroup < 0 ? cgroup : call_bpf(command, &attr));
  if (cgroup >= 0) close(cgroup);
}

static void do_attach(void) { attach_or_detach(PROG_ATTACH); }
static void do_detach(void) { attach_or_detach(PROG_DETACH); }

/* move CGROUP: this process goes there. */
static void do_move(void) {
  int folder = open(word(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int fd = folder < 0 ? folder : openat(folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);
  say(fd < 0 ? fd : write(fd, "0", 1));
  if (fd >= 0) close(fd);
  if (folder >= 0) close(folder);
}

/* ---- verbs of the hub ------------------------------------------------------------------------------------------- */

struct task {
  pid_t pid;
  int requests, answers;
};
static struct task tasks[MAX_TASKS]; /* 0 is the hub */
static int base_fd;                  /* descriptors from here on belong to the scenario */

/* A new network namespace with its loopback up; the hub is in it from now on. Gives a descriptor of it. */
static void do_netns(void) {
  struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  int fd = -1, s = -1;
  if (unshare(CLONE_NEWNET) == 0 && (s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0 &&
      ioctl(s, SIOCSIFFLAGS, &up) == 0)
    fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  say(fd);
  if (s >= 0) close(s);
}

static void do_enter(void) { say(setns(number(), CLONE_NEWNET)); }

/* An IPv4 address on lo, /32, under an alias of its own. */
static int add_address4(const struct in_addr *address) {
  static int aliases;
  struct ifreq request = {0};
  struct sockaddr_in *value = (struct sockaddr_in *)&request.ifr_addr;
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  snprintf(request.ifr_name, sizeof(request.ifr_name), "lo:%d", ++aliases);
  value->sin_family = AF_INET;
  value->sin_addr = *address;
  int r = ioctl(s, SIOCSIFADDR, &request);
  value->sin_addr.s_addr = INADDR_NONE;
  if (r == 0) r = ioctl(s, SIOCSIFNETMASK, &request);
  close(s);
  return r;
}

/* An IPv6 address is tentative until a kernel worker has looked at it, also on lo. */
static int bind_soon(int s, const struct in6_addr *address) {
  struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = *address};
  for (int i = 0; i < 5000; i++) {
    if (bind(s, (struct sockaddr *)&name, sizeof(name)) == 0) return 0;
    usleep(200);
  }
  return -1;
}

/* struct in6_ifreq, include/uapi/linux/ipv6.h. */
static int add_address6(const struct in6_addr *address) {
  struct { struct in6_addr address; uint32_t prefix; int interface; } request = {*address, 128, 1};
  int s = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int r = ioctl(s, SIOCSIFADDR, &request);
  if (r == 0) r = bind_soon(s, address);
  close(s);
  return r;
}

static void do_address(void) {
  char *text = word();
  struct in_addr four;
  struct in6_addr six;
  if (inet_pton(AF_INET, text, &four) == 1) say(add_address4(&four));
  else if (inet_pton(AF_INET6, text, &six) == 1) say(add_address6(&six));
  else fprintf(answers, "%d\n", -EINVAL);
}

static void serve(FILE *requests, bool hub);

/* struct clone_args, include/uapi/linux/sched.h; CLONE_INTO_CGROUP. */
struct clone_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#define INTO_CGROUP 0x200000000ULL

static void run_task(int in, int out, uid_t user) {
  if (user != 0 && (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0))
    _exit(1);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user would take it back */
  answers = fdopen(out, "w");
  FILE *requests = fdopen(in, "r");
  if (answers != NULL && requests != NULL) serve(requests, false);
  _exit(0);
}

/* task NUMBER CGROUP USER: a new process there, in the hub's present namespace. Gives its process id. */
static void do_task(void) {
  long id = number();
  int cgroup = open(word(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), to[2], from[2];
  uid_t user = number();
  if (id < 1 || id >= MAX_TASKS || cgroup < 0 || pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
    say(-1);
    return;
  }
  struct clone_args args = {.flags = CLONE_FILES | INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup};
  long pid = syscall(SYS_clone3, &args, sizeof(args));
  if (pid == 0) run_task(to[0], from[1], user);
  tasks[id] = (struct task){.pid = pid, .requests = to[1], .answers = from[0]};
  say(pid);
  close(cgroup);
}

/* Ends all tasks and closes what they left. */
static void do_reset(void) {
  for (int i = 1; i < MAX_TASKS; i++) {
    if (tasks[i].pid <= 0) continue;
    kill(tasks[i].pid, SIGKILL);
    waitpid(tasks[i].pid, NULL, 0);
    tasks[i] = (struct task){0};
  }
  for (int fd = base_fd; fd < 1024; fd++) close(fd);
  say(0);
}

/* Sends a request on to a task and its answer back. */
static void forward(struct task *task, const char *request) {
  static char buffer[1 << 16];
  size_t length = strlen(request);
  ssize_t n = 0;
  for (size_t done = 0; done < length; done += n)
    if ((n = write(task->requests, request + done, length - done)) <= 0) break;
  if (n <= 0 || write(task->requests, "\n", 1) != 1) {
    say(-1);
    return;
  }
  do {
    n = read(task->answers, buffer, sizeof(buffer));
    if (n <= 0) break;
    fwrite(buffer, 1, n, answers);
  } while (buffer[n - 1] != '\n');
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

struct verb {
  const char *name;
  void (*run)(void);
  bool hub; /* the hub's alone */
};

static const struct verb VERBS[] = {
    {"socket", do_socket, false},           {"bind", do_bind, false},
    {"listen", do_listen, false},           {"connect", do_connect, false},
    {"accept", do_accept, false},           {"send", do_send, false},
    {"recv", do_recv, false},               {"shutdown", do_shutdown, false},
    {"close", do_close, false},             {"getsockname", do_getsockname, false},
    {"getpeername", do_getpeername, false}, {"setsockopt", do_setsockopt, false},
    {"getsockopt", do_getsockopt, false},   {"poll", do_poll, false},
    {"grab", do_grab, false},               {"put", do_put, false},
    {"storage", do_storage, false},         {"attach", do_attach, false},
    {"detach", do_detach, false},           {"move", do_move, false},
    {"netns", do_netns, true},              {"enter", do_enter, true},
    {"address", do_address, true},          {"task", do_task, true},
    {"reset", do_reset, true},
};

static void perform(bool hub) {
  char *name = word();
  for (size_t i = 0; i < sizeof(VERBS) / sizeof(*VERBS); i++)
    if (strcmp(VERBS[i].name, name) == 0 && (hub || !VERBS[i].hub)) {
      VERBS[i].run();
      return;
    }
  fprintf(answers, "%d\n", -ENOSYS);
}

static void serve(FILE *requests, bool hub) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t length;
  while ((length = getline(&line, &capacity, requests)) > 0) {
    line[length - 1] = 0;
    rest = line;
    long task = hub ? number() : 0;
    if (task == 0) perform(hub);
    else if (task > 0 && task < MAX_TASKS && tasks[task].pid > 0) forward(&tasks[task], rest);
    else fprintf(answers, "%d\n", -ESRCH);
    fflush(answers);
  }
  free(line);
}

int main(void) {
  struct sigaction interrupt = {.sa_handler = on_alarm}; /* without SA_RESTART: an alarm ends a system call */
  struct rlimit files = {1024, 1024};
  sigaction(SIGALRM, &interrupt, NULL);
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  answers = stdout;
  base_fd = dup(0); /* the lowest free one */
  close(base_fd);
  serve(stdin, true);
  do_reset();
  return 0;
}
