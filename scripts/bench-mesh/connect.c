/*
 * usage: connect COUNT SERVICES
 * Connects COUNT times by TCP to one of the service addresses 10.96.0.0 + n, port 80, in an order that cannot be guessed, and
 * prints the nanoseconds that a connect() took, the median. Nobody listens: each is refused.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  size_t count = strtoul(argv[1], NULL, 10);
  uint32_t services = strtoul(argv[2], NULL, 10), state = 1;
  uint64_t *times = calloc(count, sizeof(*times));
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525 + 1013904223;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x0a600000 + (state >> 8) % services)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    uint64_t start = now();
    connect(fd, (struct sockaddr *)&to, sizeof(to));
    times[i] = now() - start;
    close(fd);
  }
  qsort(times, count, sizeof(*times), compare);
  printf("%llu\n", (unsigned long long)times[count / 2]);
  return 0;
}
