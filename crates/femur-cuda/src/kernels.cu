// What networks need beside matrix products, compiled at run time for the GPU at hand. The list of their names is in kernels.rs.
//
// All matrices are row-major, f32. Every block has 256 threads; where a comment says "a warp each", 32 neighbouring threads share a row,
// so that they read neighbouring columns. No atomics: sums have an order that the sizes alone decide.

typedef unsigned int u32;
typedef unsigned long long u64;

#define THREAD ((u64)blockIdx.x * blockDim.x + threadIdx.x)
#define ROW (THREAD / 32)
#define LANE (threadIdx.x % 32)
#define EACH(c, w) for (u64 c = LANE; c < (w); c += 32)

// The sum over a warp, the same bits on all its threads.
__device__ inline float warp_sum(float v) {
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  return v;
}

// The largest, where a NaN wins.
__device__ inline float warp_max(float v) {
  for (int step = 16; step > 0; step /= 2) {
    float other = __shfl_xor_sync(0xffffffffu, v, step);
    v = (other > v || other != other) ? other : v;
  }
  return v;
}

// max(v, 0), which keeps a NaN.
__device__ inline float relu(float v) { return v < 0.0f ? 0.0f : v; }

extern "C" __global__ void fill(float *y, float value, u64 len) {
  if (THREAD < len) y[THREAD] = value;
}

extern "C" __global__ void copy(float *y, const float *x, u64 len) {
  if (THREAD < len) y[THREAD] = x[THREAD];
}

// y += x
extern "C" __global__ void add(float *y, const float *x, u64 len) {
  if (THREAD < len) y[THREAD] += x[THREAD];
}

// y = a + b
extern "C" __global__ void sum_of_two(float *y, const float *a, const float *b, u64 len) {
  if (THREAD < len) y[THREAD] = a[THREAD] + b[THREAD];
}

// What follows a product, y [n, w]: plus a row b, plus r [n, w] unless null, through a ReLU if asked for. A warp each row.
extern "C" __global__ void finish(float *y, const float *b, const float *r, u64 n, u64 w, u64 through_relu) {
  if (ROW >= n) return;
  EACH(c, w) {
    u64 at = ROW * w + c;
    float v = y[at] + b[c];
    if (r) v += r[at];
    y[at] = through_relu ? relu(v) : v;
  }
}

// g = 0 where y, the output of a ReLU, is 0.
extern "C" __global__ void relu_back(float *g, const float *y, u64 len) {
  if (THREAD < len && !(y[THREAD] > 0.0f)) g[THREAD] = 0.0f;
}

// Sums of x [n, w] over rows in parts of `rows`: part [parts, w]. Block: 32 columns of a part, 8 threads a column.
extern "C" __global__ void columns(const float *x, float *part, u64 n, u64 w, u64 rows) {
  __shared__ float sums[256];
  u64 across = (w + 31) / 32, p = blockIdx.x / across, c = blockIdx.x % across * 32 + LANE;
  u64 end = (p + 1) * rows < n ? (p + 1) * rows : n;
  float sum = 0.0f;
  if (c < w)
    for (u64 row = p * rows + threadIdx.x / 32; row < end; row += 8) sum += x[row * w + c];
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x < 32 && c < w) {
    for (u32 k = 1; k < 8; k++) sum += sums[k * 32 + LANE];
    part[p * w + c] = sum;
  }
}

// The same of g times the normalised z, and of g: part [parts, 2 w], for scale and shift of a LayerNorm. stats [n, 2].
extern "C" __global__ void norm_columns(const float *g, const float *z, const float *stats, float *part, u64 n, u64 w, u64 rows) {
  __shared__ float scales[256], shifts[256];
  u64 across = (w + 31) / 32, p = blockIdx.x / across, c = blockIdx.x % across * 32 + LANE;
  u64 end = (p + 1) * rows < n ? (p + 1) * rows : n;
  float scale = 0.0f, shift = 0.0f;
  if (c < w)
    for (u64 row = p * rows + threadIdx.x / 32; row < end; row += 8) {
      float d = g[row * w + c];
      scale += d * ((z[row * w + c] - stats[2 * row]) * stats[2 * row + 1]);
      shift += d;
    }
  scales[threadIdx.x] = scale;
  shifts[threadIdx.x] = shift;
  __syncthreads();
  if (threadIdx.x < 32 && c < w) {
    for (u32 k = 1; k < 8; k++) {
      scale += scales[k * 32 + LANE];
      shift += shifts[k * 32 + LANE];
    }
    part[p * 2 * w + c] = scale;
    part[p * 2 * w + w + c] = shift;
  }
}

