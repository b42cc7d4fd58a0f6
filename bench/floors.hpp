// What the work would take at the very least: rates of this machine, measured in the same run as what is compared with
// them, on as many threads.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "ntkcore/blas.hpp"
#include "ntkcore/parallel.hpp"

namespace ntkcore::bench {

// The shortest of five runs of work(thread) on all threads at once, in seconds.
template <class Run>
double shortest(int threads, Run run) {
    using Clock = std::chrono::steady_clock;
    double best = std::numeric_limits<double>::infinity();
    for (int repeat = 0; repeat < 5; ++repeat) {
        const auto start = Clock::now();
        parallel_for(static_cast<std::size_t>(threads), threads, [&](std::size_t thread, int, Work&) { run(thread); });
        best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
    }
    return best;
}

// Seconds per byte of copying memory that no cache holds.
inline double copy_seconds_per_byte(int threads) {
    constexpr std::size_t kBytes = std::size_t{32} << 20U;
    const auto n = static_cast<std::size_t>(threads);
    std::vector<std::vector<char>> from(n, std::vector<char>(kBytes, 1));
    std::vector<std::vector<char>> to(n, std::vector<char>(kBytes, 2));
    const double seconds = shortest(threads, [&](std::size_t t) { std::memcpy(to[t].data(), from[t].data(), kBytes); });
    return seconds / static_cast<double>(n * kBytes);
}

// Seconds per multiplication and addition of a large product of the BLAS.
template <class T>
double product_seconds_per_term(int threads) {
    constexpr std::size_t kRows = 768;
    constexpr std::size_t kFeatures = 784;
    const auto n = static_cast<std::size_t>(threads);
    const std::vector<T> a(kRows * kFeatures, T(0.5));
    std::vector<std::vector<T>> c(n, std::vector<T>(kRows * kRows));
    const double seconds = shortest(threads, [&](std::size_t t) {
        gemm_nt(kRows, kRows, kFeatures, a.data(), kFeatures, a.data(), kFeatures, c[t].data(), kRows);
    });
    return seconds / static_cast<double>(n * kRows * kRows * kFeatures);
}

}  // namespace ntkcore::bench
