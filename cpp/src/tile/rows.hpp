// Loops over the features of one sample, left to the compiler's vectoriser.
#pragma once

#include "kernels.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

constexpr std::size_t kPartial = 16;  // partial sums: the same bits whatever the vector length

template <class T>
T largest(std::size_t n, const T* x) {
    T partial[kPartial] = {};
    std::size_t k = 0;
    const auto take = [&](std::size_t l, T value) {
        const T a = value < 0 ? -value : value;
        partial[l] = a > partial[l] ? a : partial[l];
    };
    for (; k + kPartial <= n; k += kPartial) {
        for (std::size_t l = 0; l < kPartial; ++l) take(l, x[k + l]);
    }
    for (; k < n; ++k) take(k % kPartial, x[k]);
    T most = 0;
    for (const T a : partial) most = a > most ? a : most;
    return most;
}

template <class T>
double square_sum(std::size_t n, const T* x, double up, double down) {
    double partial[kPartial] = {};
    std::size_t k = 0;
    const auto square = [&](std::size_t i) {
        const double y = static_cast<double>(x[i]) * up * down;
        return y * y;
    };
    for (; k + kPartial <= n; k += kPartial) {
        for (std::size_t l = 0; l < kPartial; ++l) partial[l] += square(k + l);
    }
    for (; k < n; ++k) partial[k % kPartial] += square(k);
    for (std::size_t half = kPartial / 2; half > 0; half /= 2) {
        for (std::size_t l = 0; l < half; ++l) partial[l] += partial[l + half];
    }
    return partial[0];
}

template <class T>
void accumulate(std::size_t n, const T* x, double up, double down, double* total) {
    for (std::size_t k = 0; k < n; ++k) total[k] += static_cast<double>(x[k]) * up * down;
}

template <class T>
void centred(std::size_t n, const T* x, double up, double down, const double* centre, T* a) {
    for (std::size_t k = 0; k < n; ++k) a[k] = static_cast<T>(static_cast<double>(x[k]) * up * down - centre[k]);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
