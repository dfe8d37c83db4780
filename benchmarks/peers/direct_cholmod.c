/* CHOLMOD with METIS: analysis, supernodal factor, one solve. The other side of benchmarks/src/peer.rs in C. */
#include <cholmod.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what) {
    printf("{\"error\": \"%s\"}\n", what);
    fflush(stdout);
    exit(1);
}

/* The data of a one-dimensional array of NumPy's format 1.0, and its length in entries of `size` bytes. */
static void *load(const char *folder, const char *name, size_t size, long *count) {
    char path[4096];
    unsigned char head[10];
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, 10, file) != 10) fail("cannot read an array");
    long start = 10 + head[8] + 256 * head[9];
    fseek(file, 0, SEEK_END);
    *count = (ftell(file) - start) / (long)size;
    fseek(file, start, SEEK_SET);
    void *data = malloc(size * (size_t)*count);
    if (!data || fread(data, size, (size_t)*count, file) != (size_t)*count) fail("cannot read an array");
    fclose(file);
    return data;
}

/* The value of "folder" in the job; paths hold no quotes. */
static char *folder_of(char *job) {
    char *at = strstr(job, "\"folder\"");
    if (!at || !(at = strchr(at + 8, '"'))) fail("the job has no folder");
    char *end = strchr(++at, '"');
    if (!end) fail("the job has no folder");
    *end = 0;
    return at;
}

int main(void) {
    static char line[8192];
    if (!fgets(line, sizeof line, stdin)) return 1;
    char *folder = folder_of(line);
    long rows, nonzeros, n;
    int *pointers = load(folder, "indptr", sizeof(int), &rows);
    int *columns = load(folder, "indices", sizeof(int), &nonzeros);
    double *values = load(folder, "data", sizeof(double), &nonzeros);
    double *rhs = load(folder, "rhs", sizeof(double), &n);

    cholmod_common c;
    cholmod_start(&c);
    c.supernodal = CHOLMOD_SUPERNODAL;
    c.nmethods = 1;
    c.method[0].ordering = CHOLMOD_METIS;
    /* The lower triangle by columns: rows of a symmetric matrix are its columns. */
    cholmod_sparse *a = cholmod_allocate_sparse(n, n, nonzeros, 1, 1, -1, CHOLMOD_REAL, &c);
    int *ap = a->p, *ai = a->i, filled = 0;
    double *ax = a->x;
    for (long j = 0; j < n; j++) {
        ap[j] = filled;
        for (int k = pointers[j]; k < pointers[j + 1]; k++)
            if (columns[k] >= j) ai[filled] = columns[k], ax[filled++] = values[k];
    }
    ap[n] = filled;
    cholmod_dense *b = cholmod_allocate_dense(n, 1, n, CHOLMOD_REAL, &c);
    memcpy(b->x, rhs, sizeof(double) * (size_t)n);
    printf("{\"ready\": true}\n");
    fflush(stdout);

    while (fgets(line, sizeof line, stdin)) {
        double wall[4], cpu[4];
#define MARK(i) (wall[i] = seconds(CLOCK_MONOTONIC), cpu[i] = seconds(CLOCK_PROCESS_CPUTIME_ID))
        MARK(0);
        cholmod_factor *factor = cholmod_analyze(a, &c);
        MARK(1);
        if (!factor || !cholmod_factorize(a, factor, &c)) fail("no factor");
        MARK(2);
        cholmod_dense *x = cholmod_solve(CHOLMOD_A, factor, b, &c);
        MARK(3);
        double work = 0, square = 0, *xs = x->x;
        for (long i = 0; i < n; i++) work += rhs[i] * xs[i], square += xs[i] * xs[i];
        printf("{\"wall\": %.9g, \"cpu\": %.9g, \"answer\": {\"work\": %.17g, \"norm\": %.17g}, ", wall[3] - wall[0], cpu[3] - cpu[0], work,
               sqrt(square));
        printf("\"detail\": {\"analyse_s\": %.9g, \"factor_s\": %.9g, \"solve_s\": %.9g, \"gflop\": %.6g}}\n", wall[1] - wall[0],
               wall[2] - wall[1], wall[3] - wall[2], c.fl * 1e-9);
        fflush(stdout);
        cholmod_free_dense(&x, &c);
        cholmod_free_factor(&factor, &c);
    }
    return 0;
}
