// Dense convolutions: ReLU -> 1x1 or 3x3 pixels of all channels -> product, their moments, and both gradients; and the two
// halves of a factorised one, of a row of pixels (behind the ReLU) and of a column.
// A block has an 8x8 tile of pixels; what it reads lies in shared memory with its border, a chunk of channels at a time, and all
// taps are taken from there.

// A thread has 4 pixels by 4 columns, whatever COLUMNS is: where columns are few, threads share a chunk's channels (or, for the
// weights, a tile's pixels), and their sums are added up in order at the end.
#define SLICES (64 / COLUMNS)
#define SLICE (CHUNK / SLICES)
#define LANES (THREADS / SLICES)
// Rows of tiles and of weights are multiples of four numbers, so that a thread reads four channels or its four columns at once;
// four more than there are, so that the rows of a warp's pixels fall into different banks.
#define T_ROW (CHUNK + 4)
#define W_ROW (COLUMNS + 4)

struct alignas(16) Four {
    float v[4];
};
DEVICE Four four(const float *numbers) { return *(const Four *)numbers; }

// The unit's weights are [taps * inputs, outputs], tap by tap.
struct Dense {
    Unit unit;
    const float *bias; // or null
};
struct DenseForward {
    Dense units[MOST_BACKS];
    int columns; // blocks of COLUMNS columns
    int narrow;  // z, and inputs behind a norm
};

// The window's pixels and its stride along one axis.
struct Axis {
    int kernel, stride;
};
DEVICE Axis rows_of(const Unit &u) { return u.kind == ACROSS ? Axis{1, 1} : Axis{u.kernel, u.stride}; }
DEVICE Axis columns_of(const Unit &u) { return u.kind == DOWN ? Axis{1, 1} : Axis{u.kernel, u.stride}; }
DEVICE int taps_of(const Unit &u) { return rows_of(u).kernel * columns_of(u).kernel; }

// Of a window of one pixel the tile has only pixels that strides meet.
DEVICE int dense_step(Axis a) { return a.kernel == 1 ? 1 : a.stride; }
DEVICE int dense_side(Axis a) { return (TILE - 1) * dense_step(a) + a.kernel; }
// The input's pixel that place `at` of the tile of the outputs from `first` on has.
DEVICE int dense_pixel(Axis a, int first, int at) {
    return first * a.stride - a.kernel / 2 + (a.kernel == 1 ? at * a.stride : at);
}

DEVICE void load_dense_tile(const Unit &u, const Map &image, int y0, int x0, int c0, float *tile) {
    const Axis rows = rows_of(u), columns = columns_of(u);
    const int side = dense_side(columns), c = threadIdx.x % CHUNK;
    for (int p = threadIdx.x / CHUNK; p < dense_side(rows) * side; p += ROWS)
        tile[p * T_ROW + c] =
            sample(u, image, dense_pixel(rows, y0, p / side), dense_pixel(columns, x0, p % side), c0 + c);
}

// A row of taps: input channels from c0 on by columns from col0 on, zeros beyond both.
DEVICE void load_taps(const Unit &u, int ty, int c0, int col0, float *w) {
    const int across = columns_of(u).kernel;
    for (int i = threadIdx.x; i < across * CHUNK * COLUMNS; i += THREADS) {
        const int t = i / COLUMNS / CHUNK, c = i / COLUMNS % CHUNK, j = i % COLUMNS;
        const bool there = c0 + c < u.inputs && col0 + j < u.outputs;
        const Long row = (Long)(ty * across + t) * u.inputs + c0 + c;
        w[(t * CHUNK + c) * W_ROW + j] = there ? u.pointwise[row * u.outputs + col0 + j] : 0.0f;
    }
}

// The same turned round: outputs from o0 on by input channels from col0 on.
DEVICE void load_turned_taps(const Unit &u, int ty, int o0, int col0, float *w) {
    const int across = columns_of(u).kernel;
    for (int i = threadIdx.x; i < across * CHUNK * COLUMNS; i += THREADS) {
        const int t = i / CHUNK / COLUMNS, j = i / CHUNK % COLUMNS, o = i % CHUNK;
        const bool there = o0 + o < u.outputs && col0 + j < u.inputs;
        const Long row = (Long)(ty * across + t) * u.inputs + col0 + j;
        w[(t * CHUNK + o) * W_ROW + j] = there ? u.pointwise[row * u.outputs + o0 + o] : 0.0f;
    }
}

