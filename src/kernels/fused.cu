// The three kernels that do nearly all of the work: window -> product -> moments, its backward pass, and the gathering of
// an input's gradient from all branches. A block has an 8x8 tile of pixels.

struct UnitForward {
    Unit units[MOST_UNITS];
    int columns; // blocks of COLUMNS columns
    int narrow;  // z, and inputs behind a norm
};

// z and, where asked for, the moments of each tile.
KERNEL(unit_forward, UnitForward) {
    SHARED(shared);
    const Unit &u = a.units[blockIdx.z / a.columns];
    const int col0 = blockIdx.z % a.columns * COLUMNS;
    const int across = tiles_across(u.out_width), tiles = tiles_of(u.out_height, u.out_width);
    if (col0 >= u.outputs || blockIdx.x >= tiles) DONE;
    const int y0 = blockIdx.x / across * TILE, x0 = blockIdx.x % across * TILE, n = blockIdx.y;
    const Map image = image_of(u, n, a.narrow);
    float *rows = shared, *tile = shared;
    float *d = shared + tile_numbers(u), *w = d + PIXELS * D_ROW;
    if (u.kind == MAXIMUM || u.kind == AVERAGE || u.kind == IDENTITY) {
        for (int i = threadIdx.x; i < PIXELS * COLUMNS; i += THREADS) {
            const int p = i / COLUMNS, j = i % COLUMNS, y = y0 + p / TILE, x = x0 + p % TILE;
            if (y < u.out_height && x < u.out_width && col0 + j < u.outputs) {
                int place;
                const float v = u.kind == IDENTITY
                                    ? get(image, (Long)(y * u.width + x) * u.x_stride + col0 + j)
                                    : pool(u.kernel, (const float *)image.numbers, u.height, u.width, u.x_stride,
                                           y * u.stride, x * u.stride, col0 + j, u.kind == MAXIMUM, place);
                rows[p * Z_ROW + j] = kept(v, a.narrow);
                if (u.z) put(u.z, a.narrow, ((Long)(n * u.out_height + y) * u.out_width + x) * u.z_stride + col0 + j, v);
            } else {
                rows[p * Z_ROW + j] = 0.0f;
            }
        }
    } else {
        float acc[P_EACH][4] = {};
        for (int c0 = 0; c0 < u.channels; c0 += CHUNK) {
            if (u.kind == DEPTHWISE) load_tile(u, image, y0, x0, c0, tile);
            BARRIER;
            gather(u, image, tile, y0, x0, c0, d);
            load_weights(u, c0, col0, COLUMNS, w);
            BARRIER;
            multiply(d, w, acc);
        }
        BARRIER; // the rows lie where the tile and d are
        const int j0 = threadIdx.x % GROUPS * 4, row = threadIdx.x / GROUPS;
        UNROLL
        for (int k = 0; k < P_EACH; k++)
            UNROLL
            for (int l = 0; l < 4; l++) {
                const int p = row + P_ROWS * k, j = j0 + l, y = y0 + p / TILE, x = x0 + p % TILE;
                rows[p * Z_ROW + j] = kept(acc[k][l], a.narrow);
                if (y < u.out_height && x < u.out_width && col0 + j < u.outputs)
                    put(u.z, a.narrow, ((Long)(n * u.out_height + y) * u.out_width + x) * u.z_stride + col0 + j,
                        acc[k][l]);
            }
    }
    if (u.partial) {
        const int height = least(u.out_height - y0, TILE), width = least(u.out_width - x0, TILE);
        float *sums = rows + PIXELS * Z_ROW;
        BARRIER;
        column_sums(rows, height, width, sums);
        BARRIER;
        column_moments(u, rows, sums, height, width, col0, n * tiles + blockIdx.x, tiles * gridDim.y);
    }
    DONE;
}

struct Back {
    Unit unit;
    const void *dy;            // dz = back(dy, z), z being the unit's
    const float *coefficients; // or null: dz = dy
    void *dd;                  // gradient of the product's left side, [N, H', W', channels], or null
    float *partial;            // [splits, len] gradients of the weights, or null
    int dy_stride, len;
    int first_tap, reserved; // row of a 7x7 window from which on this unit has TAP_ROWS rows' gradients; the first has the rest
};
struct UnitBackward {
    Back units[MOST_BACKS];
    int images, wanted;
    int narrow, narrow_dy; // z, dd and inputs behind a norm; dy
};

