// Batch norm as two numbers per channel: moments of a tile, their combination, the weighted sum of normalised maps, and the
// linear form that the backward pass is. Sums have two stages: float32 in a block, float64 over the blocks, in order.

// Moments of a tile's columns, `rows` [PIXELS, COLUMNS] in shared memory, from shifted sums (so that squares do not cancel
// where the mean is large). First part: each thread sums some pixels of one column.
DEVICE void column_sums(const float *rows, int height, int width, float *sums) {
    const int j = threadIdx.x % COLUMNS;
    const float shift = rows[j];
    float s = 0.0f, q = 0.0f;
    for (int p = threadIdx.x / COLUMNS; p < PIXELS; p += THREADS / COLUMNS)
        if (p / TILE < height && p % TILE < width) {
            const float v = rows[p * Z_ROW + j] - shift;
            s += v;
            q += v * v;
        }
    sums[threadIdx.x] = s;
    sums[THREADS + threadIdx.x] = q;
}

// Second part: mean and sum of squared deviations of each column.
DEVICE void column_moments(const Unit &u, const float *rows, const float *sums, int height, int width, int col0, int part,
                           int parts) {
    const int j = threadIdx.x;
    if (j >= COLUMNS || col0 + j >= u.outputs) return;
    float s = 0.0f, q = 0.0f;
    for (int g = 0; g < THREADS / COLUMNS; g++) {
        s += sums[g * COLUMNS + j];
        q += sums[THREADS + g * COLUMNS + j];
    }
    const float n = (float)(height * width), squares = q - s * s / n;
    const Long at = (Long)(u.first + col0 + j) * parts + part;
    u.partial[at] = rows[j] + s / n;
    u.partial[(Long)u.norm_channels * parts + at] = squares > 0.0f ? squares : 0.0f;
}

// Adds up a number per thread; the result is in sums[0] after log2(THREADS) barriers.
#define SUM_UP(sums)                                                                                                     \
    for (int half = THREADS / 2; half > 0; half /= 2) {                                                                  \
        BARRIER;                                                                                                         \
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];                                           \
    }                                                                                                                    \
    BARRIER

struct Moments {
    const float *partial;
    float *mean, *scale;
    double *moments; // means, then sums of squared deviations, by channel
    int channels, out_height, out_width, images;
};
struct SettleMoments {
    Moments units[MOST_UNITS];
};

// Statistics of one channel from the tiles' (Chan, Golub, LeVeque 1979).
KERNEL(settle_moments, SettleMoments) {
    SHARED(shared);
    double *sums = (double *)shared;
    const Moments &u = a.units[blockIdx.y];
    const int c = blockIdx.x;
    if (c >= u.channels) DONE;
    const int across = tiles_across(u.out_width), tiles = tiles_of(u.out_height, u.out_width), parts = tiles * u.images;
    const float *means = u.partial + (Long)c * parts, *squares = means + (Long)u.channels * parts;
    double sum = 0.0;
    for (int p = threadIdx.x; p < parts; p += THREADS) {
        const int y = p % tiles / across * TILE, x = p % tiles % across * TILE;
        const int n = least(u.out_height - y, TILE) * least(u.out_width - x, TILE);
        sum += (double)n * means[p];
    }
    sums[threadIdx.x] = sum;
    SUM_UP(sums);
    const double count = (double)u.images * u.out_height * u.out_width, mean = sums[0] / count;
    BARRIER;
    sum = 0.0;
    for (int p = threadIdx.x; p < parts; p += THREADS) {
        const int y = p % tiles / across * TILE, x = p % tiles % across * TILE;
        const int n = least(u.out_height - y, TILE) * least(u.out_width - x, TILE);
        const double d = means[p] - mean;
        sum += squares[p] + n * d * d;
    }
    sums[threadIdx.x] = sum;
    SUM_UP(sums);
    if (threadIdx.x == 0) {
        u.moments[c] = mean;
        u.moments[u.channels + c] = sums[0];
        u.mean[c] = (float)mean;
        u.scale[c] = (float)(1.0 / sqrt(sums[0] / count + 1e-5));
    }
    DONE;
}

struct Mixed {
    const void *z;
    const float *mean, *scale; // identity: no norm
    const float *weight;           // one number, or null for 1
    const float *gain, *bias;      // by channel, or null
    const float *factors;          // by image of `per_image` pixels, or null for 1
    int stride, per_image;
};
struct MixTarget {
    float *out;
    int first, count; // units
    int stride, fresh;
};
struct Mix {
    Mixed units[MOST_UNITS];
    MixTarget targets[MOST_NODES];
    Long pixels;
    int channels;
    int narrow; // what is before a norm
};

// out = (out +) sum of factor * (weight * norm(z)): the maps of nodes, a projection's, the stem's.
KERNEL(mix, Mix) {
    const MixTarget &into = a.targets[blockIdx.y];
    const Long i = (Long)blockIdx.x * THREADS + threadIdx.x;
    if (i < a.pixels * a.channels) {
        const Long p = i / a.channels;
        const int c = (int)(i - p * a.channels);
        float *to = into.out + p * into.stride + c;
        float sum = into.fresh ? 0.0f : *to;
        for (int b = into.first; b < into.first + into.count; b++) {
            const Mixed &u = a.units[b];
            float v = get({u.z, a.narrow && u.mean}, p * u.stride + c);
            const float w = u.weight ? *u.weight : 1.0f;
            if (u.mean) v = (v - u.mean[c]) * (u.scale[c] * w);
            else v = v * w;
            if (u.gain) v = v * u.gain[c] + u.bias[c];
            if (u.factors) v *= u.factors[p / u.per_image];
            sum += v;
        }
        *to = sum;
    }
    DONE;
}

