// 3x3 poolings with padding 1.

// One window of a map; `place` is the first of its nine places that has the greatest value, row by row.
DEVICE float pool(const float *image, int height, int width, int stride, int y0, int x0, int c, bool greatest, int &place) {
    float best = 0.0f, sum = 0.0f;
    int count = 0;
    place = 0;
    for (int t = 0; t < 9; t++) {
        const int y = y0 + t / 3 - 1, x = x0 + t % 3 - 1;
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

// Places of a window inside a map, along one side.
DEVICE int inside(int at, int stride, int size) {
    const int low = at * stride - 1, high = at * stride + 2;
    return (high < size ? high : size) - (low > 0 ? low : 0);
}
