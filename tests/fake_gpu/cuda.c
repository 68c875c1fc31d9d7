/* A driver without a GPU: memory is the host's, kernels do nothing. FAKE_CUDA has words that say what goes wrong:
   none        there is no device
   version=N   the CUDA it is for, as in 12010
   old         the first device is of compute capability 6.1
   busy=N      device N (or all: N=9) is taken by another program
   slice       the first device is a slice of a GPU
   oom=N       more than N bytes at once are refused
   late        what is given back is free when its stream's work has been waited for
   lost=N      from the Nth copy or launch on the device is lost
   strange     an error of a number that nobody knows
   badimage    code is refused
   Compiled with OLD_DRIVER, it lacks what came later. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Code;
typedef uint64_t Address;

static const char *word(const char *name) {
    const char *all = getenv("FAKE_CUDA");
    size_t n = strlen(name);
    for (const char *at = all ? all : ""; *at; at++) {
        if (strncmp(at, name, n) == 0 && (at == all || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ' || at[n] == '='))
            return at + n + (at[n] == '=');
    }
    return NULL;
}
static long number(const char *name, long otherwise) {
    const char *at = word(name);
    return at ? strtol(at, NULL, 10) : otherwise;
}
static int devices(void) { return word("none") ? 0 : 2; }

/* What is allocated: each block with its size before it, and the stream that it was asked for on. */
static _Atomic size_t used; /* several threads score at once */
static size_t late[16];     /* given back, by stream */
static void waited(size_t stream) {
    used -= late[stream % 16];
    late[stream % 16] = 0;
}
static size_t high, reserved_high;
static _Atomic long calls;
static Code next(void) {
    if (word("strange")) return 12345;
    return number("lost", -1) >= 0 && calls++ >= number("lost", -1) ? 700 : 0;
}

