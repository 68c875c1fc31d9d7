// Windows of the input: sampling behind ReLU and norm, depthwise convolution and its two gradients.

// x behind the norm and the ReLU; 0 outside.
DEVICE float sample(const Unit &u, const Map &image, int y, int x, int c) {
    if (y < 0 || x < 0 || y >= u.height || x >= u.width || c >= u.inputs) return 0.0f;
    float v = get(image, (Long)(y * u.width + x) * u.x_stride + c);
    if (u.mean) v = normed(v, u.mean, u.affine, u.inputs, c);
    return u.kind == WINDOW || u.kind == HALF || u.kind == DOWN ? v : relu(v);
}

// The mean of 2x2 pixels, of those that are there.
DEVICE float halved(const Unit &u, const Map &image, int y, int x, int c) {
    if (y >= u.height || x >= u.width) return 0.0f;
    const int rows = least(u.height - y, 2), columns = least(u.width - x, 2);
    float sum = 0.0f;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) sum += sample(u, image, y + i, x + j, c);
    return sum / (rows * columns);
}

DEVICE int reach(int kernel, int dilation) { return dilation * (kernel - 1) / 2; }

// Side of what a tile of output pixels reads of the input, which goes through shared memory.
DEVICE int side_of(const Unit &u) { return (TILE - 1) * u.stride + 1 + 2 * reach(u.kernel, u.dilation); }

DEVICE int tile_numbers(const Unit &u) { return u.kind == DEPTHWISE ? side_of(u) * side_of(u) * CHUNK : 0; }

DEVICE void load_tile(const Unit &u, const Map &image, int y0, int x0, int c0, float *tile) {
    const int side = side_of(u), r = reach(u.kernel, u.dilation), c = threadIdx.x % CHUNK;
    for (int p = threadIdx.x / CHUNK; p < side * side; p += ROWS)
        tile[p * CHUNK + c] = sample(u, image, y0 * u.stride - r + p / side, x0 * u.stride - r + p % side, c0 + c);
}

// Where in the tile the window of output pixel p begins, for this thread's channel.
DEVICE const float *window_of(const Unit &u, const float *tile, int p) {
    return tile + (p / TILE * side_of(u) + p % TILE) * u.stride * CHUNK + threadIdx.x % CHUNK;
}

template <int K>
DEVICE void convolve(const Unit &u, const float *tile, int c0, float *d) {
    const int c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK, side = side_of(u);
    float sum[EACH] = {};
    UNROLL
    for (int ky = 0; ky < K; ky++)
        UNROLL
        for (int kx = 0; kx < K; kx++) {
            const float w = c0 + c < u.channels ? u.depthwise[(ky * K + kx) * u.channels + c0 + c] : 0.0f;
            const int at = (ky * side + kx) * u.dilation * CHUNK;
            UNROLL
            for (int k = 0; k < EACH; k++) sum[k] += w * window_of(u, tile, row + ROWS * k)[at];
        }
    UNROLL
    for (int k = 0; k < EACH; k++) d[(row + ROWS * k) * D_ROW + c] = sum[k];
}

// The same for any window, by loops that leave registers to others.
DEVICE void convolve_wide(const Unit &u, const float *tile, int c0, float *d) {
    const int c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK, side = side_of(u);
    float sum[EACH] = {};
    ROLLED
    for (int t = 0; t < u.kernel * u.kernel; t++) {
        const float w = c0 + c < u.channels ? u.depthwise[t * u.channels + c0 + c] : 0.0f;
        const int at = (t / u.kernel * side + t % u.kernel) * u.dilation * CHUNK;
        UNROLL
        for (int k = 0; k < EACH; k++) sum[k] += w * window_of(u, tile, row + ROWS * k)[at];
    }
    UNROLL
    for (int k = 0; k < EACH; k++) d[(row + ROWS * k) * D_ROW + c] = sum[k];
}

// The product's left side: CHUNK channels from c0 on of the tile's pixels.
DEVICE void gather(const Unit &u, const Map &image, const float *tile, int y0, int x0, int c0, float *d) {
    if (u.kind == DEPTHWISE) {
        if (u.kernel == 3) convolve<3>(u, tile, c0, d);
        else if (u.kernel == 5) convolve<5>(u, tile, c0, d);
        else convolve_wide(u, tile, c0, d);
        return;
    }
    const int c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK;
    for (int k = 0; k < EACH; k++) {
        const int p = row + ROWS * k;
        const int y = (y0 + p / TILE) * u.stride + u.shift, x = (x0 + p % TILE) * u.stride + u.shift;
        const int t = (c0 + c) / u.inputs;
        float v;
        if (u.kind == PICK) v = sample(u, image, y, x, c0 + c);
        else if (u.kind == HALF) v = halved(u, image, y, x, c0 + c);
        else v = t < 9 ? sample(u, image, y + t / 3 - 1, x + t % 3 - 1, (c0 + c) % u.inputs) : 0.0f;
        d[p * D_ROW + c] = v;
    }
}

