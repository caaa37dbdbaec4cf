/* usage: offload DEVICE: turns off checksums by the device, so that the kernel computes them, and what depends on it (TSO). */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  struct ethtool_value off = {.cmd = ETHTOOL_STXCSUM, .data = 0};
  struct ifreq request = {.ifr_data = (char *)&off};
  strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) != 0) {
    perror("offload");
    return 1;
  }
  return 0;
}
