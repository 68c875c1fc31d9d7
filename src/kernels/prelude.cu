// What all kernels share. The sources are joined into one text and compiled for 16, 32 and 64 columns (COLUMNS), which is
// how many output channels a block makes; a wider convolution takes several blocks. Maps are [N, H, W, C], a pixel every
// `stride` numbers, so that the nodes of a cell lie inside its output.
//
// A kernel takes one structure, laid out as its twin in `gpu/arguments.rs`. Barriers stand in kernels alone, never in what
// they call, and never where threads of a block part ways. Sums are taken in an order that depends on sizes alone.

#ifndef KERNEL
#define KERNEL(name, type) extern "C" __global__ void __launch_bounds__(256, 3) name(const __grid_constant__ type a)
#define DEVICE static __device__ __forceinline__
#define APART static __device__ __noinline__
#define SHARED(name) extern __shared__ __align__(16) float name[]
#define BARRIER __syncthreads()
#define DONE return
#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4")
#define ROLLED _Pragma("unroll 1")
#endif

#define THREADS 256
// A block's tile of output pixels, square.
#define TILE 8
#define PIXELS 64
// Input channels that a block looks at together; the tile's pixels then share threads: pixel = row + ROWS * k.
#define CHUNK 16
#define ROWS 16
#define EACH 4
// Rows in shared memory are one number longer, so that columns fall into different banks.
#define D_ROW (CHUNK + 1)
#define Z_ROW (COLUMNS + 1)
// Rows of a 7x7 window whose taps' gradients a thread holds at once.
#define TAP_ROWS 3
// The parts of all edges from one source, as many as the space has: in a forward pass, in a backward pass (whose arguments are
// larger), and the nodes or maps that they give to.
#define MOST_UNITS 32
#define MOST_BACKS 24
#define MOST_TARGETS 16
#define MOST_NODES 8

typedef long long Long;

enum Kind { DEPTHWISE, PICK, WINDOW, MAXIMUM, AVERAGE, IDENTITY, DENSE, HALF, ACROSS, DOWN };

// ReLU -> window -> matrix product, the window being a depthwise convolution, one pixel (PICK), all channels of 3x3 pixels
// (WINDOW, without ReLU) or the mean of 2x2 pixels, of those that are there (HALF, without ReLU); or a pooling, or the map itself
// (IDENTITY), without product. DENSE has kernels of its own, and so have ACROSS, whose window and strides are along rows alone,
// and DOWN, along columns and without ReLU.
struct Unit {
    const void *x;
    const float *mean;   // of the norm before the ReLU, its scale behind it [2, C], or null
    const float *affine; // that norm's own scale and shift [2, C], or null
    const float *depthwise, *pointwise;
    void *z;
    float *partial;
    int kind, kernel, stride, dilation, shift;
    int height, width, out_height, out_width;
    int channels; // of the product's left side
    int inputs;   // of x: less than `channels` for WINDOW and dense convolutions alone
    int x_stride, outputs, z_stride;
    int first, norm_channels; // where the outputs lie in the norm over all of them
};

// A map that a backward pass needs again has float32 numbers or, where it is narrow, the nearest bfloat16 to each; all
// arithmetic is float32. What is made from such a map (moments, sums) is made from its numbers as they are kept.
struct Map {
    const void *numbers;
    int narrow;
};

// Of two that are equally near the even one; what is no number stays none.
DEVICE unsigned short narrowed(float v) {
    const unsigned bits = __float_as_uint(v);
    return (unsigned short)(v == v ? (bits + 0x7fff + (bits >> 16 & 1)) >> 16 : bits >> 16 | 64);
}
DEVICE float widened(unsigned short v) { return __uint_as_float((unsigned)v << 16); }
DEVICE float kept(float v, int narrow) { return narrow ? widened(narrowed(v)) : v; }
DEVICE float get(const Map &map, Long i) {
    return map.narrow ? widened(((const unsigned short *)map.numbers)[i]) : ((const float *)map.numbers)[i];
}
DEVICE void put(void *map, int narrow, Long i, float v) {
    if (narrow) ((unsigned short *)map)[i] = narrowed(v);
    else ((float *)map)[i] = v;
}

// Image n of a unit's input: behind a norm it is a kept map.
DEVICE Map image_of(const Unit &u, int n, int narrow) {
    const Long at = (Long)n * u.height * u.width * u.x_stride;
    if (narrow && u.mean) return {(const unsigned short *)u.x + at, 1};
    return {(const float *)u.x + at, 0};
}

DEVICE int tiles_across(int width) { return (width + TILE - 1) / TILE; }
DEVICE int tiles_of(int height, int width) { return tiles_across(height) * tiles_across(width); }
// v behind a norm, `mean` and `affine` being as in a unit.
DEVICE float normed(float v, const float *mean, const float *affine, int channels, int c) {
    v = (v - mean[c]) * mean[channels + c];
    return affine ? v * affine[c] + affine[channels + c] : v;
}
DEVICE float relu(float v) { return v > 0.0f ? v : 0.0f; }
DEVICE int least(int a, int b) { return a < b ? a : b; }
