// Poolings of KxK windows, with as much padding as keeps the size.

// One window of a map; `place` is the first of its places that has the greatest value, row by row.
DEVICE float pool_3(const float *image, int height, int width, int stride, int y0, int x0, int c, bool greatest, int &place) {
    const int K = 3;
    float best = 0.0f, sum = 0.0f;
    int count = 0;
    place = 0;
    for (int t = 0; t < K * K; t++) {
        const int y = y0 + t / K - K / 2, x = x0 + t % K - K / 2;
        if (y < 0 || x < 0 || y >= height || x >= width) continue;
        const float v = image[(Long)(y * width + x) * stride + c];
        if (count == 0 || v > best) {
            best = v;
            place = t;
        }
        sum += v;
        count++;
    }
    return greatest ? best : sum * (1.0f / count);
}

// The same of any side, by loops that leave registers to others.
APART float pool_wide(int K, const float *image, int height, int width, int stride, int y0, int x0, int c, bool greatest,
                       int &place) {
    float best = 0.0f, sum = 0.0f;
    int count = 0;
    place = 0;
    ROLLED
    for (int t = 0; t < K * K; t++) {
        const int y = y0 + t / K - K / 2, x = x0 + t % K - K / 2;
        if (y < 0 || x < 0 || y >= height || x >= width) continue;
        const float v = image[(Long)(y * width + x) * stride + c];
        if (count == 0 || v > best) {
            best = v;
            place = t;
        }
        sum += v;
        count++;
    }
    return greatest ? best : sum * (1.0f / count);
}

DEVICE float pool(int kernel, const float *image, int height, int width, int stride, int y0, int x0, int c, bool greatest,
                  int &place) {
    if (kernel == 3) return pool_3(image, height, width, stride, y0, x0, c, greatest, place);
    return pool_wide(kernel, image, height, width, stride, y0, x0, c, greatest, place);
}

// Places of a window inside a map, along one side.
DEVICE int inside(int kernel, int at, int stride, int size) {
    const int low = at * stride - kernel / 2, high = at * stride + kernel / 2 + 1;
    return (high < size ? high : size) - (low > 0 ? low : 0);
}
