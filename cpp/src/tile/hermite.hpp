// Sums over Hermite functions, for the coefficients of expansions.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

// a[k] = Σ_i ψ_k(z_i) y_i for all degrees k, with y = odd or even according to k (null: 0) and
// ψ_{k+1} = up[k] z ψ_k − back[k] ψ_{k−1}.
inline void hermite(const HermiteCall& call) {
    using V = Vec<double>;
    constexpr std::size_t kVectors = 4;
    constexpr std::size_t kStep = kVectors * kLanes<double>;
    V sum[kHermiteDegrees];
    for (std::size_t k = 0; k < call.degrees; ++k) sum[k] = V{};
    for (std::size_t i = 0; i < call.nodes; i += kStep) {
        V z[kVectors], now[kVectors], before[kVectors], y[2][kVectors] = {};
        for (std::size_t v = 0; v < kVectors; ++v) {
            const std::size_t at = i + v * kLanes<double>;
            z[v] = load(call.z + at);
            now[v] = load(call.start + at);
            before[v] = V{};
            if (call.even != nullptr) y[0][v] = load(call.even + at);
            if (call.odd != nullptr) y[1][v] = load(call.odd + at);
        }
        const auto degree = [&](std::size_t k, const V* values, V* last, V* next) {
            V total = sum[k];
            for (std::size_t v = 0; v < kVectors; ++v) {
                total += last[v] * values[v];
                next[v] = (z[v] * last[v]) * call.up[k] - next[v] * call.back[k];
            }
            sum[k] = total;
        };
        std::size_t k = 0;
        for (; k + 2 <= call.degrees; k += 2) {
            degree(k, y[0], now, before);
            degree(k + 1, y[1], before, now);
        }
        if (k < call.degrees) degree(k, y[0], now, before);
    }
    for (std::size_t k = 0; k < call.degrees; ++k) {
        double total = 0.0;
        for (std::size_t l = 0; l < kLanes<double>; ++l) total += sum[k][l];
        call.a[k] = total;
    }
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