KERNEL(unit_backward, UnitBackward) {
    SHARED(shared);
    const Back &b = a.units[blockIdx.z];
    const Unit &u = b.unit;
    const int c0 = blockIdx.y * CHUNK, c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK;
    if (c0 >= u.channels) DONE;
    const int across = tiles_across(u.out_width), tiles = tiles_of(u.out_height, u.out_width);
    float *dz = shared, *w = dz + PIXELS * Z_ROW, *d = w + CHUNK * Z_ROW, *tile = d + PIXELS * D_ROW;
    float *partial = b.partial + (Long)blockIdx.x * b.len;
    const int pointwise = u.kind == DEPTHWISE ? u.kernel * u.kernel * u.channels : 0;
    float taps[25] = {}, own[COLUMNS / ROWS] = {};
    for (int t = blockIdx.x; t < tiles * a.images; t += gridDim.x) {
        const int n = t / tiles, y0 = t % tiles / across * TILE, x0 = t % tiles % across * TILE;
        const Map image = image_of(u, n, a.narrow);
        if (a.wanted) {
            if (u.kind == DEPTHWISE) load_tile(u, image, y0, x0, c0, tile);
            BARRIER;
            gather(u, image, tile, y0, x0, c0, d);
        }
        float dd[EACH] = {};
        for (int col0 = 0; col0 < u.outputs; col0 += COLUMNS) {
            for (int i = threadIdx.x; i < PIXELS * COLUMNS; i += THREADS) {
                const int p = i / COLUMNS, j = i % COLUMNS, y = y0 + p / TILE, x = x0 + p % TILE;
                float v = 0.0f;
                if (y < u.out_height && x < u.out_width && col0 + j < u.outputs) {
                    const Long at = (Long)(n * u.out_height + y) * u.out_width + x;
                    const float dy = get({b.dy, a.narrow_dy}, at * b.dy_stride + col0 + j);
                    v = b.coefficients ? back(b.coefficients, u.norm_channels, col0 + j, dy,
                                              get({u.z, a.narrow}, at * u.z_stride + col0 + j))
                                       : dy;
                }
                dz[p * Z_ROW + j] = v;
            }
            load_weights(u, c0, col0, Z_ROW, w);
            BARRIER;
            multiply_back(dz, w, dd);
            const bool weights = a.wanted && b.first_tap == 0;
            if (weights && u.outputs <= COLUMNS) multiply_weights(d, dz, own);
            if (weights && u.outputs > COLUMNS) {
                // More than the registers hold: each number has its own thread, which adds to it tile by tile.
                float sums[COLUMNS / ROWS] = {};
                multiply_weights(d, dz, sums);
                for (int k = 0; k < COLUMNS / ROWS; k++) {
                    const int j = col0 + row + ROWS * k;
                    if (c0 + c < u.channels && j < u.outputs) {
                        float *to = partial + pointwise + (Long)(c0 + c) * u.outputs + j;
                        *to = (t == blockIdx.x ? 0.0f : *to) + sums[k];
                    }
                }
            }
            if (col0 + COLUMNS >= u.outputs) {
                for (int k = 0; k < EACH; k++) {
                    const int p = row + ROWS * k, y = y0 + p / TILE, x = x0 + p % TILE;
                    if (b.dd && y < u.out_height && x < u.out_width && c0 + c < u.channels)
                        put(b.dd, a.narrow, ((Long)(n * u.out_height + y) * u.out_width + x) * u.channels + c0 + c, dd[k]);
                }
                if (a.wanted && u.kind == DEPTHWISE) {
                    if (u.kernel == 3) add_taps<3, 3, 5>(u, 0, tile, dd, taps);
                    else if (u.kernel == 5) add_taps<5, 5, 5>(u, 0, tile, dd, taps);
                    else add_taps<7, TAP_ROWS, 7>(u, b.first_tap, tile, dd, taps);
                }
            }
            BARRIER;
        }
    }
    if (a.wanted) {
        if (u.outputs <= COLUMNS && c0 + c < u.channels && b.first_tap == 0)
            for (int k = 0; k < COLUMNS / ROWS; k++)
                if (row + ROWS * k < u.outputs)
                    partial[pointwise + (Long)(c0 + c) * u.outputs + row + ROWS * k] = own[k];
        if (u.kind == DEPTHWISE && u.kernel == 7) {
            float *sums = shared;
            UNROLL
            for (int ky = 0; ky < TAP_ROWS; ky++)
                if (b.first_tap + ky < 7) {
                    UNROLL
                    for (int kx = 0; kx < 7; kx++) sums[(kx * ROWS + row) * CHUNK + c] = taps[ky * 7 + kx];
                    BARRIER;
                    const int kx = row;
                    if (kx < 7 && c0 + c < u.channels) {
                        float sum = 0.0f;
                        for (int g = 0; g < ROWS; g++) sum += sums[(kx * ROWS + g) * CHUNK + c];
                        partial[((b.first_tap + ky) * 7 + kx) * u.channels + c0 + c] = sum;
                    }
                    BARRIER;
                }
        } else if (u.kind == DEPTHWISE) {
            float *sums = shared;
            UNROLL
            for (int ky = 0; ky < 5; ky++)
                if (ky < u.kernel) {
                    UNROLL
                    for (int kx = 0; kx < 5; kx++) sums[(kx * ROWS + row) * CHUNK + c] = taps[ky * 5 + kx];
                    BARRIER;
                    const int kx = row;
                    if (kx < u.kernel && c0 + c < u.channels) {
                        float sum = 0.0f;
                        for (int g = 0; g < ROWS; g++) sum += sums[(kx * ROWS + g) * CHUNK + c];
                        partial[(ky * u.kernel + kx) * u.channels + c0 + c] = sum;
                    }
                    BARRIER;
                }
        }
    }
    DONE;
}

