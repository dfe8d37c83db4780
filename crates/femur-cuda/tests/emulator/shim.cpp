// Runs kernels.cu on a CPU, block by block: the 256 threads of a block take turns, each going on to its next shuffle or barrier, where it
// lets the next one go on. After this file come the kernels, and a line for each.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <setjmp.h>
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
static const size_t STACK = 64 * 1024;
// Where the scheduler, and each thread, goes on.
static jmp_buf back, turn[THREADS];
static bool ended[THREADS];
static float slot[THREADS];
static void (*body)(void **);
static void **arguments;

static void yield_turn() {
  unsigned int me = threadIdx.x;
  if (!_setjmp(turn[me])) _longjmp(back, 1);
  threadIdx.x = me;
}

// A thread of every block to come; it was made once, and from then on changes of turn need no call of the system.
static void one_thread() {
  for (;;) {
    yield_turn();
    unsigned int me = threadIdx.x;
    body(arguments);
    threadIdx.x = me;
    ended[me] = true;
  }
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

template <class... A, size_t... I> static void unpack(void (*kernel)(A...), void **args, std::index_sequence<I...>) {
  kernel(*(A *)args[I]...);
}

template <class... A> static void with_arguments(void (*kernel)(A...), void **args) {
  unpack(kernel, args, std::index_sequence_for<A...>{});
}

static std::mutex one_at_a_time;

static void make_threads() {
  static ucontext_t here, there;
  char *stacks = (char *)malloc(STACK * THREADS);
  for (int t = 0; t < THREADS; t++) {
    getcontext(&there);
    there.uc_stack.ss_sp = stacks + t * STACK;
    there.uc_stack.ss_size = STACK;
    makecontext(&there, one_thread, 0);
    threadIdx.x = t;
    if (!_setjmp(back)) swapcontext(&here, &there);
  }
}

static void run(void (*kernel)(void **), uint64_t blocks, void **args) {
  std::lock_guard<std::mutex> mine(one_at_a_time);
  static bool made = false;
  if (!made) make_threads();
  made = true;
  body = kernel;
  arguments = args;
  blockDim.x = THREADS;
  for (uint64_t block = 0; block < blocks; block++) {
    blockIdx.x = (unsigned int)block;
    memset(ended, 0, sizeof ended);
    static bool any;
    for (any = true; any;) {
      any = false;
      static int t;
      for (t = 0; t < THREADS; t++)
        if (!ended[t]) {
          threadIdx.x = t;
          if (!_setjmp(back)) _longjmp(turn[t], 1);
          any |= !ended[t];
        }
    }
  }
}
