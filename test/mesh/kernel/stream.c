/*
 * usage: stream listen|connect ADDRESS PORT SEED SENDS RECEIVES [OPTION...]
 *
 * One end of a connection that is tried hard: sends SENDS pseudo-random bytes in writes of random sizes and kinds, and at the
 * same time checks each byte of the RECEIVES that come; both ends' streams follow from SEED and who they are. Closes its sending
 * half when all is written, and expects the other's end right after the last byte. Prints `ok`, or what was wrong and where.
 * EAGAIN is asked again: a socket in a sockhash gives it to a blocked reader when its own FIN is acknowledged (Linux 6.18).
 *
 *   slow          the reader sleeps now and then
 *   small         writes and reads of at most 512 bytes
 *   pause=MS      the sender sleeps that long once, after half of the bytes
 *   close         closes the whole socket after the last write, with bytes still queued at the other end
 *   late=MS       starts to read that much later
 *   splice        the reader takes the bytes by splice(2)
 *   waitall       the reader asks for exact lengths with MSG_WAITALL
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = 1 << 18 };

static int fd;
static uint64_t seed, sends, receives;
static bool slow, small, closes, splices, waitall;
static int pause_ms, late_ms;

static void fail(const char *what, uint64_t at) {
  printf("%s at %llu: %s\n", what, (unsigned long long)at, strerror(errno));
  exit(1);
}

/* Byte `i` of a stream: SplitMix64 of its block, so that any place can be computed. */
static uint8_t byte_at(uint64_t stream, uint64_t i) {
  uint64_t x = stream + (i / 8 + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return (uint8_t)((x ^ (x >> 31)) >> (8 * (i % 8)));
}

static void fill(uint8_t *into, uint64_t stream, uint64_t from, size_t length) {
  for (size_t i = 0; i < length; i++) into[i] = byte_at(stream, from + i);
}

static uint64_t draw(uint64_t *state) {
  *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
  return *state;
}

/* Sizes of all orders of magnitude are as frequent. */
static size_t draw_size(uint64_t *state, uint64_t left) {
  uint64_t size = 1 + draw(state) % ((uint64_t)1 << (draw(state) % (small ? 10 : 19)));
  return size < left ? size : left;
}

static void send_all(const uint8_t *data, size_t length, int flags, uint64_t at) {
  while (length > 0) {
    ssize_t n = send(fd, data, length, flags | MSG_NOSIGNAL);
    if (n <= 0) fail("send", at);
    data += n, length -= n, at += n;
  }
}

static void *send_stream(void *unused) {
  (void)unused;
  uint64_t stream = seed, state = seed * 2 + 1;
  uint8_t *data = malloc(MOST);
  int file = memfd_create("bytes", 0);
  for (uint64_t sent = 0; sent < sends;) {
    size_t size = draw_size(&state, sends - sent);
    fill(data, stream, sent, size);
    switch (draw(&state) % 5) {
      case 0: {
        /* Pages in flight are the file's own: each has a place of its own in it. */
        off_t offset = sent, end = sent + size;
        if (pwrite(file, data, size, offset) != (ssize_t)size) fail("pwrite", sent);
        while (offset < end)
          if (sendfile(fd, file, &offset, end - offset) <= 0) fail("sendfile", sent);
        break;
      }
      case 1: {
        struct iovec parts[2] = {{data, size / 2}, {data + size / 2, size - size / 2}};
        ssize_t n = writev(fd, parts, 2);
        if (n <= 0) fail("writev", sent);
        send_all(data + n, size - n, 0, sent + n);
        break;
      }
      case 2:
        send_all(data, size, MSG_MORE, sent);
        break;
      default:
        send_all(data, size, 0, sent);
    }
    if (pause_ms > 0 && sent < sends / 2 && sent + size >= sends / 2) usleep(pause_ms * 1000);
    sent += size;
  }
  if (!closes && shutdown(fd, SHUT_WR) != 0) fail("shutdown", sends);
  free(data);
  return NULL;
}

static ssize_t take(uint8_t *into, size_t size) {
  static int pipes[2] = {-1, -1};
  if (waitall) return recv(fd, into, size, MSG_WAITALL);
  if (!splices) return recv(fd, into, size, 0);
  if (pipes[0] < 0 && pipe(pipes) != 0) return -1;
  ssize_t n = splice(fd, NULL, pipes[1], NULL, size < 65536 ? size : 65536, 0);
  return n <= 0 ? n : read(pipes[0], into, n);
}

static void receive_stream(void) {
  uint64_t stream = ~seed, state = seed * 3 + 1, got = 0;
  uint8_t *data = malloc(MOST);
  usleep(late_ms * 1000);
  while (got < receives) {
    size_t size = draw_size(&state, receives - got);
    ssize_t n = take(data, size);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) fail(n == 0 ? "early end" : "recv", got);
    if (waitall && (size_t)n != size) fail("short", got + n);
    for (ssize_t i = 0; i < n; i++)
      if (data[i] != byte_at(stream, got + i)) fail("wrong byte", got + i);
    got += n;
    if (slow && draw(&state) % 64 == 0) usleep(2000);
  }
  if (!closes || receives > 0) {
    ssize_t n;
    while ((n = recv(fd, data, 1, 0)) < 0 && errno == EAGAIN) continue;
    if (n != 0) fail(n > 0 ? "too many bytes" : "no end", got);
  }
  free(data);
}

static void open_socket(bool listens, const char *address, int port) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
  bool v6 = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
  if (!v6) inet_pton(AF_INET, address, &four.sin_addr);
  struct sockaddr *where = v6 ? (void *)&six : (void *)&four;
  socklen_t length = v6 ? sizeof(six) : sizeof(four);
  int s = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0), one = 1;
  if (listens) {
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(s, where, length) != 0 || listen(s, 8) != 0) fail("listen", 0);
    puts("listening");
    fflush(stdout);
    fd = accept(s, NULL, NULL);
    if (fd < 0) fail("accept", 0);
    close(s);
  } else {
    fd = s;
    if (connect(fd, where, length) != 0) fail("connect", 0);
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int main(int argc, char **argv) {
  if (argc < 7) return 2;
  bool listens = strcmp(argv[1], "listen") == 0;
  seed = strtoull(argv[4], NULL, 10), sends = strtoull(argv[5], NULL, 10), receives = strtoull(argv[6], NULL, 10);
  /* The two streams are each other's complement, and each end sends its own. */
  if (listens) seed = ~seed;
  for (int i = 7; i < argc; i++) {
    slow |= strcmp(argv[i], "slow") == 0, small |= strcmp(argv[i], "small") == 0;
    closes |= strcmp(argv[i], "close") == 0;
    splices |= strcmp(argv[i], "splice") == 0, waitall |= strcmp(argv[i], "waitall") == 0;
    if (strncmp(argv[i], "pause=", 6) == 0) pause_ms = atoi(argv[i] + 6);
    if (strncmp(argv[i], "late=", 5) == 0) late_ms = atoi(argv[i] + 5);
  }
  alarm(20);
  open_socket(listens, argv[2], atoi(argv[3]));
  pthread_t sender;
  if (pthread_create(&sender, NULL, send_stream, NULL) != 0) fail("pthread_create", 0);
  receive_stream();
  pthread_join(sender, NULL);
  close(fd);
  puts("ok");
  return 0;
}
