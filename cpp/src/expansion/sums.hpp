// Gauss–Legendre sums over the panels of panels.hpp: E[σ²], E[σ̇²] and Hermite coefficients.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "expansion/panels.hpp"
#include "legendre.hpp"

namespace ntkcore {

// Nodes z > 0 and weights for degrees below `degrees`, of panels that end at the given edges.
struct Rule {
    std::vector<double> z;       // 32 a panel
    std::vector<double> weight;  // 2 e^{−z²/4}/√(2π) dz: E[f] = Σ weight·e^{−z²/4}·(even part of f)
    std::vector<double> gauss;   // e^{−z²/4}
    std::vector<double> half;    // half the width of each panel

    Rule(const std::vector<double>& edges, std::size_t degrees) {
        const Legendre& legendre = Legendre::rule();
        const double widest = std::fmin(2.0, 26.0 / std::sqrt(static_cast<double>(degrees) + 1.0));
        for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
            const double width = edges[i + 1] - edges[i];
            const auto parts = static_cast<std::size_t>(std::fmax(1.0, std::ceil(width / widest)));
            const double h = 0.5 * width / static_cast<double>(parts);
            for (std::size_t part = 0; part < parts; ++part) {
                half.push_back(h);
                const double centre = edges[i] + h * static_cast<double>(2 * part + 1);
                for (std::size_t k = 0; k < Legendre::kNodes; ++k) {
                    const double at = centre + h * legendre.node[k];
                    const double g = std::exp(-at * at / 4);
                    z.push_back(at);
                    gauss.push_back(g);
                    weight.push_back(h * legendre.weight[k] * g * 0.79788456080286535588);
                }
            }
        }
    }
    [[nodiscard]] std::size_t nodes() const { return z.size(); }
};

// The sums over the nodes for one variance, with σ scaled by 2^{−exponent}.
struct Sums {
    int exponent = 0;
    double square = 0.0;      // E[σ²]
    double slope = 0.0;       // E[(d/dz σ(√q z))²] = q E[σ̇²]
    double odd_square = 0.0;  // what the odd part of σ has of both
    double odd_slope = 0.0;
    double unresolved = 0.0;  // size of what the panels do not see
    bool constant = false;    // σ has the same value at all nodes
};

// Terms of the parity (or of one of both) below `terms` in all: degree = first + step·t.
inline std::size_t degrees_of(Parity parity, std::size_t terms) { return parity == Parity::none ? terms : 2 * terms; }
inline std::size_t degree_of(Parity parity, std::size_t term) {
    if (parity == Parity::none) return term;
    return 2 * term + (parity == Parity::odd ? 1 : 0);
}

// Of a part (odd or even) of σ at the nodes of a rule, for m variances: y is m × nodes. Adds to the sums.
void add_part(const Rule& rule, std::size_t m, double* y, Sums* sums, std::vector<double>& work, bool odd);

// One exponent for both parts of each variance.
void scale(std::size_t m, std::size_t n, Split& space, Sums* sums);

// The coefficients of one variance by the recurrence alone; odd and even already weighted.
void project(const Rule& rule, Parity parity, std::size_t terms, const double* odd, const double* even, double* a);

// f(k, ψ_k(z)·) for all degrees k < degrees: ψ_k = h_k e^{−z²/4}, in one array over the nodes.
template <class F>
void hermite(const Rule& rule, std::size_t degrees, F f) {
    const std::size_t n = rule.nodes();
    std::vector<double> before(n, 0.0);
    std::vector<double> now(rule.gauss);
    for (std::size_t k = 0; k < degrees; ++k) {
        f(k, now.data());
        const double up = 1.0 / std::sqrt(static_cast<double>(k + 1));
        const double back = std::sqrt(static_cast<double>(k)) * up;
        for (std::size_t i = 0; i < n; ++i) before[i] = (rule.z[i] * now[i]) * up - before[i] * back;
        std::swap(before, now);
    }
}

}  // namespace ntkcore