// acc += tile . w for one tap: this thread's pixels and columns, its share of the chunk. `tile` begins at the tap; its pixels are
// `down` places apart from row to row, and `step` within one.
DEVICE void multiply_tap(const float *tile, int down, int step, const float *w, float (&acc)[EACH][4]) {
    const int j = threadIdx.x % GROUPS * 4, row = threadIdx.x / GROUPS % ROWS, i0 = threadIdx.x / LANES * SLICE;
    for (int i = i0; i < i0 + SLICE; i += 4) {
        Four d[EACH];
        UNROLL
        for (int k = 0; k < EACH; k++) {
            const int p = row + ROWS * k;
            d[k] = four(tile + (p / TILE * down + p % TILE * step) * T_ROW + i);
        }
        UNROLL
        for (int m = 0; m < 4; m++) {
            const Four column = four(w + (i + m) * W_ROW + j);
            UNROLL
            for (int k = 0; k < EACH; k++)
                UNROLL
                for (int l = 0; l < 4; l++) acc[k][l] += d[k].v[m] * column.v[l];
        }
    }
}

// Where every slice leaves its sums, and their total.
DEVICE void leave_sums(const float (&acc)[EACH][4], float *sums) {
    const int j = threadIdx.x % GROUPS * 4, row = threadIdx.x / GROUPS % ROWS, slice = threadIdx.x / LANES;
    UNROLL
    for (int k = 0; k < EACH; k++)
        UNROLL
        for (int l = 0; l < 4; l++) sums[(slice * PIXELS + row + ROWS * k) * Z_ROW + j + l] = acc[k][l];
}
DEVICE float total_of(const float *sums, int p, int j) {
    float sum = sums[p * Z_ROW + j];
    for (int s = 1; s < SLICES; s++) sum += sums[(s * PIXELS + p) * Z_ROW + j];
    return sum;
}

// z and, where asked for, the moments of each tile.
KERNEL(dense_forward, DenseForward) {
    SHARED(shared);
    const Unit &u = a.units[blockIdx.z / a.columns].unit;
    const float *bias = a.units[blockIdx.z / a.columns].bias;
    const int col0 = blockIdx.z % a.columns * COLUMNS;
    const int across = tiles_across(u.out_width), tiles = tiles_of(u.out_height, u.out_width);
    if (col0 >= u.outputs || blockIdx.x >= tiles) DONE;
    const int y0 = blockIdx.x / across * TILE, x0 = blockIdx.x % across * TILE, n = blockIdx.y;
    const Map image = image_of(u, n, a.narrow);
    const Axis down = rows_of(u), along = columns_of(u);
    const int side = dense_side(along), step = dense_step(along);
    float *rows = shared, *tile = shared, *w = tile + dense_side(down) * side * T_ROW;
    float acc[EACH][4] = {};
    for (int c0 = 0; c0 < u.inputs; c0 += CHUNK)
        for (int ty = 0; ty < down.kernel; ty++) {
            BARRIER; // the last taps have been read
            if (ty == 0) load_dense_tile(u, image, y0, x0, c0, tile);
            load_taps(u, ty, c0, col0, w);
            BARRIER;
            for (int tx = 0; tx < along.kernel; tx++)
                multiply_tap(tile + (ty * side + tx) * T_ROW, dense_step(down) * side, step, w + tx * CHUNK * W_ROW, acc);
        }
    BARRIER; // the sums lie where the tile is
    leave_sums(acc, rows);
    BARRIER;
    for (int i = threadIdx.x; i < PIXELS * COLUMNS; i += THREADS) {
        const int p = i / COLUMNS, j = i % COLUMNS, y = y0 + p / TILE, x = x0 + p % TILE;
        float v = total_of(rows, p, j);
        if (y < u.out_height && x < u.out_width && col0 + j < u.outputs) {
            if (bias) v += bias[col0 + j];
            put(u.z, a.narrow, ((Long)(n * u.out_height + y) * u.out_width + x) * u.z_stride + col0 + j, v);
        }
        rows[p * Z_ROW + j] = kept(v, a.narrow);
    }
    if (u.partial) {
        const int height = least(u.out_height - y0, TILE), width = least(u.out_width - x0, TILE);
        float *sums = rows + SLICES * PIXELS * Z_ROW;
        BARRIER;
        column_sums(rows, height, width, sums);
        BARRIER;
        column_moments(u, rows, sums, height, width, col0, n * tiles + blockIdx.x, tiles * gridDim.y);
    }
    DONE;
}

