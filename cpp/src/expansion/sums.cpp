#include "expansion/sums.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "ntkcore/blas.hpp"
#include "tile/kernels.hpp"

namespace ntkcore {
namespace {

constexpr std::size_t kNodes = Legendre::kNodes;
constexpr std::size_t kRows = kNodes + Legendre::kTop;

// σ has the same value at all n nodes of variance i.
bool constant(std::size_t n, std::size_t i, const Split& space) {
    const auto first = [&](const std::vector<double>& part) {
        return part.begin() + static_cast<std::ptrdiff_t>(i * n);
    };
    const auto all = [&](const std::vector<double>& part, double value) {
        return std::all_of(first(part), first(part) + static_cast<std::ptrdiff_t>(n),
                           [=](double y) { return y == value; });
    };
    return (space.odd.empty() || all(space.odd, 0.0)) && (space.even.empty() || all(space.even, *first(space.even)));
}

// Factors of the three-term recurrence ψ_{k+1} = up_k z ψ_k − back_k ψ_{k−1}.
struct Recurrence {
    double up[tile::kHermiteDegrees], back[tile::kHermiteDegrees];
    Recurrence() {
        for (std::size_t k = 0; k < tile::kHermiteDegrees; ++k) {
            up[k] = 1.0 / std::sqrt(static_cast<double>(k + 1));
            back[k] = std::sqrt(static_cast<double>(k)) * up[k];
        }
    }
    [[nodiscard]] static const Recurrence& factors() {
        static const Recurrence made;
        return made;
    }
};

}  // namespace

void add_part(const Rule& rule, std::size_t m, double* y, Sums* sums, std::vector<double>& work, bool odd) {
    const Legendre& legendre = Legendre::rule();
    const std::size_t n = rule.nodes();
    work.resize(m * kRows);
    for (std::size_t p = 0; p < rule.half.size(); ++p) {
        gemm_nt(m, kRows, kNodes, y + p * kNodes, n, &legendre.matrix[0][0], kNodes, work.data(), kRows);
        const double* weight = rule.weight.data() + p * kNodes;
        const double* gauss = rule.gauss.data() + p * kNodes;
        const double h = rule.half[p];
        for (std::size_t i = 0; i < m; ++i) {
            const double* d = work.data() + i * kRows;
            const double* v = y + i * n + p * kNodes;
            double square = 0.0;
            double slope = 0.0;
            for (std::size_t k = 0; k < kNodes; ++k) {
                const double c = weight[k] * gauss[k];
                square += c * (v[k] * v[k]);
                slope += c * (d[k] * d[k]);
            }
            double top = 0.0;
            for (std::size_t k = kNodes; k < kRows; ++k) top = std::fmax(top, std::fabs(d[k]));
            sums[i].square += square;
            sums[i].slope += slope / (h * h);
            if (odd) {
                sums[i].odd_square += square;
                sums[i].odd_slope += slope / (h * h);
            }
            sums[i].unresolved = std::fmax(sums[i].unresolved, top * std::sqrt(h) * gauss[0]);
        }
    }
    for (std::size_t i = 0; i < m; ++i) {
        double* v = y + i * n;
        for (std::size_t k = 0; k < n; ++k) v[k] *= rule.weight[k];
    }
}

void scale(std::size_t m, std::size_t n, Split& space, Sums* sums) {
    for (std::size_t i = 0; i < m; ++i) {
        double most = 0.0;
        for (auto* part : {&space.odd, &space.even}) {
            if (part->empty()) continue;
            const double* v = part->data() + i * n;
            for (std::size_t k = 0; k < n; ++k) most = std::fmax(most, std::fabs(v[k]));
        }
        if (!(most <= std::numeric_limits<double>::max())) throw std::domain_error("the activation is not finite");
        sums[i] = Sums();
        sums[i].constant = constant(n, i, space);
        std::frexp(most, &sums[i].exponent);
        if (std::abs(sums[i].exponent) < 200) {
            sums[i].exponent = 0;
            continue;
        }
        for (auto* part : {&space.odd, &space.even}) {
            if (part->empty()) continue;
            double* v = part->data() + i * n;
            for (std::size_t k = 0; k < n; ++k) v[k] = std::ldexp(v[k], -sums[i].exponent);
        }
    }
}

void project(const Rule& rule, Parity parity, std::size_t terms, const double* odd, const double* even, double* a) {
    const Recurrence& factors = Recurrence::factors();
    const std::size_t degrees = degrees_of(parity, terms);
    std::vector<double> all(degrees);
    tile::kernels<double>().hermite(
        {rule.nodes(), degrees, rule.z.data(), rule.gauss.data(), odd, even, factors.up, factors.back, all.data()});
    for (std::size_t t = 0; t < terms; ++t) a[t] = all[degree_of(parity, t)];
}

}  // namespace ntkcore