// y [w] += the sum of `first` columns' parts: row p of part begins at p * stride.
extern "C" __global__ void fold(float *y, const float *part, u64 w, u64 stride, u64 parts) {
  if (THREAD >= w) return;
  float sum = 0.0f;
  for (u64 p = 0; p < parts; p++) sum += part[p * stride + THREAD];
  y[THREAD] += sum;
}

// LayerNorm of x [n, w]: y, and next = old + y where next is not null; stats [n, 2]: mean, one over the deviation. A warp each row.
extern "C" __global__ void layer_norm(const float *x, const float *scale, const float *shift, const float *old, float *y, float *next,
                                float *stats, u64 n, u64 w) {
  if (ROW >= n) return;
  const float *row = x + ROW * w;
  float sum = 0.0f, square = 0.0f;
  EACH(c, w) sum += row[c];
  float mean = warp_sum(sum) / (float)w;
  EACH(c, w) square += (row[c] - mean) * (row[c] - mean);
  float inverse = 1.0f / sqrtf(warp_sum(square) / (float)w + 1e-5f);
  EACH(c, w) {
    float v = (row[c] - mean) * inverse * scale[c] + shift[c];
    y[ROW * w + c] = v;
    if (next) next[ROW * w + c] = old[ROW * w + c] + v;
  }
  if (LANE == 0) {
    stats[2 * ROW] = mean;
    stats[2 * ROW + 1] = inverse;
  }
}

// Back through it: g becomes the gradient of z, what went in. A warp each row.
extern "C" __global__ void layer_norm_back(float *g, const float *z, const float *scale, const float *stats, u64 n, u64 w) {
  if (ROW >= n) return;
  float mean = stats[2 * ROW], inverse = stats[2 * ROW + 1], sum = 0.0f, sum_z = 0.0f;
  EACH(c, w) {
    float d = g[ROW * w + c] * scale[c];
    sum += d;
    sum_z += d * ((z[ROW * w + c] - mean) * inverse);
  }
  sum = warp_sum(sum) / (float)w;
  sum_z = warp_sum(sum_z) / (float)w;
  EACH(c, w) {
    u64 at = ROW * w + c;
    g[at] = inverse * (g[at] * scale[c] - sum - (z[at] - mean) * inverse * sum_z);
  }
}

// h = relu(h + p[sender] + q[receiver] + b) on m edges; b [w] unless null. A warp each edge.
extern "C" __global__ void combine(float *h, const float *p, const float *q, const float *b, const u32 *senders, const u32 *receivers,
                                   u64 m, u64 w) {
  if (ROW >= m) return;
  u64 s = senders[ROW] * w, r = receivers[ROW] * w;
  EACH(c, w) {
    float v = h[ROW * w + c] + p[s + c] + q[r + c];
    h[ROW * w + c] = relu(b ? v + b[c] : v);
  }
}

// At each of n nodes the sum of x's rows start..start+1, or of those that index holds there; over their number if mean. A warp each node.
extern "C" __global__ void gather_sum(float *y, const float *x, const u32 *index, const u32 *start, u64 n, u64 w, u64 mean) {
  if (ROW >= n) return;
  u32 first = start[ROW], end = start[ROW + 1];
  float by = mean && end > first ? 1.0f / (float)(end - first) : 1.0f;
  EACH(c, w) {
    float sum = 0.0f;
    for (u32 k = first; k < end; k++) sum += x[(u64)(index ? index[k] : k) * w + c];
    y[ROW * w + c] = sum * by;
  }
}

// y = base + g[receiver] on m edges, base unless null. A warp each edge.
extern "C" __global__ void scatter(float *y, const float *base, const float *g, const u32 *receivers, u64 m, u64 w) {
  if (ROW >= m) return;
  u64 r = receivers[ROW] * w;
  EACH(c, w) y[ROW * w + c] = (base ? base[ROW * w + c] : 0.0f) + g[r + c];
}