// `dd` of a unit is the gradient of what is behind the ReLU: of its input's size, or of its output's for a window of one pixel.
// `len`: weights, and outputs of a bias behind them.
struct DenseBackward {
    Back units[MOST_BACKS];
    int images, columns;
    int narrow, narrow_dy; // z, dd and inputs behind a norm; dy
};

// dz at pixel `at` of all images' outputs, which is dy where no norm is behind them.
DEVICE float dense_dz(const Back &b, Long at, int o, int narrow, int narrow_dy) {
    const float dy = get({b.dy, narrow_dy}, at * b.dy_stride + o);
    if (!b.coefficients) return dy;
    return back(b.coefficients, b.unit.norm_channels, o, dy, get({b.unit.z, narrow}, at * b.unit.z_stride + o));
}

// Where strides leave pixels out, those of a block are every second one of a row and of a column: to these the same taps lead.
KERNEL(dense_input_gradient, DenseBackward) {
    SHARED(shared);
    const Back &b = a.units[blockIdx.z / a.columns];
    const Unit &u = b.unit;
    const Axis down = rows_of(u), along = columns_of(u);
    const int col0 = blockIdx.z % a.columns * COLUMNS, ry = down.kernel / 2, rx = along.kernel / 2;
    const int step_y = dense_step(down), step_x = dense_step(along);
    const int across = tiles_across(u.out_width), tiles = tiles_of(u.out_height, u.out_width);
    const int parity = blockIdx.x / tiles, odd_y = parity / step_x, odd_x = parity % step_x;
    if (!b.dd || col0 >= u.inputs || parity >= step_y * step_x) DONE;
    const int y0 = blockIdx.x % tiles / across * TILE, x0 = blockIdx.x % tiles % across * TILE, n = blockIdx.y;
    const int side = TILE + 2 * rx, places = (TILE + 2 * ry) * side, lane = threadIdx.x % CHUNK;
    const int height = step_y == 1 ? u.out_height : u.height, width = step_x == 1 ? u.out_width : u.width;
    float *tile = shared, *w = tile + places * T_ROW;
    float acc[EACH][4] = {};
    for (int o0 = 0; o0 < u.outputs; o0 += CHUNK) {
        bool fresh = true;
        for (int ty = 0; ty < down.kernel; ty++) {
            // How far behind the pixel the outputs are that read it with this tap, before strides.
            const int dy = odd_y + ry - ty;
            if (dy % step_y) continue;
            BARRIER; // the last taps have been read
            if (fresh)
                for (int p = threadIdx.x / CHUNK; p < places; p += ROWS) {
                    const int y = y0 - ry + p / side, x = x0 - rx + p % side;
                    const bool there = y >= 0 && x >= 0 && y < u.out_height && x < u.out_width && o0 + lane < u.outputs;
                    const Long at = (Long)(n * u.out_height + y) * u.out_width + x;
                    tile[p * T_ROW + lane] = there ? dense_dz(b, at, o0 + lane, a.narrow, a.narrow_dy) : 0.0f;
                }
            fresh = false;
            load_turned_taps(u, ty, o0, col0, w);
            BARRIER;
            for (int tx = 0; tx < along.kernel; tx++) {
                const int dx = odd_x + rx - tx;
                if (dx % step_x) continue;
                const float *from = tile + ((ry + dy / step_y) * side + rx + dx / step_x) * T_ROW;
                multiply_tap(from, side, 1, w + tx * CHUNK * W_ROW, acc);
            }
        }
    }
    BARRIER; // the sums lie where the tile is
    leave_sums(acc, shared);
    BARRIER;
    for (int i = threadIdx.x; i < PIXELS * COLUMNS; i += THREADS) {
        const int p = i / COLUMNS, j = i % COLUMNS;
        const int y = (y0 + p / TILE) * step_y + odd_y, x = (x0 + p % TILE) * step_x + odd_x;
        if (y < height && x < width && col0 + j < u.inputs)
            put(b.dd, a.narrow, ((Long)(n * height + y) * width + x) * u.inputs + col0 + j, total_of(shared, p, j));
    }
    DONE;
}