// Adds to the gradient of R rows of taps from row `first` on (ACROSS to a row): this thread's channel, its pixels.
template <int K, int R, int ACROSS>
DEVICE void add_taps(const Unit &u, int first, const float *tile, const float (&dd)[EACH], float (&taps)[25]) {
    const int row = threadIdx.x / CHUNK, side = side_of(u);
    UNROLL
    for (int k = 0; k < EACH; k++) {
        const float *window = window_of(u, tile, row + ROWS * k) + first * side * u.dilation * CHUNK;
        UNROLL
        for (int ky = 0; ky < R; ky++)
            if (first + ky < K)
                UNROLL
                for (int kx = 0; kx < K; kx++)
                    taps[ky * ACROSS + kx] += dd[k] * window[(ky * side + kx) * u.dilation * CHUNK];
    }
}

// What one branch gives back to an edge's input: the gradient `dd` of a convolution's window, or a pooling's. That of a dense
// convolution is the gradient of its input behind the ReLU: as if it picked each pixel.
struct Source {
    const void *dd;         // [N, H', W', C]
    const float *depthwise; // of a convolution
    const float *x;         // of a pooling
    const float *coefficients, *weight; // null without a norm, and for 1
    int kind, kernel, stride, dilation, shift;
    int out_height, out_width, dd_stride, x_stride;
    int ends; // the last of an edge's: edges are added up one by one
};

// Output pixels whose windows reach the tile of input pixels at i0.
DEVICE int first_out(int i0, int r, int stride) {
    const int at = i0 - r;
    return at >= 0 ? (at + stride - 1) / stride : -(-at / stride);
}
DEVICE int outs(int i0, int r, int stride) { return (i0 + TILE - 1 + r) / stride - first_out(i0, r, stride) + 1; }

// Transposed convolution: adds what the output pixels in `tile` (from y_first, x_first on) give to input pixel (y, x).
template <int K>
DEVICE float scatter(const Source &s, const float *tile, int y_first, int x_first, int side, int y, int x, int channels, int c) {
    const int r = reach(K, s.dilation), lane = threadIdx.x % CHUNK;
    float sum = 0.0f;
    UNROLL
    for (int ky = 0; ky < K; ky++) {
        const int ty = y + r - ky * s.dilation;
        UNROLL
        for (int kx = 0; kx < K; kx++) {
            const int tx = x + r - kx * s.dilation;
            if (s.stride == 2 && ((ty | tx) & 1)) continue;
            const int at = ((ty >> (s.stride - 1)) - y_first) * side + (tx >> (s.stride - 1)) - x_first;
            sum += tile[at * CHUNK + lane] * s.depthwise[(ky * K + kx) * channels + c];
        }
    }
    return sum;
}

// The same for any window, as in the forward pass.
DEVICE float scatter_wide(const Source &s, const float *tile, int y_first, int x_first, int side, int y, int x, int channels, int c) {
    const int r = reach(s.kernel, s.dilation), lane = threadIdx.x % CHUNK;
    float sum = 0.0f;
    ROLLED
    for (int t = 0; t < s.kernel * s.kernel; t++) {
        const int ty = y + r - t / s.kernel * s.dilation, tx = x + r - t % s.kernel * s.dilation;
        if (s.stride == 2 && ((ty | tx) & 1)) continue;
        const int at = ((ty >> (s.stride - 1)) - y_first) * side + (tx >> (s.stride - 1)) - x_first;
        sum += tile[at * CHUNK + lane] * s.depthwise[t * channels + c];
    }
    return sum;
}

// Pooling's way back: adds what the output pixels in `tile` (from y_first, x_first on), whose windows had their greatest value
// at `places`, give to input pixel (y, x).
DEVICE void unpool_3(const Source &s, const float *tile, const float *places, int y_first, int x_first, int side, int y, int x,
                     float &sum) {
    for (int t = 0; t < 9; t++) {
        const int ty = y + 1 - t / 3, tx = x + 1 - t % 3;
        if (ty % s.stride || tx % s.stride) continue;
        const int at = ((ty / s.stride - y_first) * side + tx / s.stride - x_first) * CHUNK + threadIdx.x % CHUNK;
        if (s.kind == AVERAGE || places[at] == (float)t) sum += tile[at];
    }
}

// The same of windows of any side.
DEVICE void unpool_wide(const Source &s, const float *tile, const float *places, int y_first, int x_first, int side, int y, int x,
                        float &sum) {
    ROLLED
    for (int t = 0; t < s.kernel * s.kernel; t++) {
        const int ty = y + s.kernel / 2 - t / s.kernel, tx = x + s.kernel / 2 - t % s.kernel;
        if (ty % s.stride || tx % s.stride) continue;
        const int at = ((ty / s.stride - y_first) * side + tx / s.stride - x_first) * CHUNK + threadIdx.x % CHUNK;
        if (s.kind == AVERAGE || places[at] == (float)t) sum += tile[at];
    }
}
