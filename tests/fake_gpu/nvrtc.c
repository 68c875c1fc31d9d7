/* A kernel compiler that makes nothing, and notes in the file FAKE_COMPILED that it was asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *log_text = "kernels.cu(1): error: this is how it fails\n";
static int failed;

int nvrtcVersion(int *a, int *b) { *a = getenv("FAKE_NVRTC_NEW") ? 13 : 12; *b = 1; return 0; }
int nvrtcGetNumSupportedArchs(int *n) { *n = 3; return 0; }
int nvrtcGetSupportedArchs(int *a) { a[0] = 70; a[1] = 80; a[2] = 90; return 0; }
const char *nvrtcGetErrorString(int c) { return c == 6 ? "NVRTC_ERROR_COMPILATION" : "another error"; }
int nvrtcCreateProgram(void **p, const char *text, const char *name, int n, const char *const *a, const char *const *b) {
    (void)name; (void)n; (void)a; (void)b;
    failed = strstr(text, "wrong") != NULL;
    *p = (void *)1;
    return 0;
}
int nvrtcDestroyProgram(void **p) { *p = NULL; return 0; }
int nvrtcCompileProgram(void *p, int n, const char *const *o) {
    (void)p; (void)n; (void)o;
    FILE *f = fopen(getenv("FAKE_COMPILED"), "a");
    if (f) { fputs("x", f); fclose(f); }
    return failed ? 6 : 0;
}
int nvrtcGetProgramLogSize(void *p, size_t *n) { (void)p; *n = failed ? strlen(log_text) + 1 : 1; return 0; }
int nvrtcGetProgramLog(void *p, char *t) { (void)p; strcpy(t, failed ? log_text : ""); return 0; }
int nvrtcGetPTXSize(void *p, size_t *n) { (void)p; *n = 4; return 0; }
int nvrtcGetPTX(void *p, char *t) { (void)p; memcpy(t, "ptx", 4); return 0; }
int nvrtcGetCUBINSize(void *p, size_t *n) { (void)p; *n = 8; return 0; }
int nvrtcGetCUBIN(void *p, char *t) { (void)p; memcpy(t, "machine", 8); return 0; }