// Adds what a slice's rows of the tile give to every tap of this thread's channel and its four columns. The window slides along
// a row, so that a pixel is read once for each row of taps.
template <int KY, int KX, int DOWN_BY, int STEP>
DEVICE void add_dense_taps(const float *tile, const float *dz, float (&own)[9][4]) {
    const int c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK, g = row % GROUPS, slice = row / GROUPS;
    const int side = (TILE - 1) * STEP + KX;
    for (int y = slice * (TILE / SLICES); y < (slice + 1) * (TILE / SLICES); y++) {
        const float *from = tile + y * DOWN_BY * side * T_ROW + c;
        float window[KY][KX];
        UNROLL
        for (int x = 0; x < TILE; x++) {
            UNROLL
            for (int ty = 0; ty < KY; ty++)
                UNROLL
                for (int tx = 0; tx < KX; tx++)
                    window[ty][tx] = x > 0 && tx + STEP < KX ? window[ty][(tx + STEP) % KX]
                                                             : from[(ty * side + x * STEP + tx) * T_ROW];
            const Four d = four(dz + (y * TILE + x) * W_ROW + g * 4);
            UNROLL
            for (int t = 0; t < KY * KX; t++)
                UNROLL
                for (int l = 0; l < 4; l++) own[t][l] += window[t / KX][t % KX] * d.v[l];
        }
    }
}

// Gradients of the weights and of the bias, in as many parts as the grid is wide.
KERNEL(dense_weight_gradient, DenseBackward) {
    SHARED(shared);
    const Back &b = a.units[blockIdx.z];
    const Unit &u = b.unit;
    const int c0 = blockIdx.y / a.columns * CHUNK, col0 = blockIdx.y % a.columns * COLUMNS;
    if (c0 >= u.inputs || col0 >= u.outputs) DONE;
    const int across = tiles_across(u.out_width), tiles = tiles_of(u.out_height, u.out_width);
    const int c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK, taps = taps_of(u);
    const Long weights = (Long)taps * u.inputs * u.outputs;
    float *dz = shared, *tile = dz + PIXELS * W_ROW, *partial = b.partial + (Long)blockIdx.x * b.len;
    float own[9][4] = {}, plain = 0.0f;
    for (int t = blockIdx.x; t < tiles * a.images; t += gridDim.x) {
        const int n = t / tiles, y0 = t % tiles / across * TILE, x0 = t % tiles % across * TILE;
        load_dense_tile(u, image_of(u, n, a.narrow), y0, x0, c0, tile);
        for (int i = threadIdx.x; i < PIXELS * COLUMNS; i += THREADS) {
            const int p = i / COLUMNS, j = i % COLUMNS, y = y0 + p / TILE, x = x0 + p % TILE;
            const bool there = y < u.out_height && x < u.out_width && col0 + j < u.outputs;
            const Long at = (Long)(n * u.out_height + y) * u.out_width + x;
            dz[p * W_ROW + j] = there ? dense_dz(b, at, col0 + j, a.narrow, a.narrow_dy) : 0.0f;
        }
        BARRIER;
        if (u.kind == ACROSS && u.stride == 1) add_dense_taps<1, 7, 1, 1>(tile, dz, own);
        else if (u.kind == ACROSS) add_dense_taps<1, 7, 1, 2>(tile, dz, own);
        else if (u.kind == DOWN && u.stride == 1) add_dense_taps<7, 1, 1, 1>(tile, dz, own);
        else if (u.kind == DOWN) add_dense_taps<7, 1, 2, 1>(tile, dz, own);
        else if (u.kernel == 1) add_dense_taps<1, 1, 1, 1>(tile, dz, own);
        else if (u.stride == 1) add_dense_taps<3, 3, 1, 1>(tile, dz, own);
        else add_dense_taps<3, 3, 2, 2>(tile, dz, own);
        if (b.len > weights && c0 == 0 && threadIdx.x < COLUMNS)
            for (int p = 0; p < PIXELS; p++) plain += dz[p * W_ROW + threadIdx.x];
        BARRIER; // tiles have been read
    }
    if (b.len > weights && c0 == 0 && threadIdx.x < COLUMNS && col0 + threadIdx.x < u.outputs)
        partial[weights + col0 + threadIdx.x] = plain;
    UNROLL
    for (int tap = 0; tap < 9; tap++)
        if (tap < taps) {
            UNROLL
            for (int l = 0; l < 4; l++)
                shared[(row / GROUPS * CHUNK + c) * Z_ROW + row % GROUPS * 4 + l] = own[tap][l];
            BARRIER;
            for (int i = threadIdx.x; i < CHUNK * COLUMNS; i += THREADS) {
                const int from = i / COLUMNS, j = i % COLUMNS;
                if (c0 + from >= u.inputs || col0 + j >= u.outputs) continue;
                float sum = shared[from * Z_ROW + j];
                for (int s = 1; s < SLICES; s++) sum += shared[(s * CHUNK + from) * Z_ROW + j];
                partial[((Long)tap * u.inputs + c0 + from) * u.outputs + col0 + j] = sum;
            }
            BARRIER; // sums have been read
        }
    DONE;
}