// Where gathered gradients go.
struct Target {
    void *dx;
    const void *gate;         // the values behind the ReLU are positive where gate > gate_mean
    const float *gate_mean;   // or null for 0; where it is given, gate and dx are kept maps
    const float *gate_affine; // where the norm has a scale and shift of its own they decide, as in a unit
    float *partial;           // sums of dx and of dx * (gate - gate_mean), or null
    int first, count;              // sources
    int add, height, width, channels, dx_stride, gate_stride;
};
struct InputGradient {
    Source sources[MOST_UNITS];
    Target targets[MOST_TARGETS];
    int chunks;
    int narrow; // kept maps, and dd of convolutions
};

KERNEL(input_gradient, InputGradient) {
    SHARED(shared);
    const Target &to = a.targets[blockIdx.z / a.chunks];
    const int across = tiles_across(to.width), tiles = tiles_of(to.height, to.width), lane = threadIdx.x % CHUNK;
    const int c = blockIdx.z % a.chunks * CHUNK + lane, row = threadIdx.x / CHUNK, n = blockIdx.y;
    const int y0 = blockIdx.x / across * TILE, x0 = blockIdx.x % across * TILE;
    if (blockIdx.x >= tiles || c - lane >= to.channels) DONE;
    const int narrow = a.narrow && to.gate_mean;
    float *tile = shared;
    float gate[EACH], total[EACH], gated[EACH] = {}, plain[EACH] = {};
    bool open[EACH];
    UNROLL
    for (int k = 0; k < EACH; k++) {
        const int p = row + ROWS * k, y = y0 + p / TILE, x = x0 + p % TILE;
        gate[k] = total[k] = 0.0f;
        open[k] = false;
        if (y >= to.height || x >= to.width || c >= to.channels) continue;
        const Long at = ((Long)n * to.height + y) * to.width + x;
        const float v = get({to.gate, narrow}, at * to.gate_stride + c);
        gate[k] = v - (to.gate_mean ? to.gate_mean[c] : 0.0f);
        open[k] = (to.gate_affine ? normed(v, to.gate_mean, to.gate_affine, to.channels, c) : gate[k]) > 0.0f;
        if (to.add) total[k] = get({to.dx, narrow}, at * to.dx_stride + c);
    }
    for (int i = to.first; i < to.first + to.count; i++) {
        const Source &s = a.sources[i];
        const Long image = (Long)n * s.out_height * s.out_width;
        const bool pooling = s.kind == MAXIMUM || s.kind == AVERAGE;
        const Map dd = {s.dd, a.narrow && (s.kind == DEPTHWISE || s.kind == PICK)};
        if (s.kind == HALF) {
            for (int k = 0; k < EACH; k++) {
                const int p = row + ROWS * k, y = y0 + p / TILE, x = x0 + p % TILE;
                if (y >= to.height || x >= to.width || c >= to.channels) continue;
                const int count = least(to.height - y / 2 * 2, 2) * least(to.width - x / 2 * 2, 2);
                plain[k] += get(dd, (image + y / 2 * s.out_width + x / 2) * s.dd_stride + c) / count;
            }
        } else if (s.kind == PICK || s.kind == IDENTITY) {
            for (int k = 0; k < EACH; k++) {
                const int p = row + ROWS * k, y = y0 + p / TILE - s.shift, x = x0 + p % TILE - s.shift;
                if (c >= to.channels || y < 0 || x < 0 || y % s.stride || x % s.stride) continue;
                if (y / s.stride >= s.out_height || x / s.stride >= s.out_width) continue;
                const float v = get(dd, (image + y / s.stride * s.out_width + x / s.stride) * s.dd_stride + c);
                if (s.kind == PICK) gated[k] += v;
                else plain[k] += s.weight ? v * *s.weight : v;
            }
        } else {
            const int r = reach(s.kernel, pooling ? 1 : s.dilation);
            const int oy = first_out(y0, r, s.stride), ox = first_out(x0, r, s.stride);
            const int high = outs(y0, r, s.stride), side = outs(x0, r, s.stride);
            float *places = tile + high * side * CHUNK;
            for (int p = row; p < high * side; p += ROWS) {
                const int y = oy + p / side, x = ox + p % side;
                float v = 0.0f;
                int place = -1;
                if (y >= 0 && x >= 0 && y < s.out_height && x < s.out_width && c < to.channels) {
                    v = get(dd, (image + y * s.out_width + x) * s.dd_stride + c);
                    if (pooling) {
                        const float *map = s.x + (Long)n * to.height * to.width * s.x_stride;
                        const float z = pool(s.kernel, map, to.height, to.width, s.x_stride, y * s.stride, x * s.stride, c,
                                             s.kind == MAXIMUM, place);
                        if (s.coefficients) v = back(s.coefficients, to.channels, c, v, kept(z, a.narrow));
                        else if (s.weight) v *= *s.weight;
                        if (s.kind == AVERAGE)
                            v *= 1.0f / (inside(s.kernel, y, s.stride, to.height) * inside(s.kernel, x, s.stride, to.width));
                    }
                }
                tile[p * CHUNK + lane] = v;
                if (s.kind == MAXIMUM) places[p * CHUNK + lane] = (float)place;
            }
            BARRIER;
            for (int k = 0; k < EACH; k++) {
                const int p = row + ROWS * k, y = y0 + p / TILE, x = x0 + p % TILE;
                if (y >= to.height || x >= to.width || c >= to.channels) continue;
                if (s.kind == DEPTHWISE) {
                    gated[k] += s.kernel == 3   ? scatter<3>(s, tile, oy, ox, side, y, x, to.channels, c)
                                : s.kernel == 5 ? scatter<5>(s, tile, oy, ox, side, y, x, to.channels, c)
                                                : scatter_wide(s, tile, oy, ox, side, y, x, to.channels, c);
                } else if (s.kernel == 3) {
                    unpool_3(s, tile, places, oy, ox, side, y, x, plain[k]);
                } else {
                    unpool_wide(s, tile, places, oy, ox, side, y, x, plain[k]);
                }
            }
            BARRIER;
        }
        if (s.ends)
            UNROLL
            for (int k = 0; k < EACH; k++) {
                total[k] += plain[k] + (open[k] ? gated[k] : 0.0f);
                plain[k] = gated[k] = 0.0f;
            }
    }
    float sum = 0.0f, product = 0.0f;
    UNROLL
    for (int k = 0; k < EACH; k++) {
        const int p = row + ROWS * k, y = y0 + p / TILE, x = x0 + p % TILE;
        if (y >= to.height || x >= to.width || c >= to.channels) continue;
        put(to.dx, narrow, (((Long)n * to.height + y) * to.width + x) * to.dx_stride + c, total[k]);
        sum += kept(total[k], narrow);
        product += kept(total[k], narrow) * gate[k];
    }
    if (to.partial) {
        shared[threadIdx.x] = sum;
        shared[THREADS + threadIdx.x] = product;
        BARRIER;
        if (row < 2 && c < to.channels) {
            float total = 0.0f;
            for (int g = 0; g < ROWS; g++) total += shared[row * THREADS + g * CHUNK + lane];
            const int parts = tiles * gridDim.y, part = n * tiles + blockIdx.x;
            to.partial[((Long)row * to.channels + c) * parts + part] = total;
        }
    }
    DONE;
}
