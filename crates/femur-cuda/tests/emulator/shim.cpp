// Runs kernels.cu on a CPU, block by block: the 256 threads of a block take turns, each going on to its next shuffle or barrier, where it
// lets the next one go on. Before this file stands a line for each kernel, after it the kernels.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <tuple>
#include <ucontext.h>
#include <utility>

#define __global__
#define __device__
#define __shared__ static

struct Dim {
  unsigned int x;
};
static Dim blockIdx, blockDim, threadIdx;

static const int THREADS = 256;
static ucontext_t back, turn[THREADS];
static bool ended[THREADS];
static char *stacks;
static const size_t STACK = 64 * 1024;
static float slot[THREADS];
static void (*body)(void **);
static void **arguments;

static void yield_turn() {
  unsigned int me = threadIdx.x;
  swapcontext(&turn[me], &back);
  threadIdx.x = me;
}

static void __syncthreads() { yield_turn(); }

static float __shfl_xor_sync(unsigned int, float v, int mask) {
  slot[threadIdx.x] = v;
  yield_turn();
  float other = slot[threadIdx.x ^ mask];
  yield_turn();
  return other;
}

static unsigned int __float_as_uint(float v) {
  unsigned int bits;
  memcpy(&bits, &v, 4);
  return bits;
}

static void one_thread() {
  unsigned int me = threadIdx.x;
  body(arguments);
  threadIdx.x = me;
  ended[me] = true;
}

template <class... A, size_t... I> static void unpack(void (*kernel)(A...), void **args, std::index_sequence<I...>) {
  kernel(*(A *)args[I]...);
}

template <class... A> static void with_arguments(void (*kernel)(A...), void **args) {
  unpack(kernel, args, std::index_sequence_for<A...>{});
}

static std::mutex one_at_a_time;

static void run(void (*kernel)(void **), uint64_t blocks, void **args) {
  std::lock_guard<std::mutex> mine(one_at_a_time);
  if (!stacks) stacks = (char *)malloc(STACK * THREADS);
  body = kernel;
  arguments = args;
  blockDim.x = THREADS;
  for (uint64_t block = 0; block < blocks; block++) {
    blockIdx.x = (unsigned int)block;
    for (int t = 0; t < THREADS; t++) {
      getcontext(&turn[t]);
      turn[t].uc_stack.ss_sp = stacks + t * STACK;
      turn[t].uc_stack.ss_size = STACK;
      turn[t].uc_link = &back;
      ended[t] = false;
      makecontext(&turn[t], one_thread, 0);
    }
    for (bool any = true; any;) {
      any = false;
      for (int t = 0; t < THREADS; t++)
        if (!ended[t]) {
          threadIdx.x = t;
          swapcontext(&back, &turn[t]);
          any |= !ended[t];
        }
    }
  }
}
