// The recursion of the textbook, one pair at a time, in plain loops: slow, and meant to be obviously right.
#pragma once

#include <cstddef>
#include <vector>

#include "ntkcore/network.hpp"
#include "reference_duals.hpp"

namespace ntkcore::reference {

inline Real square(Real x) { return x * x; }

// Σ¹(x, y) = σ_w² x·y/n0 + σ_b²
inline Real first(const Network& network, const std::vector<double>& x, const std::vector<double>& y) {
    Real sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) sum += Real(x[k]) * Real(y[k]);
    return square(network.affine[0].weight_std) * sum / static_cast<Real>(x.size()) +
           square(network.affine[0].bias_std);
}

// Σ(x, x) at depth 1 … L.
inline std::vector<Real> variances(const Network& network, const std::vector<double>& x) {
    std::vector<Real> q = {first(network, x, x)};
    for (std::size_t m = 0; m + 1 < network.depth(); ++m) {
        const Affine& affine = network.affine[m + 1];
        const Real second_moment = dual(network.activation[m], q[m], q[m], q[m]).value;
        q.push_back(square(affine.weight_std) * second_moment + square(affine.bias_std));
    }
    return q;
}

// The kernels of one pair at one depth.
struct Entry {
    Real sigma, sigma_dot, theta;
};

// The kernels of x and y, of variances q and p, at depth 1 … L.
inline std::vector<Entry> kernels(const Network& network, const std::vector<double>& x, const std::vector<Real>& q,
                                  const std::vector<double>& y, const std::vector<Real>& p) {
    Real sigma = first(network, x, y);
    Real theta = sigma;  // Θ¹ = Σ¹
    std::vector<Entry> entries = {{sigma, 0, theta}};
    for (std::size_t m = 0; m + 1 < network.depth(); ++m) {
        const Affine& affine = network.affine[m + 1];
        const Dual pair = dual(network.activation[m], q[m], sigma, p[m]);
        sigma = square(affine.weight_std) * pair.value + square(affine.bias_std);
        const Real sigma_dot = square(affine.weight_std) * pair.derivative;
        theta = theta * sigma_dot + sigma;
        entries.push_back({sigma, sigma_dot, theta});
    }
    return entries;
}

inline std::vector<Entry> kernels(const Network& network, const std::vector<double>& x, const std::vector<double>& y) {
    return kernels(network, x, variances(network, x), y, variances(network, y));
}

}  // namespace ntkcore::reference
