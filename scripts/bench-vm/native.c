// Runs the function `entry` of a shared library on a buffer, as often as each line of the input says; prints nanoseconds
// and the result of the last run. Usage: native LIBRARY MEMORY-FILE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef unsigned long long u64;

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  void *library = dlopen(argv[1], RTLD_NOW);
  if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
  u64 (*entry)(unsigned char *, u64) = (u64 (*)(unsigned char *, u64))dlsym(library, "entry");
  FILE *file = fopen(argv[2], "rb");
  if (!entry || !file) return fprintf(stderr, "no entry or no memory\n"), 1;
  static unsigned char memory[1 << 16] __attribute__((aligned(64)));
  u64 length = fread(memory, 1, sizeof memory, file);
  for (u64 times; scanf("%llu", &times) == 1;) {
    struct timespec from, to;
    u64 result = 0;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (u64 i = 0; i < times; i++) {
      result = entry(memory, length);
      __asm__ volatile("" : : "r"(result) : "memory");
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%lld %llx\n", (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec, result);
    fflush(stdout);
  }
  return 0;
}
