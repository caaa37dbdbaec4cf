/*
 * What JavaScript cannot do by itself, over Node-API: the bpf(2) system call, memory mappings of file descriptors,
 * waiting for file descriptors without blocking the event loop, changing the network namespace of this thread, and sockets
 * whose descriptor is known (for maps of sockets) in whatever namespace the thread is.
 *
 * The shim knows no structure and no constant of bpf(2): attributes arrive as bytes (loader/sys/attr.ts lays them out),
 * with the places where addresses of buffers go. So it needs no kernel header and never changes with the kernel.
 *
 * Results are numbers: what the call returned, or the negated errno. Wrong argument types are TypeErrors. Nothing here
 * trusts its arguments; but the kernel writes as many bytes as an attribute says, so its sizes must fit the buffers:
 * loader/sys/calls.ts sees to that, and nobody else gets at the shim.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAPI_VERSION 8
#include <node_api.h>

#define MAX_ATTR 256
#define MAX_POINTERS 8

/* Everything of one JavaScript environment (the main thread or a worker). */
struct state {
  napi_threadsafe_function ready; /* calls JavaScript with the id of a descriptor that became readable */
  pthread_t thread;
  int epoll, stop; /* stop: an eventfd that ends the thread */
  bool running;
};

/* The id under which the epoll set holds the stop descriptor; ids of watched descriptors are 32 bits wide. */
#define STOP_ID UINT64_MAX

/* ---- arguments and results ------------------------------------------------------------------------------------- */

static bool refuse(napi_env env, const char *why) {
  napi_throw_type_error(env, NULL, why);
  return false;
}

static bool get_integer(napi_env env, napi_value value, double min, double max, double *out, const char *why) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= min && number <= max) ||
      floor(number) != number)
    return refuse(env, why);
  *out = number;
  return true;
}

static bool get_fd(napi_env env, napi_value value, int *out) {
  double number;
  if (!get_integer(env, value, 0, INT32_MAX, &number, "a file descriptor must be a non-negative integer")) return false;
  *out = (int)number;
  return true;
}

static bool get_bytes(napi_env env, napi_value value, void **data, size_t *length) {
  bool is;
  napi_typedarray_type type;
  if (napi_is_typedarray(env, value, &is) == napi_ok && is) {
    if (napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok && type == napi_uint8_array)
      return true;
  } else if (napi_is_arraybuffer(env, value, &is) == napi_ok && is) {
    if (napi_get_arraybuffer_info(env, value, data, length) == napi_ok) return true;
  }
  return refuse(env, "a buffer must be a Uint8Array or an ArrayBuffer");
}

static napi_value number(napi_env env, double value) {
  napi_value result;
  return napi_create_double(env, value, &result) == napi_ok ? result : NULL;
}

static napi_value result_or_errno(napi_env env, long result) {
  return number(env, result < 0 ? (double)-errno : (double)result);
}

static bool get_args(napi_env env, napi_callback_info info, size_t want, napi_value *args) {
  size_t count = want;
  if (napi_get_cb_info(env, info, &count, args, NULL, NULL) != napi_ok) return refuse(env, "cannot read the arguments");
  return count == want || refuse(env, "wrong number of arguments");
}

/* ---- bpf(cmd, attr, [offset, buffer]...) ------------------------------------------------------------------------ */

/*
 * The attribute is copied, so that JavaScript never sees an address; what the kernel wrote into it is copied back
 * (outputs such as a count or a return value), except for the places of addresses.
 */
static napi_value call_bpf(napi_env env, napi_callback_info info) {
  napi_value args[2 + 2 * MAX_POINTERS];
  size_t count = sizeof(args) / sizeof(*args), given = count, length, size, offsets[MAX_POINTERS];
  double cmd, offset;
  void *bytes, *buffer;
  _Alignas(8) uint8_t attr[MAX_ATTR];

  if (napi_get_cb_info(env, info, &given, args, NULL, NULL) != napi_ok) return NULL;
  if (given < 2 || given > count || given % 2 != 0) {
    refuse(env, "bpf(cmd, attr, [offset, buffer]...): wrong number of arguments");
    return NULL;
  }
  if (!get_integer(env, args[0], 0, 4096, &cmd, "bpf: cmd must be a small non-negative integer")) return NULL;
  if (!get_bytes(env, args[1], &bytes, &length)) return NULL;
  if (length == 0 || length > MAX_ATTR) {
    refuse(env, "bpf: attr must have 1 to 256 bytes");
    return NULL;
  }
  memcpy(attr, bytes, length);
  size_t pointers = (given - 2) / 2;
  for (size_t i = 0; i < pointers; i++) {
    if (!get_integer(env, args[2 + 2 * i], 0, (double)length - 8, &offset, "bpf: a pointer's offset lies outside attr"))
      return NULL;
    if (!get_bytes(env, args[3 + 2 * i], &buffer, &size)) return NULL;
    offsets[i] = (size_t)offset;
    uint64_t address = (uint64_t)(uintptr_t)buffer;
    memcpy(attr + offsets[i], &address, 8);
  }
  long result = syscall(SYS_bpf, (int)cmd, attr, (unsigned int)length);
  int error = errno;
  for (size_t i = 0; i < pointers; i++) memset(attr + offsets[i], 0, 8);
  memcpy(bytes, attr, length);
  errno = error;
  return result_or_errno(env, result);
}

