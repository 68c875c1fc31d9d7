/* NVML without a GPU: the second of two has more memory free. FAKE_CUDA=slice: the first is a slice, without sensors. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int slice(void *d) { return d == (void *)1 && getenv("FAKE_CUDA") && strstr(getenv("FAKE_CUDA"), "slice"); }

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int c) { (void)c; return "an imitation's error"; }
int nvmlSystemGetDriverVersion(char *t, unsigned n) { snprintf(t, n, "535.01"); return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **d) {
    int first = strstr(uuid, "10101010-1010-1010-1010-101010101010") != NULL;
    *d = (void *)(first ? 1L : 2L);
    return strncmp(uuid, slice(*d) ? "MIG-" : "GPU-", 4) ? 6 : 0;
}
struct memory { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(void *d, struct memory *m) {
    m->total = 8ull << 30;
    m->free = d == (void *)1 ? 1ull << 30 : 5ull << 30;
    m->used = m->total - m->free;
    return 0;
}
struct process { unsigned pid; unsigned long long bytes; unsigned gpu, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, struct process *p) {
    (void)d;
    unsigned room = *n;
    *n = 2;
    if (!p || room < 2) return 7;
    p[0] = (struct process){1, 2ull << 30, -1u, -1u};
    p[1] = (struct process){(unsigned)getpid(), 1ull << 30, -1u, -1u};
    return 0;
}
struct rates { unsigned gpu, memory; };
int nvmlDeviceGetUtilizationRates(void *d, struct rates *r) { r->gpu = 40; r->memory = 10; return slice(d) ? 3 : 0; }
int nvmlDeviceGetTemperature(void *d, int sensor, unsigned *t) { (void)sensor; *t = 41; return slice(d) ? 3 : 0; }
int nvmlDeviceGetPowerUsage(void *d, unsigned *w) { *w = 62500; return slice(d) ? 3 : 0; }
int nvmlDeviceGetComputeMode(void *d, int *m) { *m = 0; return slice(d) ? 3 : 0; }
