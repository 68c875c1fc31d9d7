// The weights' optimiser: SGD with momentum, in float64 as on the processor.

struct Squares {
    const float *x;
    double *partial; // by block
    Long len;
};

KERNEL(squares, Squares) {
    SHARED(shared);
    double *sums = (double *)shared;
    double sum = 0.0;
    for (Long i = (Long)blockIdx.x * THREADS + threadIdx.x; i < a.len; i += (Long)gridDim.x * THREADS)
        sum += (double)a.x[i] * a.x[i];
    sums[threadIdx.x] = sum;
    SUM_UP(sums);
    if (threadIdx.x == 0) a.partial[blockIdx.x] = sums[0];
    DONE;
}

struct Descend {
    float *weights;
    const float *gradient;
    float *momentum;
    const double *partial; // sums of the gradient's squares
    double *norm;
    Long len;
    double rate, keep, decay, clip; // clip 0: none
    int parts;                      // no more than a block has threads
    int first;                      // there is no momentum yet
    int nesterov;                   // the step looks ahead along the momentum
    int reserved;
};

// Every block adds up the parts, in the same order; then each number is on its own.
KERNEL(descend, Descend) {
    SHARED(shared);
    double *sums = (double *)shared;
    sums[threadIdx.x] = threadIdx.x < a.parts ? a.partial[threadIdx.x] : 0.0;
    SUM_UP(sums);
    const double norm = sqrt(sums[0]), share = a.clip / (norm + 1e-6);
    const double factor = a.clip > 0.0 && share < 1.0 ? share : 1.0;
    if (blockIdx.x == 0 && threadIdx.x == 0) *a.norm = norm;
    for (Long i = (Long)blockIdx.x * THREADS + threadIdx.x; i < a.len; i += (Long)gridDim.x * THREADS) {
        const double d = a.gradient[i] * factor + a.decay * a.weights[i];
        const double v = a.first ? d : a.keep * a.momentum[i] + d;
        a.momentum[i] = (float)v;
        a.weights[i] = (float)(a.weights[i] - a.rate * (a.nesterov ? d + a.keep * v : v));
    }
    DONE;
}