/* ---- mmap(fd, length, offset, writable), unmap(buffer) ---------------------------------------------------------- */

static void free_mapping(napi_env env, void *data, void *length) {
  (void)env;
  munmap(data, (size_t)(uintptr_t)length);
}

/* The mapping lives as long as the ArrayBuffer; unmap() detaches it, after which views of it are empty. */
static napi_value map_fd(napi_env env, napi_callback_info info) {
  napi_value args[4], buffer;
  int fd;
  double length, offset;
  bool writable;
  if (!get_args(env, info, 4, args) || !get_fd(env, args[0], &fd) ||
      !get_integer(env, args[1], 1, 0x200000000, &length, "mmap: length must be 1 to 2^33") ||
      !get_integer(env, args[2], 0, 0x200000000, &offset, "mmap: offset must be 0 to 2^33"))
    return NULL;
  if (napi_get_value_bool(env, args[3], &writable) != napi_ok) {
    refuse(env, "mmap: writable must be a boolean");
    return NULL;
  }
  void *data = mmap(NULL, (size_t)length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, (off_t)offset);
  if (data == MAP_FAILED) return result_or_errno(env, -1);
  if (napi_create_external_arraybuffer(env, data, (size_t)length, free_mapping, (void *)(uintptr_t)(size_t)length,
                                       &buffer) != napi_ok) {
    munmap(data, (size_t)length);
    refuse(env, "mmap: this JavaScript engine does not allow external array buffers");
    return NULL;
  }
  return buffer;
}

static napi_value unmap(napi_env env, napi_callback_info info) {
  napi_value args[1];
  bool is = false;
  if (!get_args(env, info, 1, args)) return NULL;
  if (napi_is_arraybuffer(env, args[0], &is) != napi_ok || !is || napi_detach_arraybuffer(env, args[0]) != napi_ok)
    refuse(env, "unmap: not a mapping");
  return NULL;
}

/* ---- namespaces and interfaces ---------------------------------------------------------------------------------- */

static napi_value call_setns(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int fd;
  double type;
  if (!get_args(env, info, 2, args) || !get_fd(env, args[0], &fd) ||
      !get_integer(env, args[1], 0, INT32_MAX, &type, "setns: type must be a non-negative integer"))
    return NULL;
  return result_or_errno(env, setns(fd, (int)type));
}

static napi_value interface_index(napi_env env, napi_callback_info info) {
  napi_value args[1];
  char name[64];
  size_t length;
  if (!get_args(env, info, 1, args)) return NULL;
  if (napi_get_value_string_utf8(env, args[0], name, sizeof(name), &length) != napi_ok) {
    refuse(env, "ifNameToIndex: name must be a string");
    return NULL;
  }
  unsigned int index = if_nametoindex(name);
  return index == 0 ? result_or_errno(env, -1) : number(env, index);
}

/* include/uapi/asm-generic/socket.h; headers before Linux 5.14 lack it. */
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* netnsCookie(): of the calling thread's network namespace, a bigint; only a socket can be asked. */
static napi_value netns_cookie(napi_env env, napi_callback_info info) {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  napi_value result;
  (void)info;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return result_or_errno(env, -1);
  long asked = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length);
  int error = errno;
  close(fd);
  errno = error;
  if (asked < 0) return result_or_errno(env, -1);
  return napi_create_bigint_uint64(env, cookie, &result) == napi_ok ? result : NULL;
}

/* ---- sockets ---------------------------------------------------------------------------------------------------- */
/* Addresses are struct sockaddr_* as bytes (loader/sys/sockaddr.ts lays them out). All sockets are non-blocking. */

static bool get_small(napi_env env, napi_value value, int *out) {
  double number;
  if (!get_integer(env, value, 0, INT32_MAX, &number, "a socket's number must be a non-negative integer")) return false;
  *out = (int)number;
  return true;
}

