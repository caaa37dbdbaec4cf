/*
 * usage: echo listen ADDRESS PORT | echo ask ADDRESS PORT COUNT
 * Request and response of 128 bytes over one TCP connection, one at a time. `ask` prints the median time in nanoseconds, that of
 * one in a hundred, and how many there were in a second.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 128 };

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static int receive(int fd, char *into) {
  for (size_t got = 0; got < SIZE;) {
    ssize_t n = recv(fd, into + got, SIZE - got, 0);
    if (n <= 0) return 0;
    got += n;
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  char message[SIZE] = {0};
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[3]))};
  inet_pton(AF_INET, argv[2], &at.sin_addr);
  if (strcmp(argv[1], "listen") == 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 8) != 0) return 1;
    puts("listening");
    fflush(stdout);
    for (;;) {
      int peer = accept(fd, NULL, NULL);
      setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      while (receive(peer, message))
        if (send(peer, message, SIZE, 0) != SIZE) break;
      close(peer);
    }
  }
  size_t count = strtoul(argv[4], NULL, 10);
  uint64_t *times = calloc(count, sizeof(*times));
  if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) return 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  for (size_t i = 0; i < count / 10; i++)
    if (send(fd, message, SIZE, 0) != SIZE || !receive(fd, message)) return 1;
  uint64_t start = now();
  for (size_t i = 0; i < count; i++) {
    uint64_t before = now();
    if (send(fd, message, SIZE, 0) != SIZE || !receive(fd, message)) return 1;
    times[i] = now() - before;
  }
  double seconds = (now() - start) / 1e9;
  qsort(times, count, sizeof(*times), compare);
  printf("%llu %llu %.0f\n", (unsigned long long)times[count / 2], (unsigned long long)times[count * 99 / 100], count / seconds);
  return 0;
}
