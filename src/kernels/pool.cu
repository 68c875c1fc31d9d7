// Poolings of KxK windows, with as much padding as keeps the size.

// One window of a map; `place` is the first of its places that has the greatest value, row by row.
template <int K>
DEVICE float pool_of(const float *image, int height, int width, int stride, int y0, int x0, int c, bool greatest, int &place) {
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

DEVICE float pool(int kernel, const float *image, int height, int width, int stride, int y0, int x0, int c, bool greatest,
                  int &place) {
    return kernel == 3 ? pool_of<3>(image, height, width, stride, y0, x0, c, greatest, place)
                       : pool_of<5>(image, height, width, stride, y0, x0, c, greatest, place);
}

// Places of a window inside a map, along one side.
DEVICE int inside(int kernel, int at, int stride, int size) {
    const int low = at * stride - kernel / 2, high = at * stride + kernel / 2 + 1;
    return (high < size ? high : size) - (low > 0 ? low : 0);
}
