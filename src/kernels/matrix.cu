// The products of pointwise convolutions on a block's tile, sums of their gradients, and the classifier.

// Each thread has four columns of so many pixels.
#define GROUPS (COLUMNS / 4)
#define P_ROWS (THREADS / GROUPS)
#define P_EACH (PIXELS / P_ROWS)

// Rows c0.. of the pointwise weights, columns col0.., zeros beyond both.
DEVICE void load_weights(const Unit &u, int c0, int col0, int row, float *w) {
    for (int i = threadIdx.x; i < CHUNK * COLUMNS; i += THREADS) {
        const int c = i / COLUMNS, j = i % COLUMNS;
        const bool there = c0 + c < u.channels && col0 + j < u.outputs;
        w[c * row + j] = there ? u.pointwise[(Long)(c0 + c) * u.outputs + col0 + j] : 0.0f;
    }
}

// acc += d [PIXELS, CHUNK] . w [CHUNK, COLUMNS]
DEVICE void multiply(const float *d, const float *w, float (&acc)[P_EACH][4]) {
    const int j = threadIdx.x % GROUPS * 4, row = threadIdx.x / GROUPS;
    UNROLL_4
    for (int i = 0; i < CHUNK; i++)
        UNROLL
        for (int k = 0; k < P_EACH; k++) {
            const float v = d[(row + P_ROWS * k) * D_ROW + i];
            UNROLL
            for (int l = 0; l < 4; l++) acc[k][l] += v * w[i * COLUMNS + j + l];
        }
}

// dd += dz [PIXELS, COLUMNS] . w^T, this thread's channel of the chunk at its pixels
DEVICE void multiply_back(const float *dz, const float *w, float (&dd)[EACH]) {
    const int c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK;
    UNROLL_4
    for (int j = 0; j < COLUMNS; j++)
        UNROLL
        for (int k = 0; k < EACH; k++) dd[k] += dz[(row + ROWS * k) * Z_ROW + j] * w[c * Z_ROW + j];
}

// own += (d^T . dz) at this thread's channel of the chunk and its columns
DEVICE void multiply_weights(const float *d, const float *dz, float (&own)[COLUMNS / ROWS]) {
    const int c = threadIdx.x % CHUNK, row = threadIdx.x / CHUNK;
    UNROLL_4
    for (int p = 0; p < PIXELS; p++)
        UNROLL
        for (int k = 0; k < COLUMNS / ROWS; k++) own[k] += d[p * D_ROW + c] * dz[p * Z_ROW + row + ROWS * k];
}

struct Reduce {
    const float *partial;
    float *gradient;
    int len, splits;
};
struct ReduceWeights {
    Reduce units[MOST_UNITS];
};

// gradient += the splits' partial gradients, in order.
KERNEL(reduce_weights, ReduceWeights) {
    const Reduce &u = a.units[blockIdx.y];
    const int i = blockIdx.x * THREADS + threadIdx.x;
    if (i < u.len) {
        double sum = u.gradient[i];
        for (int s = 0; s < u.splits; s++) sum += u.partial[(Long)s * u.len + i];
        u.gradient[i] = (float)sum;
    }
    DONE;
}

struct Head {
    const float *x, *weights, *dy, *mean;
    float *out;
    int images, pixels, channels, classes;
};

// Means over the pixels, [N, C].
KERNEL(head_average, Head) {
    const int c = blockIdx.x * THREADS + threadIdx.x, n = blockIdx.y;
    if (c < a.channels) {
        double sum = 0.0;
        for (int p = 0; p < a.pixels; p++) sum += a.x[((Long)n * a.pixels + p) * a.channels + c];
        a.out[n * a.channels + c] = (float)(sum / a.pixels);
    }
    DONE;
}

KERNEL(head_logits, Head) {
    const int i = blockIdx.x * THREADS + threadIdx.x;
    if (i < a.images * a.classes) {
        const int n = i / a.classes, k = i % a.classes;
        double sum = a.weights[a.channels * a.classes + k];
        for (int c = 0; c < a.channels; c++) sum += (double)a.mean[n * a.channels + c] * a.weights[c * a.classes + k];
        a.out[i] = (float)sum;
    }
    DONE;
}

// Gradient of the features, the same at every pixel.
KERNEL(head_input_gradient, Head) {
    const int c = blockIdx.x * THREADS + threadIdx.x, n = blockIdx.y;
    if (c < a.channels) {
        double sum = 0.0;
        for (int k = 0; k < a.classes; k++) sum += (double)a.weights[c * a.classes + k] * a.dy[n * a.classes + k];
        const float v = (float)(sum / a.pixels);
        for (int p = 0; p < a.pixels; p++) a.out[((Long)n * a.pixels + p) * a.channels + c] = v;
    }
    DONE;
}

// Gradient of weights [C, classes] and bias.
KERNEL(head_weight_gradient, Head) {
    const int i = blockIdx.x * THREADS + threadIdx.x;
    if (i < (a.channels + 1) * a.classes) {
        const int c = i / a.classes, k = i % a.classes;
        double sum = 0.0;
        for (int n = 0; n < a.images; n++)
            sum += (c < a.channels ? (double)a.mean[n * a.channels + c] : 1.0) * a.dy[n * a.classes + k];
        a.out[i] = (float)sum;
    }
    DONE;
}
