#include "ntkcore/expansion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "expansion/expander.hpp"
#include "expansion/interpolation.hpp"
#include "legendre.hpp"

namespace ntkcore {
namespace {

constexpr std::size_t kNodes = Legendre::kNodes;
constexpr double kEps = std::numeric_limits<double>::epsilon();
constexpr double kSmallest = 1e-280;  // √q below it counts as this

// σ and its one-sided slopes at 0, for samples without variance.
Moments at_zero(const Expandable& what) {
    double width = 0.25;
    for (const double b : what.breakpoints) {
        if (b != 0.0) width = std::fmin(width, std::fabs(b));
    }
    const Legendre& rule = Legendre::rule();
    double x[2 * kNodes + 1] = {};
    double y[2 * kNodes + 1] = {};
    for (std::size_t i = 0; i < kNodes; ++i) {
        x[i] = 0.5 * width * (1.0 + rule.node[i]);
        x[kNodes + i] = -x[i];
    }
    what.function(x, 2 * kNodes + 1, y);
    double slope[2];
    for (std::size_t side = 0; side < 2; ++side) {
        // Σ_j σ(x_j) L_j'(−1), by the barycentric formula; the sum of the L_j' is 0
        double sum = 0.0;
        for (std::size_t j = 0; j < kNodes; ++j) {
            double derivative = 0.0;  // L_j'(−1) = L_j(−1) Σ_{i≠j} 1/(−1 − t_i)
            double value = 1.0;
            for (std::size_t i = 0; i < kNodes; ++i) {
                if (i == j) continue;
                value *= (-1.0 - rule.node[i]) / (rule.node[j] - rule.node[i]);
                derivative += 1.0 / (-1.0 - rule.node[i]);
            }
            sum += value * derivative * (y[side * kNodes + j] - y[2 * kNodes]);
        }
        slope[side] = sum * 2.0 / width * (side == 0 ? 1.0 : -1.0);
    }
    Moments moments;
    moments.square = square(y[2 * kNodes]);
    moments.slope_square = 0.5 * (square(slope[0]) + square(slope[1]));
    moments.mean_slope = 0.5 * (slope[0] + slope[1]);
    return moments;
}

}  // namespace

Expansion expand(const Expandable& what, const Scaled* q, std::size_t n, double tolerance, std::size_t min_terms,
                 std::size_t max_terms, int threads) {
    Expansion result;
    result.distinct.resize(n);
    if (n == 0) return result;

    // the distinct variances, increasing
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<double> root(n);
    for (std::size_t i = 0; i < n; ++i) {
        root[i] = q[i].zero() ? 0.0 : std::fmax(kSmallest, std::fmin(sqrt(q[i]).value(), 1 / kSmallest));
    }
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return root[i] < root[j]; });
    std::vector<double> roots;
    std::vector<Scaled> variances;
    bool any_zero = false;
    for (const std::size_t i : order) {
        if (root[i] == 0.0) {
            any_zero = true;
            continue;
        }
        if (roots.empty() || roots.back() != root[i]) {
            roots.push_back(root[i]);
            variances.push_back(q[i]);
        }
        result.distinct[i] = static_cast<std::uint32_t>(roots.size() - 1);
    }
    const std::size_t known = roots.size();
    const Moments zero = at_zero(what);
    const std::size_t count = known + (any_zero ? 1 : 0);  // variance 0 comes last
    for (std::size_t i = 0; i < n; ++i) {
        if (root[i] == 0.0) result.distinct[i] = static_cast<std::uint32_t>(known);
    }
    std::vector<Sums> sums;
    std::vector<double> a;
    std::size_t terms = 1;
    std::size_t kept = 1;
    if (known > 0) {
        Interpolation interpolation(roots, tolerance);
        std::optional<Expander> expander(std::in_place, what, interpolation.roots(), threads);
        result.parity = expander->parity();
        const std::size_t most = std::max<std::size_t>(
            1, std::min(max_terms, result.parity == Parity::none ? Expansion::kMaxDegree : Expansion::kMaxDegree / 2));
        min_terms = std::min(min_terms, most);
        std::size_t guess = 0;
        const std::size_t last = interpolation.roots().size() - 1;
        for (const std::size_t i : {last, last / 2, std::size_t{0}}) {
            if (guess < most) guess = std::max(guess, expander->probe(i, tolerance, most));
        }
        terms = std::min(most, std::max(min_terms, (guess + guess / 16 + 8) / 8 * 8));
        for (;; terms = std::min(most, (terms + terms / 2 + 8) / 8 * 8)) {
            expander->run(terms, sums, a);
            while (!interpolation.complete(result.parity, terms, threads, sums, a)) {
                expander.emplace(what, interpolation.roots(), threads);
                expander->run(terms, sums, a);
            }
            kept = 1;
            for (std::size_t v = 0; v < known; ++v) {
                kept = std::max(kept, expander->needed(sums[v], a.data() + v * terms, terms, tolerance));
            }
            if (kept <= terms || terms == most) break;
        }
        result.capped = kept > terms;
        kept = std::min(terms, std::max(min_terms, (kept + 3) / 4 * 4));
    } else {
        kept = std::max(min_terms, kept);
        terms = kept;
    }
    result.terms = kept;
    const Parity parity = result.parity;
    result.moments.resize(count);
    result.truncation.resize(count);
    for (std::size_t v = 0; v < known; ++v) {
        const Sums& s = sums[v];
        const double* from = a.data() + v * terms;
        double* to = a.data() + v * kept;  // behind what is still to be read
        Moments& moments = result.moments[v];
        Truncation& truncation = result.truncation[v];
        const Scaled unit(1.0, s.exponent);
        // σ is σ(0) but for its last digits: its slope is that at 0
        const bool constant = s.constant || (roots[v] < 1e-6 && s.slope < 1e-17 * s.square);
        if (constant) {
            double* b = a.data() + v * terms;
            for (std::size_t t = parity == Parity::none ? 1 : 0; t < terms; ++t)
                b[t] = degree_of(parity, t) == 0 ? b[t] : 0.0;
            if (parity == Parity::none && terms > 1 && !s.constant)
                b[1] = std::ldexp(roots[v] * zero.mean_slope, -s.exponent);
        }
        moments.square = Scaled(s.square) * (unit * unit);
        moments.slope_square = s.constant ? Scaled()
                               : constant ? zero.slope_square
                                          : quotient(Scaled(s.slope) * (unit * unit), variances[v]);
        double norm = 0.0;
        double curvature = 0.0;
        for (std::size_t t = kept; t-- > 0;) {
            const auto k = static_cast<double>(degree_of(parity, t));
            norm += from[t] * from[t];
            curvature += k * (k - 1) * (from[t] * from[t]);
        }
        if (!(norm > 0)) {
            std::fill(to, to + kept, 0.0);
            to[0] = 1.0;
            continue;
        }
        Expander::rest(parity, s, from, terms, truncation.tail, truncation.slope_tail);
        for (std::size_t t = kept; t < terms; ++t) {
            truncation.tail += from[t] * from[t];
            truncation.slope_tail += static_cast<double>(degree_of(parity, t)) * (from[t] * from[t]);
        }
        // each coefficient is rounded by ε√E[σ²], and all of them count in the slope
        truncation.slope_tail += kEps * static_cast<double>(degree_of(parity, kept)) * std::sqrt(s.square * s.slope);
        truncation.tail /= s.square;
        truncation.slope_tail /= s.square;
        truncation.chi = s.constant ? 0.0 : s.slope / s.square;
        truncation.curvature = curvature / norm;
        const double scale_to = 1.0 / std::sqrt(norm);
        if (parity == Parity::odd || (parity == Parity::none && kept > 1)) {
            const double linear = from[parity == Parity::odd ? 0 : 1];
            moments.mean_slope =
                (Scaled(linear) * unit).zero() ? 0.0 : quotient(Scaled(linear) * unit, sqrt(variances[v])).value();
        }
        for (std::size_t t = 0; t < kept; ++t) to[t] = from[t] * scale_to;
    }
    a.resize(count * kept, 0.0);
    if (any_zero) {
        std::fill(a.end() - static_cast<std::ptrdiff_t>(kept), a.end(), 0.0);
        result.moments[known] = zero;
        // the limit of σ(√q z)/√E[σ²]: its constant, or its linear term
        const bool linear = parity == Parity::none && result.moments[known].square.zero() && kept > 1;
        a[known * kept + (linear ? 1 : 0)] = 1.0;
        result.truncation[known].chi = parity == Parity::odd || linear ? 1.0 : 0.0;
    }
    result.coefficients = std::move(a);
    return result;
}

}  // namespace ntkcore
