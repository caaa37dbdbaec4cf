/*
 * An HTTP server and a load generator that cost next to nothing, so that what is measured is the proxy between them.
 *
 *   http serve ADDRESS PORT                              prints its port; answers every head with 13 bytes
 *   http load ADDRESS PORT CONNECTIONS REQUESTS PATH...  one request under way on each connection, the paths by turns;
 *                                                        prints p50 and p99 in microseconds, and requests a second
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64
#define BUFFER 65536
#define MAX_SOCKETS 4096

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";
static char buffer[BUFFER];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static void add(int epoll, int socket) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
  int one = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) < 0) fail("epoll_ctl");
}

static void send_all(int socket, const char *bytes, size_t length) {
  if (write(socket, bytes, length) != (ssize_t)length) fail("write");
}

static struct sockaddr_in address_of(const char *address, const char *port) {
  struct sockaddr_in result = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  if (inet_pton(AF_INET, address, &result.sin_addr) != 1) fail("address");
  return result;
}

static int serve(struct sockaddr_in address) {
  socklen_t size = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
  if (bind(listener, (void *)&address, size) < 0 || listen(listener, 1024) < 0) fail("listen");
  getsockname(listener, (void *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  add(epoll, listener);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        add(epoll, accept(listener, NULL, NULL));
        continue;
      }
      ssize_t length = read(fd, buffer, BUFFER - 1);
      if (length <= 0) {
        close(fd);
        continue;
      }
      buffer[length] = 0;
      for (char *at = buffer; (at = strstr(at, "\r\n\r\n")); at += 4) send_all(fd, ANSWER, sizeof(ANSWER) - 1);
    }
  }
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static int load(struct sockaddr_in address, int connections, int total, int paths, char **path) {
  char *requests[16];
  double *latency = calloc(total, sizeof(double));
  static double sent_at[MAX_SOCKETS];
  int epoll = epoll_create1(0), sent = 0, done = 0;
  for (int i = 0; i < paths; i++)
    if (asprintf(&requests[i],
                 "GET %s HTTP/1.1\r\nHost: backend.default.svc:80\r\nUser-Agent: load/1.0\r\nAccept: */*\r\n"
                 "X-Team: payments\r\n\r\n",
                 path[i]) < 0)
      fail("asprintf");
  double start = microseconds();
  for (int i = 0; i < connections; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || fd >= MAX_SOCKETS || connect(fd, (void *)&address, sizeof(address)) < 0) fail("connect");
    add(epoll, fd);
    sent_at[fd] = microseconds();
    send_all(fd, requests[sent % paths], strlen(requests[sent % paths]));
    sent++;
  }
  while (done < total) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(epoll, events, EVENTS, 10000);
    if (count <= 0) fail("no answer");
    for (int i = 0; i < count && done < total; i++) {
      int fd = events[i].data.fd;
      ssize_t length = read(fd, buffer, BUFFER - 1);
      if (length < 12 || memcmp(buffer, "HTTP/1.1 200", 12) != 0) fail("not a 200");
      latency[done++] = microseconds() - sent_at[fd];
      if (sent == total) continue;
      sent_at[fd] = microseconds();
      send_all(fd, requests[sent % paths], strlen(requests[sent % paths]));
      sent++;
    }
  }
  double seconds = (microseconds() - start) / 1e6;
  qsort(latency, total, sizeof(double), compare);
  printf("%.2f %.2f %.0f\n", latency[total / 2], latency[(int)(total * 0.99)], total / seconds);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "serve") == 0) return serve(address_of(argv[2], argv[3]));
  if (argc >= 7 && strcmp(argv[1], "load") == 0)
    return load(address_of(argv[2], argv[3]), atoi(argv[4]), atoi(argv[5]), argc - 6, argv + 6);
  fprintf(stderr, "usage: http serve ADDRESS PORT | http load ADDRESS PORT CONNECTIONS REQUESTS PATH...\n");
  return 2;
}