/* socket(domain, type, protocol): a descriptor. */
static napi_value call_socket(napi_env env, napi_callback_info info) {
  napi_value args[3];
  int domain, type, protocol;
  if (!get_args(env, info, 3, args) || !get_small(env, args[0], &domain) || !get_small(env, args[1], &type) ||
      !get_small(env, args[2], &protocol))
    return NULL;
  return result_or_errno(env, socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

/* setsockopt(fd, level, name, integer). */
static napi_value call_setsockopt(napi_env env, napi_callback_info info) {
  napi_value args[4];
  int fd, level, name, value;
  if (!get_args(env, info, 4, args) || !get_fd(env, args[0], &fd) || !get_small(env, args[1], &level) ||
      !get_small(env, args[2], &name) || !get_small(env, args[3], &value))
    return NULL;
  return result_or_errno(env, setsockopt(fd, level, name, &value, sizeof(value)));
}

typedef int (*address_call)(int, const struct sockaddr *, socklen_t);

static napi_value call_with_address(napi_env env, napi_callback_info info, address_call call) {
  napi_value args[2];
  int fd;
  void *address;
  size_t length;
  if (!get_args(env, info, 2, args) || !get_fd(env, args[0], &fd) || !get_bytes(env, args[1], &address, &length))
    return NULL;
  return result_or_errno(env, call(fd, address, (socklen_t)length));
}

/* bind(fd, address), connect(fd, address). */
static napi_value call_bind(napi_env env, napi_callback_info info) { return call_with_address(env, info, bind); }
static napi_value call_connect(napi_env env, napi_callback_info info) { return call_with_address(env, info, connect); }

/* listen(fd, backlog). */
static napi_value call_listen(napi_env env, napi_callback_info info) {
  napi_value args[2];
  int fd, backlog;
  if (!get_args(env, info, 2, args) || !get_fd(env, args[0], &fd) || !get_small(env, args[1], &backlog)) return NULL;
  return result_or_errno(env, listen(fd, backlog));
}

static int accept_nonblocking(int fd, struct sockaddr *address, socklen_t *length) {
  return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

typedef int (*name_call)(int, struct sockaddr *, socklen_t *);

static napi_value call_for_address(napi_env env, napi_callback_info info, name_call call) {
  napi_value args[2];
  int fd;
  void *address;
  size_t size;
  if (!get_args(env, info, 2, args) || !get_fd(env, args[0], &fd) || !get_bytes(env, args[1], &address, &size))
    return NULL;
  socklen_t length = (socklen_t)size;
  return result_or_errno(env, call(fd, address, &length));
}

/* accept(fd, address): a descriptor; the peer's address is written. getsockname(fd, address). */
static napi_value call_accept(napi_env env, napi_callback_info info) {
  return call_for_address(env, info, accept_nonblocking);
}
static napi_value call_getsockname(napi_env env, napi_callback_info info) {
  return call_for_address(env, info, getsockname);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------- */
/*
 * One thread per environment sleeps in epoll_wait and hands the ids of readable descriptors to JavaScript. Each watch
 * is one-shot and level-triggered: what became readable between the last look and watch() is reported at once, so no
 * wake-up is lost, and a slow consumer is not flooded. libuv's thread pool stays free (a waiting ring buffer would
 * take one of its four threads for good).
 */

static void *wait_loop(void *argument) {
  struct state *state = argument;
  struct epoll_event events[16];
  for (;;) {
    int count = epoll_wait(state->epoll, events, 16, -1);
    if (count < 0 && errno != EINTR) return NULL;
    for (int i = 0; i < count; i++) {
      if (events[i].data.u64 == STOP_ID) return NULL;
      void *id = (void *)(uintptr_t)events[i].data.u64;
      if (napi_call_threadsafe_function(state->ready, id, napi_tsfn_nonblocking) == napi_closing) return NULL;
    }
  }
}

static void call_ready(napi_env env, napi_value callback, void *context, void *id) {
  napi_value undefined, argument;
  (void)context;
  if (env == NULL || callback == NULL) return; /* the environment is going away */
  if (napi_get_undefined(env, &undefined) != napi_ok || (argument = number(env, (double)(uintptr_t)id)) == NULL) return;
  napi_call_function(env, undefined, callback, 1, &argument, NULL);
}

static void stop_thread(void *argument) {
  struct state *state = argument;
  uint64_t one = 1;
  if (!state->running) return;
  state->running = false;
  if (write(state->stop, &one, sizeof(one)) == sizeof(one)) pthread_join(state->thread, NULL);
  close(state->epoll);
  close(state->stop);
}

static int start_thread(struct state *state) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = STOP_ID};
  sigset_t all, before;
  state->epoll = epoll_create1(EPOLL_CLOEXEC);
  state->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (state->epoll < 0 || state->stop < 0) return errno;
  if (epoll_ctl(state->epoll, EPOLL_CTL_ADD, state->stop, &event) < 0) return errno;
  sigfillset(&all); /* signals are Node's business */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&state->thread, NULL, wait_loop, state);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  state->running = error == 0;
  return error;
}

/* startWaiting(callback): callback(id) for each descriptor that becomes readable. Once per environment. */
static napi_value start_waiting(napi_env env, napi_callback_info info) {
  napi_value args[1], name;
  napi_valuetype type;
  struct state *state;
  if (!get_args(env, info, 1, args) || napi_get_instance_data(env, (void **)&state) != napi_ok) return NULL;
  if (napi_typeof(env, args[0], &type) != napi_ok || type != napi_function || state->running) {
    refuse(env, "startWaiting: needs a function, once");
    return NULL;
  }
  if (napi_create_string_utf8(env, "bpf-wait", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, args[0], NULL, name, 0, 1, NULL, NULL, NULL, call_ready, &state->ready) !=
          napi_ok) {
    refuse(env, "startWaiting: no thread-safe function");
    return NULL;
  }
  napi_unref_threadsafe_function(env, state->ready);
  int error = start_thread(state);
  if (error != 0) {
    if (state->epoll >= 0) close(state->epoll);
    if (state->stop >= 0) close(state->stop);
    napi_release_threadsafe_function(state->ready, napi_tsfn_abort);
    return number(env, -error);
  }
  /* Hooks run in reverse order of being added: this one joins the thread before the function goes. */
  napi_add_env_cleanup_hook(env, stop_thread, state);
  return number(env, 0);
}

/* watch(fd, id): one callback(id) when fd is readable; again after the next watch. */
static napi_value watch(napi_env env, napi_callback_info info) {
  napi_value args[2];
  struct state *state;
  int fd;
  double id;
  if (!get_args(env, info, 2, args) || napi_get_instance_data(env, (void **)&state) != napi_ok ||
      !get_fd(env, args[0], &fd) || !get_integer(env, args[1], 0, UINT32_MAX, &id, "watch: id must be a u32"))
    return NULL;
  if (!state->running) {
    refuse(env, "watch: startWaiting comes first");
    return NULL;
  }
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)id};
  int result = epoll_ctl(state->epoll, EPOLL_CTL_MOD, fd, &event);
  if (result < 0 && errno == ENOENT) result = epoll_ctl(state->epoll, EPOLL_CTL_ADD, fd, &event);
  return result_or_errno(env, result);
}

