// The kernels on a processor: a block's threads are coroutines that stop at barriers. Between two barriers each thread runs
// to its end before the next one starts, in an order shuffled by a seed, so that a missing barrier shows in the results;
// shared and device memory start as NaN and have exactly the size that was asked for, so that an address sanitizer sees
// every step outside. Talks to the test over its standard input and output.

#include <bit>
#include <cmath>
#include <coroutine>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

struct Dim { unsigned x, y, z; };
static Dim threadIdx, blockIdx, blockDim, gridDim;
static float *shim_shared;

static inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
static inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }

struct Thread {
    struct promise_type {
        int line = 0;
        Thread get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { abort(); }
    };
    std::coroutine_handle<promise_type> at;
};

struct Barrier {
    int line;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<Thread::promise_type> at) { at.promise().line = line; }
    void await_resume() {}
};

struct Kernel {
    size_t bytes;
    Thread (*start)(const void *);
};
static std::map<std::string, Kernel> kernels;

#define KERNEL_(name, type, columns)                                                                                     \
    static Thread name(const type a);                                                                                    \
    static const bool name##_known = (kernels[#name "/" #columns] = {sizeof(type), [](const void *p) {                   \
                                          return name(*(const type *)p);                                                 \
                                      }}, true);                                                                         \
    static Thread name([[maybe_unused]] const type a)
#define KERNEL__(name, type, columns) KERNEL_(name, type, columns)
#define KERNEL(name, type) KERNEL__(name, type, COLUMNS)
#define DEVICE [[maybe_unused]] static inline
#define APART [[maybe_unused]] static inline
#define SHARED(name) float *name = shim_shared
#define BARRIER co_await Barrier{__LINE__}
#define DONE co_return
#define UNROLL
#define UNROLL_4
#define ROLLED

#define COLUMNS 16
namespace columns16 {
#include "kernels.inc"
}
#undef COLUMNS
#ifndef NARROW
#define COLUMNS 32
namespace columns32 {
#include "kernels.inc"
}
#undef COLUMNS
#define COLUMNS 64
namespace columns64 {
#include "kernels.inc"
}
#undef COLUMNS
#endif

static uint64_t seed = 1;
static unsigned below(unsigned n) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (unsigned)((seed >> 20) % n);
}
static void shuffle(std::vector<unsigned> &order) {
    for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[below((unsigned)i)]);
}

// Empty, or what went wrong.
static std::string run(const Kernel &kernel, const void *arguments, unsigned threads, size_t shared) {
    std::vector<Thread> all(threads);
    std::vector<unsigned> order(threads), blocks(gridDim.x * gridDim.y * gridDim.z);
    for (unsigned i = 0; i < threads; i++) order[i] = i;
    for (unsigned i = 0; i < blocks.size(); i++) blocks[i] = i;
    shuffle(blocks);
    std::string fault;
    for (unsigned b : blocks) {
        blockIdx = {b % gridDim.x, b / gridDim.x % gridDim.y, b / gridDim.x / gridDim.y};
        shim_shared = (float *)malloc(shared);
        memset(shim_shared, 0xff, shared);
        for (auto &t : all) t = kernel.start(arguments);
        for (bool alive = true; alive && fault.empty();) {
            shuffle(order);
            unsigned done = 0;
            int line = 0;
            for (unsigned i : order) {
                threadIdx = {i, 0, 0};
                all[i].at.resume();
                if (all[i].at.done()) {
                    done++;
                } else {
                    const int own = all[i].at.promise().line;
                    if (line && line != own) fault = "threads of a block wait at different barriers";
                    line = own;
                }
            }
            if (done && line) fault = "some threads of a block wait at a barrier that others left out";
            alive = !done;
        }
        for (auto &t : all) t.at.destroy();
        free(shim_shared);
        if (!fault.empty()) break;
    }
    return fault;
}

static void get(void *to, size_t n) {
    if (fread(to, 1, n, stdin) != n) exit(0);
}
static void put(const void *from, size_t n) { fwrite(from, 1, n, stdout); }
template <class T> static T number() {
    T v;
    get(&v, sizeof v);
    return v;
}
static void answer(const std::string &fault) {
    const uint32_t n = (uint32_t)fault.size();
    put(&n, 4), put(fault.data(), n), fflush(stdout);
}

int main(int, char **arguments) {
    seed = strtoull(arguments[1], nullptr, 10) * 0x9e3779b97f4a7c15u + 1;
    for (;;) switch (number<char>()) {
        case 'a': {
            const auto bytes = number<uint64_t>();
            void *p = malloc(bytes);
            memset(p, 0xff, bytes);
            put(&p, 8), fflush(stdout);
            break;
        }
        case 'f': free((void *)number<uint64_t>()); break;
        case 'c': {
            void *p = (void *)number<uint64_t>();
            memset(p, 0, number<uint64_t>());
            break;
        }
        case 'm': {
            const void *from = (void *)number<uint64_t>();
            void *to = (void *)number<uint64_t>();
            memcpy(to, from, number<uint64_t>());
            break;
        }
        case 'u': {
            void *p = (void *)number<uint64_t>();
            get(p, number<uint64_t>());
            break;
        }
        case 'd': {
            const void *p = (void *)number<uint64_t>();
            put(p, number<uint64_t>()), fflush(stdout);
            break;
        }
        case 'l': {
            std::string name(number<uint32_t>(), 0);
            get(name.data(), name.size());
            const auto columns = number<uint32_t>();
            gridDim.x = number<uint32_t>(), gridDim.y = number<uint32_t>(), gridDim.z = number<uint32_t>();
            const auto threads = number<uint32_t>(), shared = number<uint32_t>(), bytes = number<uint32_t>();
            blockDim = {threads, 1, 1};
            std::vector<uint64_t> block(bytes / 8 + 1);
            get(block.data(), bytes);
            const auto found = kernels.find(name + "/" + std::to_string(columns));
            if (found == kernels.end()) answer("no such kernel: " + name);
            else if (found->second.bytes != bytes) answer(name + " takes another structure");
            else answer(run(found->second, block.data(), threads, shared));
            break;
        }
        default: return 1;
        }
}
