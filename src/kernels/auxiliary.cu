// What the auxiliary head does beside its convolutions: averages over square windows without padding, behind a ReLU.

struct Rectified {
    const float *x;  // [N, H, W, C]
    const float *dy; // [N, H', W', C], of a backward pass
    float *out;      // the averages, or the gradient of x
    int images, height, width, channels, out_height, out_width, window, stride;
    int add, reserved; // to the gradient that is there
};

KERNEL(rectified_average, Rectified) {
    const Long i = (Long)blockIdx.x * THREADS + threadIdx.x;
    if (i < (Long)a.images * a.out_height * a.out_width * a.channels) {
        const Long p = i / a.channels, row = p / a.out_width, n = row / a.out_height;
        const int c = (int)(i - p * a.channels);
        const int y0 = (int)(row - n * a.out_height) * a.stride, x0 = (int)(p - row * a.out_width) * a.stride;
        float sum = 0.0f;
        for (int y = y0; y < y0 + a.window; y++)
            for (int x = x0; x < x0 + a.window; x++)
                sum += relu(a.x[((n * a.height + y) * a.width + x) * a.channels + c]);
        a.out[i] = sum * (1.0f / (a.window * a.window));
    }
    DONE;
}

// Each input gathers what the windows that hold it give back.
KERNEL(rectified_average_gradient, Rectified) {
    const Long i = (Long)blockIdx.x * THREADS + threadIdx.x;
    if (i < (Long)a.images * a.height * a.width * a.channels) {
        const Long p = i / a.channels, row = p / a.width, n = row / a.height;
        const int c = (int)(i - p * a.channels), y = (int)(row - n * a.height), x = (int)(p - row * a.width);
        float sum = 0.0f;
        for (int oy = 0; oy < a.out_height; oy++)
            for (int ox = 0; ox < a.out_width; ox++) {
                const int ty = y - oy * a.stride, tx = x - ox * a.stride;
                if (ty < 0 || tx < 0 || ty >= a.window || tx >= a.window) continue;
                sum += a.dy[((n * a.out_height + oy) * a.out_width + ox) * a.channels + c];
            }
        const float dx = a.x[i] > 0.0f ? sum * (1.0f / (a.window * a.window)) : 0.0f;
        a.out[i] = a.add ? a.out[i] + dx : dx;
    }
    DONE;
}