// Back through the mean of h, an output of a ReLU, over each receiver's edges: y = g[receiver] over their number where h > 0, else 0.
extern "C" __global__ void mean_back(float *y, const float *h, const float *g, const u32 *receivers, const u32 *start, u64 m, u64 w) {
  if (ROW >= m) return;
  u64 r = receivers[ROW];
  float by = 1.0f / (float)(start[r + 1] - start[r]);
  EACH(c, w) y[ROW * w + c] = h[ROW * w + c] > 0.0f ? g[r * w + c] * by : 0.0f;
}

// Softmax of scale times x, group by group of `size` values. A warp each group.
extern "C" __global__ void softmax(float *x, u64 groups, u64 size, float scale) {
  if (ROW >= groups) return;
  float *row = x + ROW * size, top = -3.402823466e38f, sum = 0.0f;
  EACH(c, size) {
    float v = row[c] * scale;
    top = (v > top || v != v) ? v : top;
  }
  top = warp_max(top);
  EACH(c, size) {
    float v = expf(row[c] * scale - top);
    row[c] = v;
    sum += v;
  }
  float by = 1.0f / warp_sum(sum);
  EACH(c, size) row[c] *= by;
}

// Back through it, y its output: g becomes the gradient of x. A warp each group.
extern "C" __global__ void softmax_back(float *g, const float *y, u64 groups, u64 size, float scale) {
  if (ROW >= groups) return;
  float sum = 0.0f;
  EACH(c, size) sum += g[ROW * size + c] * y[ROW * size + c];
  sum = warp_sum(sum);
  EACH(c, size) g[ROW * size + c] = y[ROW * size + c] * (g[ROW * size + c] - sum) * scale;
}

// y [n, w], each row over its mass [n]. A warp each row.
extern "C" __global__ void divide(float *y, const float *mass, u64 n, u64 w) {
  if (ROW >= n) return;
  EACH(c, w) y[ROW * w + c] /= mass[ROW];
}

// y [n] = -sum of a b over each row. A warp each row.
extern "C" __global__ void minus_dot(float *y, const float *a, const float *b, u64 n, u64 w) {
  if (ROW >= n) return;
  float sum = 0.0f;
  EACH(c, w) sum += a[ROW * w + c] * b[ROW * w + c];
  sum = warp_sum(sum);
  if (LANE == 0) y[ROW] = -sum;
}

// Every row of y [n, w] becomes x [w]. A warp each row.
extern "C" __global__ void repeat(float *y, const float *x, u64 n, u64 w) {
  if (ROW >= n) return;
  EACH(c, w) y[ROW * w + c] = x[c];
}

// To bfloat16, to the nearest, ties to even.
extern "C" __global__ void round_to_bf16(unsigned short *y, const float *x, u64 len) {
  if (THREAD >= len) return;
  u32 bits = __float_as_uint(x[THREAD]);
  bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  y[THREAD] = (unsigned short)(nan ? (bits >> 16) | 64u : (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// Each of the matrices of `len` values one after the other over its Frobenius norm, unless that is 0 or not finite. A block each.
extern "C" __global__ void unit_norm(float *x, u64 len) {
  __shared__ float sums[256];
  float *mine = x + blockIdx.x * len, sum = 0.0f;
  for (u64 k = threadIdx.x; k < len; k += 256) sum += mine[k] * mine[k];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (u32 half = 128; half > 0; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  float norm = sqrtf(sums[0]);
  if (!(norm > 0.0f && norm < 3.402823466e38f)) return;
  for (u64 k = threadIdx.x; k < len; k += 256) mine[k] /= norm;
}

// p = a I + b gram + c square, matrices [n, n] one after the other, len values in all.
extern "C" __global__ void quintic(float *p, const float *gram, const float *square, float a, float b, float c, u64 n, u64 len) {
  if (THREAD >= len) return;
  u64 k = THREAD % (n * n);
  p[THREAD] = b * gram[THREAD] + c * square[THREAD] + (k / n == k % n ? a : 0.0f);
}
