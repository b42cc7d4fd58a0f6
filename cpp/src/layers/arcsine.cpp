#include "layers/arcsine.hpp"

#include <algorithm>
#include <cmath>

#include "layers/special.hpp"
#include "tile/tables.hpp"

namespace ntkcore {

using namespace tile;

template <class T>
ArcsineOf arcsine_of(Scaled q) {
    constexpr double kLargest = sizeof(T) == sizeof(float) ? 1e14 : 1e30;
    ArcsineOf of{};
    of.q = std::clamp(q.value(), kSmallest<T>, kLargest);
    of.tau = 1.0 / (1.0 + of.q);
    of.u = of.q * of.tau;
    of.cos = std::sqrt(of.tau * (1.0 + of.u));
    of.alpha = std::atan2(of.u, of.cos);
    return of;
}

// With t = tan α/2 = u/(1 + cos α): α = 2 atan t, u = 2t/(1+t²), hence α − u = 2t³[(atan t − t)/t³ + 1/(1+t²)].
double arcsine_cubic(const ArcsineOf& of) {
    const double k = 1.0 / (1.0 + of.cos);
    const double z = of.u * of.u * k * k;
    double rest = 0.0;  // (atan t − t)/t³ + 1/(1+t²) = Σ (−z)^m (1 − 1/(2m+3))
    if (z < 0.04) {
        for (int m = 14; m >= 0; --m) rest = (1.0 - 1.0 / (2.0 * m + 3.0)) - z * rest;
    } else {
        const double t = of.u * k;
        rest = (0.5 * of.alpha - t) / (t * z) + 1.0 / (1.0 + z);
    }
    return 2.0 * k * k * k * rest;
}

template <class T>
void write_arcsine(const ArcsineOf& of, T* tables, std::size_t stride) {
    // cos β = u and sin β = cos α, β = π/2 − α
    const double cos_half = std::sqrt(0.5 * (1.0 + of.cos));
    const double cos_half_beta = std::sqrt(0.5 * (1.0 + of.u));
    const auto put = [&](std::size_t table, double value) { tables[table * stride] = static_cast<T>(value); };
    put(kRootU, std::sqrt(of.u));
    put(kSinHalf, 0.5 * of.u / cos_half);
    put(kCosHalf, cos_half);
    put(kSinHalfBeta, 0.5 * of.cos / cos_half_beta);
    put(kCosHalfBeta, cos_half_beta);
}

template <class T>
void write_extremes(T* tables, std::size_t n, std::size_t stride) {
    std::size_t least = 0, most = 0;
    for (std::size_t i = 1; i < n; ++i) {
        if (tables[kRootU * stride + i] < tables[kRootU * stride + least]) least = i;
        if (tables[kSinHalf * stride + i] > tables[kSinHalf * stride + most]) most = i;
    }
    const T root_u = tables[kRootU * stride + least];
    const T sin_half = tables[kSinHalf * stride + most];
    const T cos_half = tables[kCosHalf * stride + most];
    for (std::size_t i = 0; i < n; ++i) {
        tables[kLeastU * stride + i] = root_u * root_u;
        tables[kMostSinHalf * stride + i] = sin_half;
        tables[kMostCosHalf * stride + i] = cos_half;
    }
}

template ArcsineOf arcsine_of<float>(Scaled);
template ArcsineOf arcsine_of<double>(Scaled);
template void write_arcsine(const ArcsineOf&, float*, std::size_t);
template void write_arcsine(const ArcsineOf&, double*, std::size_t);
template void write_extremes(float*, std::size_t, std::size_t);
template void write_extremes(double*, std::size_t, std::size_t);

}  // namespace ntkcore
