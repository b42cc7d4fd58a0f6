// The layer a·exp(bx²), 4bq < 1. E[σσ'] = a²[(1−2bq)(1−2bq') − 4b²s²]^{−½}, s = ρ√(qq'); with e = −4bq and p = 1 − ρ²
//   D = 1 + ½(e+e') + ¼ee'p,   ρ̂ = ((1+e)(1+e'))^¼/√D,   ∂ρ̂/∂ρ = ¼ee' ρ ρ̂/D
//   1 − ρ̂ = (½(√(1+e) − √(1+e'))² + ¼ee'p)/(D (1 + ρ̂)).
#pragma once

#include "affine.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
struct Gaussian {
    static constexpr Sign kSign = Sign::positive;

    explicit Gaussian(const LayerCall<T>& call)
        : tables(call),
          e(tables.row(kHalfE)),
          one_e(tables.row(kHalfOneE)),
          root(tables.row(kRootE)),
          quarter(tables.row(kQuarterRoot)) {}

    template <bool kSigned>
    [[nodiscard]] Dual<T> dual(std::size_t j, Vec<T> w, Bits<T> opposite) const {
        const Vec<T> ej = tables.column(kHalfE, j);
        const Vec<T> d_root = root - tables.column(kRootE, j);
        const Vec<T> ee = e * ej;
        const Vec<T> ee_p = ee * (w * (2 - w));
        const Vec<T> size = (one_e + tables.column(kHalfOneE, j)) + ee_p;
        const Vec<T> root_size = sqrt(size);
        const Vec<T> top = quarter * tables.column(kQuarterRoot, j);
        // 1/(√D (√D + top)) serves both quotients
        const Vec<T> sum = root_size + top;
        const Vec<T> inverse = 1 / (root_size * sum);
        const Vec<T> inverse_root = sum * inverse;
        const Vec<T> rho_hat = top * inverse_root;
        const Vec<T> mu = (d_root * d_root + ee_p) * inverse;
        Vec<T> rho = 1 - w;
        if constexpr (kSigned) rho = opposite ? -rho : rho;
        return {mu, Vec<T>{}, (ee * rho) * (rho_hat * (inverse_root * inverse_root))};
    }

    Tables<T> tables;
    T e, one_e, root, quarter;
};

template <class T>
void gaussian(const LayerCall<T>& call) {
    affine_rows<T, Gaussian<T>>(call);
}

}  // namespace
}  // namespace ntkcore::tile::NTKCORE_ISA
