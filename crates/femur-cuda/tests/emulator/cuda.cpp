// Those functions of CUDA's driver, its run-time compiler and cuBLAS that femur-cuda calls, on a CPU: after shim.cpp, kernels.cu and
// run_kernel. What CUDA would refuse ends the program with a line that says what.

#include <cstdio>

#define CUDA extern "C" int
#define REFUSE_UNLESS(ok) \
  if (!(ok)) { \
    fprintf(stderr, "refused: %s\n", #ok); \
    abort(); \
  }

static int context_of_all, stream_of_all, module_of_all, blas_of_all;
static thread_local void *current = nullptr;
static long allocated = 0;

#define ON_THE_DEVICE REFUSE_UNLESS(current == &context_of_all)

CUDA cuInit(unsigned flags) { return flags; }
CUDA cuDeviceGet(int *device, int number) {
  *device = number;
  return number == 0 ? 0 : 101;
}
CUDA cuDeviceGetName(char *name, int length, int) {
  snprintf(name, length, "stand-in");
  return 0;
}
// 75 and 76: the compute capability, 9.0; 115: memory pools
CUDA cuDeviceGetAttribute(int *value, int attribute, int) {
  *value = attribute == 75 ? 9 : attribute == 115 ? 1 : 0;
  return 0;
}
CUDA cuDevicePrimaryCtxRetain(void **context, int) {
  *context = &context_of_all;
  return 0;
}
CUDA cuDevicePrimaryCtxRelease_v2(int) { return 0; }
CUDA cuCtxGetCurrent(void **context) {
  *context = current;
  return 0;
}
CUDA cuCtxSetCurrent(void *context) {
  current = context;
  return 0;
}
CUDA cuStreamCreate(void **stream, unsigned) {
  ON_THE_DEVICE;
  *stream = &stream_of_all;
  return 0;
}
CUDA cuStreamDestroy_v2(void *) { return 0; }
CUDA cuStreamSynchronize(void *stream) {
  ON_THE_DEVICE;
  REFUSE_UNLESS(stream == &stream_of_all);
  return 0;
}
CUDA cuGetErrorString(int code, const char **text) {
  *text = code == 2 ? "out of memory" : code == 101 ? "invalid device ordinal" : "an error";
  return 0;
}
// Each piece of memory has its length before it. 64 MB in all.
CUDA cuMemAllocAsync(uint64_t *place, size_t bytes, void *stream) {
  ON_THE_DEVICE;
  REFUSE_UNLESS(stream == &stream_of_all && bytes > 0);
  if (allocated + (long)bytes > 64 * 1024 * 1024) return 2;
  allocated += bytes;
  char *all = (char *)malloc(bytes + 256);
  *(size_t *)all = bytes;
  memset(all + 256, 0xff, bytes);
  *place = (uint64_t)(all + 256);
  return 0;
}
CUDA cuMemFreeAsync(uint64_t place, void *) {
  char *all = (char *)place - 256;
  allocated -= *(size_t *)all;
  free(all);
  return 0;
}
CUDA cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  ON_THE_DEVICE;
  REFUSE_UNLESS(stream == &stream_of_all);
  memcpy((void *)to, from, bytes);
  return 0;
}
CUDA cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  ON_THE_DEVICE;
  REFUSE_UNLESS(stream == &stream_of_all);
  memcpy(to, (const void *)from, bytes);
  return 0;
}
CUDA cuModuleLoadData(void **module, const void *image) {
  ON_THE_DEVICE;
  REFUSE_UNLESS(strcmp((const char *)image, "compiled for compute_90") == 0);
  *module = &module_of_all;
  return 0;
}
CUDA cuModuleUnload(void *) { return 0; }
// A function's handle is its number plus 1.
CUDA cuModuleGetFunction(void **function, void *, const char *name) {
  for (size_t k = 0; k < sizeof(kernel_names) / sizeof(*kernel_names); k++)
    if (strcmp(kernel_names[k], name) == 0) {
      *function = (void *)(k + 1);
      return 0;
    }
  return 500;
}
CUDA cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream,
                    void **arguments, void **extra) {
  ON_THE_DEVICE;
  REFUSE_UNLESS(x > 0 && y == 1 && z == 1 && bx == THREADS && by == 1 && bz == 1);
  REFUSE_UNLESS(shared == 0 && stream == &stream_of_all && extra == nullptr);
  run_kernel((int)(uintptr_t)function - 1, x, arguments);
  return 0;
}

CUDA nvrtcCreateProgram(void **program, const char *source, const char *, int headers, const char **, const char **) {
  REFUSE_UNLESS(strstr(source, "__global__") && headers == 0);
  *program = malloc(64);
  return 0;
}
CUDA nvrtcCompileProgram(void *program, int count, const char **options) {
  const char *flag = "--gpu-architecture=";
  REFUSE_UNLESS(count == 1 && strncmp(options[0], flag, strlen(flag)) == 0);
  snprintf((char *)program, 64, "compiled for %s", options[0] + strlen(flag));
  return 0;
}
CUDA nvrtcGetPTXSize(void *program, size_t *size) {
  *size = strlen((char *)program) + 1;
  return 0;
}
CUDA nvrtcGetPTX(void *program, char *text) {
  strcpy(text, (char *)program);
  return 0;
}
CUDA nvrtcDestroyProgram(void **program) {
  free(*program);
  return 0;
}

CUDA cublasCreate_v2(void **handle) {
  ON_THE_DEVICE;
  *handle = &blas_of_all;
  return 0;
}
CUDA cublasDestroy_v2(void *) { return 0; }
CUDA cublasSetStream_v2(void *, void *stream) {
  REFUSE_UNLESS(stream == &stream_of_all);
  return 0;
}

static float value(const void *all, int kind, long long at) {
  if (kind == 0) return ((const float *)all)[at];
  unsigned int bits = (unsigned int)((const unsigned short *)all)[at] << 16;
  float v;
  memcpy(&v, &bits, 4);
  return v;
}

// Column-major; kinds 0: f32, 14: bfloat16; computing 68: in f32; what CUDA's headers number so.
CUDA cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a, int a_kind, int lda,
                                long long stride_a, const void *b, int b_kind, int ldb, long long stride_b, const void *beta, void *c,
                                int c_kind, int ldc, long long stride_c, int batch, int compute, int algorithm) {
  ON_THE_DEVICE;
  REFUSE_UNLESS(handle == &blas_of_all && (a_kind == 0 || a_kind == 14) && a_kind == b_kind && c_kind == 0 && compute == 68);
  REFUSE_UNLESS(algorithm == -1 && (ta == 0 || ta == 1) && (tb == 0 || tb == 1) && m > 0 && n > 0 && k >= 0 && batch > 0);
  REFUSE_UNLESS(lda >= (ta ? k : m) && lda > 0 && ldb >= (tb ? n : k) && ldb > 0 && ldc >= m);
  for (int l = 0; l < batch; l++)
    for (int j = 0; j < n; j++)
      for (int i = 0; i < m; i++) {
        float sum = 0.0f;
        for (long long h = 0; h < k; h++)
          sum += value(a, a_kind, l * stride_a + (ta ? h + (long long)i * lda : i + h * lda)) *
                 value(b, b_kind, l * stride_b + (tb ? j + h * ldb : h + (long long)j * ldb));
        float *at = (float *)c + l * stride_c + i + (long long)j * ldc, by = *(const float *)beta;
        *at = *(const float *)alpha * sum + (by == 0.0f ? 0.0f : by * *at);
      }
  return 0;
}