Code cuInit(unsigned flags) { (void)flags; return devices() ? 0 : 100; }
Code cuDriverGetVersion(int *v) { *v = (int)number("version", 12020); return 0; }
Code cuGetErrorName(Code c, const char **t) {
    *t = c == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : c == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : c == 218 ? "CUDA_ERROR_INVALID_PTX" : NULL;
    return *t ? 0 : 1;
}
Code cuGetErrorString(Code c, const char **t) {
    *t = c == 2 ? "out of memory" : c == 700 ? "an illegal memory access was encountered" : c == 218 ? "a PTX JIT compilation failed" : NULL;
    return *t ? 0 : 1;
}
Code cuDeviceGetCount(int *n) { *n = devices(); return 0; }
Code cuDeviceGet(int *d, int n) { *d = n; return n < devices() ? 0 : 101; }
Code cuDeviceGetName(char *t, int n, int d) { snprintf(t, n, "Imitation %c", 'A' + d); return 0; }
Code cuDeviceGetAttribute(int *v, int which, int d) {
    int old = d == 0 && word("old");
    switch (which) {
    case 75: *v = old ? 6 : 8; return 0;
    case 76: *v = old ? 1 : 0; return 0;
    case 97: *v = 163 << 10; return 0;
    case 16: *v = 108; return 0;
    default: *v = 1; return 0;
    }
}
Code cuDeviceTotalMem_v2(size_t *n, int d) { (void)d; *n = (size_t)8 << 30; return 0; }
Code cuDeviceGetDefaultMemPool(void **p, int d) { (void)d; *p = (void *)1; return 0; }
Code cuDevicePrimaryCtxRetain(void **c, int d) {
    long busy = number("busy", -1);
    if (busy == d || busy == 9) return 46;
    *c = (void *)(intptr_t)(d + 1);
    FILE *f = getenv("FAKE_OPENED") ? fopen(getenv("FAKE_OPENED"), "a") : NULL; /* who opens a device is noted there */
    if (f) fprintf(f, "%d\n", d), fclose(f);
    return 0;
}
Code cuDevicePrimaryCtxRelease_v2(int d) { (void)d; return 0; }
Code cuCtxSetCurrent(void *c) { return c ? 0 : 201; }
static _Atomic long streams = 2;
Code cuStreamCreate(void **s, unsigned flags) { (void)flags; *s = (void *)streams++; return 0; }
Code cuStreamSynchronize(void *s) { waited((size_t)s); return 0; }
Code cuCtxSynchronize(void) {
    for (size_t s = 0; s < 16; s++) waited(s);
    return 0;
}
Code cuStreamDestroy_v2(void *s) { (void)s; return 0; }
Code cuMemPoolGetAttribute(void *p, int which, void *v) {
    (void)p;
    *(uint64_t *)v = which == 8 ? high : which == 6 ? reserved_high : used;
    return 0;
}
Code cuMemPoolSetAttribute(void *p, int which, void *v) {
    (void)p;
    if (which == 8) high = used;
    if (which == 6) reserved_high = used;
    return *(uint64_t *)v == UINT64_MAX || *(uint64_t *)v == 0 ? 0 : 1;
}
Code cuMemPoolTrimTo(void *p, size_t n) { (void)p; (void)n; return 0; }
Code cuMemGetInfo_v2(size_t *free, size_t *total) {
    *total = (size_t)8 << 30;
    *free = (size_t)number("oom", 6L << 30) - used;
    return 0;
}
Code cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t n, void *s) {
    (void)s;
    Code c = next();
    if (!c) memcpy((void *)to, from, n);
    return c;
}
Code cuMemcpyDtoHAsync_v2(void *to, Address from, size_t n, void *s) {
    (void)s;
    Code c = next();
    if (!c) memcpy(to, (void *)from, n);
    return c;
}
Code cuMemcpyDtoDAsync_v2(Address to, Address from, size_t n, void *s) {
    (void)s;
    Code c = next();
    if (!c) memcpy((void *)to, (void *)from, n);
    return c;
}
Code cuMemsetD8Async(Address at, unsigned char v, size_t n, void *s) { (void)s; memset((void *)at, v, n); return next(); }
Code cuModuleLoadData(void **m, const void *image) { *m = (void *)image; return word("badimage") ? 218 : 0; }
Code cuModuleUnload(void *m) { (void)m; return 0; }
Code cuModuleGetFunction(void **f, void *m, const char *name) { (void)m; *f = (void *)3; return strcmp(name, "missing") ? 0 : 500; }
Code cuFuncGetAttribute(int *v, int which, void *f) { (void)f; *v = which == 0 ? 512 : which == 4 ? 96 : 0; return 0; }
Code cuFuncSetAttribute(void *f, int which, int v) { (void)f; (void)which; (void)v; return 0; }
Code cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                    void *s, void **places, void **extra) {
    (void)f; (void)gx; (void)gy; (void)gz; (void)bx; (void)by; (void)bz; (void)shared; (void)s; (void)places; (void)extra;
    return next();
}
#ifndef OLD_DRIVER
Code cuDeviceGetUuid_v2(char *id, int d) { memset(id, 0x10 + d, 16); return 0; }
Code cuMemAllocAsync(Address *at, size_t n, void *s) {
    if (used + n > (size_t)number("oom", 6L << 30)) return 2;
    size_t *block = calloc(1, n + 64);
    if (!block) return 2;
    *block = n;
    block[1] = (size_t)s;
    used += n;
    if (used > high) high = used;
    if (used > reserved_high) reserved_high = used;
    *at = (Address)((char *)block + 64);
    return 0;
}
Code cuMemFreeAsync(Address at, void *s) {
    size_t *block = (size_t *)((char *)at - 64);
    if (block[1] != (size_t)s) { /* nothing puts the two streams in order */
        fprintf(stderr, "memory of one stream is freed on another\n");
        abort();
    }
    if (word("late")) late[(size_t)s % 16] += *block; else used -= *block;
    free(block);
    return 0;
}
#endif