/* unwatch(fd): before fd is closed. */
static napi_value unwatch(napi_env env, napi_callback_info info) {
  napi_value args[1];
  struct state *state;
  int fd;
  if (!get_args(env, info, 1, args) || napi_get_instance_data(env, (void **)&state) != napi_ok ||
      !get_fd(env, args[0], &fd))
    return NULL;
  if (!state->running) return number(env, 0);
  return result_or_errno(env, epoll_ctl(state->epoll, EPOLL_CTL_DEL, fd, NULL));
}

/* keepAlive(yes): whether waiting keeps the process from ending. */
static napi_value keep_alive(napi_env env, napi_callback_info info) {
  napi_value args[1];
  struct state *state;
  bool yes;
  if (!get_args(env, info, 1, args) || napi_get_instance_data(env, (void **)&state) != napi_ok) return NULL;
  if (napi_get_value_bool(env, args[0], &yes) != napi_ok || !state->running) {
    refuse(env, "keepAlive: needs a boolean, after startWaiting");
    return NULL;
  }
  (yes ? napi_ref_threadsafe_function : napi_unref_threadsafe_function)(env, state->ready);
  return NULL;
}

/* ---- module ----------------------------------------------------------------------------------------------------- */

static void free_state(napi_env env, void *state, void *hint) {
  (void)env, (void)hint;
  free(state);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"bpf", call_bpf},
      {"mmap", map_fd},
      {"unmap", unmap},
      {"setns", call_setns},
      {"ifNameToIndex", interface_index},
      {"netnsCookie", netns_cookie},
      {"socket", call_socket},
      {"setsockopt", call_setsockopt},
      {"bind", call_bind},
      {"connect", call_connect},
      {"listen", call_listen},
      {"accept", call_accept},
      {"getsockname", call_getsockname},
      {"startWaiting", start_waiting},
      {"watch", watch},
      {"unwatch", unwatch},
      {"keepAlive", keep_alive},
  };
  struct state *state = calloc(1, sizeof(*state));
  if (state == NULL || napi_set_instance_data(env, state, free_state, NULL) != napi_ok) {
    free(state);
    return NULL;
  }
  state->epoll = state->stop = -1;
  for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) != napi_ok)
      return NULL;
  }
  napi_value page = number(env, (double)sysconf(_SC_PAGESIZE));
  if (page != NULL) napi_set_named_property(env, exports, "pageSize", page);
  return exports;
}