struct Products {
    const float *dy;
    const void *z;     // the map before the norm, or what is pooled to it
    const float *mean; // or null for 0
    float *partial;
    int kind, stride, height, width, out_height, out_width;
    int dy_stride, z_stride;
    int kernel, reserved; // of what pools
};
struct NormProducts {
    Products units[MOST_UNITS];
    int images, channels;
    int narrow, reserved; // what is before a norm
};

// By channel, sums of dy and of dy * (z - mean); a block has CHUNK channels of some pixels.
KERNEL(norm_products, NormProducts) {
    SHARED(shared);
    const Products &u = a.units[blockIdx.z];
    const int lane = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK, c = blockIdx.y * CHUNK + lane;
    const int per_image = u.out_height * u.out_width, pixels = a.images * per_image;
    const int share = (pixels + gridDim.x - 1) / gridDim.x, end = least((blockIdx.x + 1) * share, pixels);
    float plain = 0.0f, product = 0.0f;
    if (c < a.channels) {
        const float mean = u.mean ? u.mean[c] : 0.0f;
        for (int p = blockIdx.x * share + row; p < end; p += ROWS) {
            const float dy = u.dy[(Long)p * u.dy_stride + c];
            float z;
            if (u.kind == MAXIMUM || u.kind == AVERAGE) {
                const int n = p / per_image, q = p % per_image;
                const float *image = (const float *)u.z + (Long)n * u.height * u.width * u.z_stride;
                int place;
                z = pool(u.kernel, image, u.height, u.width, u.z_stride, q / u.out_width * u.stride,
                         q % u.out_width * u.stride, c, u.kind == MAXIMUM, place);
                z = kept(z, a.narrow && u.mean);
            } else {
                z = get({u.z, a.narrow && u.mean}, (Long)p * u.z_stride + c);
            }
            plain += dy;
            product += dy * (z - mean);
        }
    }
    shared[threadIdx.x] = plain;
    shared[THREADS + threadIdx.x] = product;
    BARRIER;
    if (row < 2 && c < a.channels) {
        float sum = 0.0f;
        for (int g = 0; g < ROWS; g++) sum += shared[row * THREADS + g * CHUNK + lane];
        u.partial[((Long)row * a.channels + c) * gridDim.x + blockIdx.x] = sum;
    }
    DONE;
}

struct Settled {
    const float *partial;
    const float *mean, *scale; // null for the identity
    const float *weight, *gain;
    float *coefficients; // [4, C]: scale, mean, slope, offset; null for the identity
    double *inner;       // [C], or null
    float *to_gain, *to_bias;
    double count; // 0 where the statistics are constants
    int parts, channels, normalised, reserved;
};
struct SettleProducts {
    Settled units[MOST_UNITS];
};

// dz = dy * scale + (z - mean) * slope + offset (Ioffe & Szegedy 2015); `normalised`: the map holds the norm's result.
KERNEL(settle_products, SettleProducts) {
    SHARED(shared);
    double *sums = (double *)shared;
    const Settled &u = a.units[blockIdx.y];
    const int c = blockIdx.x;
    if (c >= u.channels) DONE;
    const float *plains = u.partial + (Long)c * u.parts, *products = plains + (Long)u.channels * u.parts;
    double sum = 0.0;
    for (int p = threadIdx.x; p < u.parts; p += THREADS) sum += plains[p];
    sums[threadIdx.x] = sum;
    SUM_UP(sums);
    const double plain = sums[0]; // thread 0 alone needs it, and alone writes there
    sum = 0.0;
    for (int p = threadIdx.x; p < u.parts; p += THREADS) sum += products[p];
    sums[threadIdx.x] = sum;
    SUM_UP(sums);
    if (threadIdx.x == 0) {
        const double product = sums[0], s = u.scale ? (double)u.scale[c] : 1.0;
        const double w = (u.weight ? (double)*u.weight : 1.0) * (u.gain ? (double)u.gain[c] : 1.0);
        if (u.inner) u.inner[c] = u.normalised ? product : s * product;
        if (u.to_gain) u.to_gain[c] = (float)(s * product);
        if (u.to_bias) u.to_bias[c] = (float)plain;
        if (u.coefficients) {
            const double turn = u.normalised ? s : s * s * s;
            u.coefficients[c] = (float)(s * w);
            u.coefficients[u.channels + c] = u.normalised ? 0.0f : u.mean[c];
            u.coefficients[2 * u.channels + c] = u.count > 0.0 ? (float)(-turn * w * product / u.count) : 0.0f;
            u.coefficients[3 * u.channels + c] = u.count > 0.0 ? (float)(-s * w * plain / u.count) : 0.0f;
        }
    }
    DONE;
}

// The linear form at channel c of `channels`.
DEVICE float back(const float *k, int channels, int c, float dy, float z) {
    return dy * k[c] + ((z - k[channels + c]) * k[2 * channels + c] + k[3 * channels + c]);
}

struct MixingGradient {
    const double *inner; // [entries, C]
    float *out;
    int entries, channels;
};

// Added to what is there: cells of one kind share their mixing weights.
KERNEL(mixing_gradient, MixingGradient) {
    const int i = blockIdx.x * THREADS + threadIdx.x;
    if (i < a.entries) {
        double sum = 0.0;
        for (int c = 0; c < a.channels; c++) sum += a.inner[(Long)i * a.channels + c];
        a.out[i] += (float)sum;
    }
    DONE;
}
