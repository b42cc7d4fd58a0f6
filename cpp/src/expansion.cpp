#include "ntkcore/expansion.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>
#include <numeric>
#include <optional>
#include <utility>

#include "expansion/expander.hpp"
#include "expansion/interpolation.hpp"
#include "expansion/single.hpp"
#include "expansion/sparse.hpp"
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

// As lattices are worth it from so many terms on.
constexpr std::size_t kSparseFrom = 160;

// Variances in increasing order, none of them 0.
struct Variances {
    std::vector<double> root;
    std::vector<Scaled> value;
};

// σ is σ(0) but for its last digits: its slope is that at 0.
bool nearly_constant(const Sums& s, double root) { return s.constant || (root < 1e-6 && s.slope < 1e-17 * s.square); }

// E[σ²], E[σ̇²] and, from the coefficient of degree 1, E[σ̇].
Moments moments_of(const Sums& s, const Variances& q, std::size_t v, const Moments& zero, double linear) {
    Moments moments;
    const Scaled unit(1.0, s.exponent);
    moments.square = Scaled(s.square) * (unit * unit);
    moments.slope_square = s.constant                      ? Scaled()
                           : nearly_constant(s, q.root[v]) ? zero.slope_square
                                                           : quotient(Scaled(s.slope) * (unit * unit), q.value[v]);
    const Scaled first = Scaled(linear) * unit;
    moments.mean_slope = first.zero() ? 0.0 : quotient(first, sqrt(q.value[v])).value();
    return moments;
}

// Only the degrees 0 and, unless σ is constant, 1 of a nearly constant σ are above its rounding errors.
void make_constant(const Sums& s, double root, double mean_slope, Parity parity, std::size_t terms, double* b) {
    for (std::size_t t = parity == Parity::none ? 1 : 0; t < terms; ++t) b[t] = degree_of(parity, t) == 0 ? b[t] : 0.0;
    if (parity == Parity::none && terms > 1 && !s.constant) b[1] = std::ldexp(root * mean_slope, -s.exponent);
}

// Σ a_k², Σ k a_k² and Σ k(k−1) a_k² of some terms: small ones first, four sums at a time.
struct Powers {
    double square = 0.0, slope = 0.0, curvature = 0.0;
    Powers(const double* degree, const double* a, std::size_t first, std::size_t last) {
        constexpr std::size_t kLanes = 4;
        double sum[3][kLanes] = {};
        std::size_t t = last;
        for (; t >= first + kLanes; t -= kLanes) {
            for (std::size_t l = 0; l < kLanes; ++l) {
                const double k = degree[t - kLanes + l];
                const double c = a[t - kLanes + l] * a[t - kLanes + l];
                sum[0][l] += c;
                sum[1][l] += k * c;
                sum[2][l] += k * (k - 1) * c;
            }
        }
        for (; t > first; --t) {
            const double k = degree[t - 1];
            const double c = a[t - 1] * a[t - 1];
            sum[0][0] += c;
            sum[1][0] += k * c;
            sum[2][0] += k * (k - 1) * c;
        }
        const auto total = [](const double* part) { return (part[3] + part[2]) + (part[1] + part[0]); };
        square = total(sum[0]);
        slope = total(sum[1]);
        curvature = total(sum[2]);
    }
};

// From so many multiply-adds on other threads are worth waking.
constexpr std::size_t kMuch = std::size_t{1} << 23;

// Coefficients and sums of all variances from those at the points of the interpolation, some variances at a time:
// finish(v, sums, a) makes of them what is kept of variance v. The largest square of each term goes into the result.
template <class Finish>
void finish_all(const Interpolation& interpolation, const std::vector<Sums>& sums, const std::vector<double>& a,
                std::size_t known, std::size_t terms, int threads, Expansion& result, const Finish& finish) {
    const std::vector<Interpolation::Piece> pieces = interpolation.pieces();
    std::vector<std::vector<double>> largest(pieces.size());
    const int team = 32 * known * (terms + result.terms) < kMuch ? 1 : threads;
    parallel_for(pieces.size(), team, [&](std::size_t p, int, Work&) {
        const Interpolation::Piece& piece = pieces[p];
        std::vector<Sums> of_piece(piece.size());
        Aligned<double> some = Aligned<double>::raw(piece.size() * terms);
        interpolation.evaluate(piece, terms, sums, a, of_piece.data(), some.data());
        largest[p].assign(result.terms, 0.0);
        double* const most = largest[p].data();
        for (std::size_t i = 0; i < piece.size(); ++i) {
            const std::size_t v = piece.first + i;
            finish(v, of_piece[i], some.data() + i * terms);
            const double* kept = result.coefficients.data() + v * result.terms;
            for (std::size_t t = 0; t < result.terms; ++t) most[t] = std::max(most[t], kept[t] * kept[t]);
        }
    });
    result.largest.assign(result.terms, 0.0);
    for (const std::vector<double>& of_piece : largest) {
        for (std::size_t t = 0; t < result.terms; ++t) result.largest[t] = std::max(result.largest[t], of_piece[t]);
    }
}

// All terms of low degree, from an expander at the points of the interpolation.
void expand_densely(const Expandable& what, Interpolation& interpolation, std::optional<Expander>& expander,
                    const Variances& q, const Moments& zero, double tolerance, std::size_t guess, std::size_t min_terms,
                    std::size_t most, int threads, Expansion& result) {
    const Parity parity = expander->parity();
    const std::size_t known = q.root.size();
    std::vector<Sums> sums;
    std::vector<double> a, degree, share;
    std::size_t terms = std::min(most, std::max(min_terms, (guess + guess / 16 + 8) / 8 * 8));
    std::size_t kept = 1;
    for (;; terms = std::min(most, (terms + terms / 2 + 8) / 8 * 8)) {
        for (std::size_t t = degree.size(); t < terms; ++t) {
            degree.push_back(static_cast<double>(degree_of(parity, t)));
            share.push_back(degree.back() + 1);
        }
        expander->run(terms, sums, a);
        while (!interpolation.fits(share, sums, a)) {
            expander.emplace(what, interpolation.roots(), threads);
            expander->run(terms, sums, a);
        }
        kept = 1;
        for (std::size_t i = 0; i < sums.size(); ++i) {
            kept = std::max(kept, expander->needed(sums[i], a.data() + i * terms, terms, tolerance));
        }
        if (kept <= terms || terms == most) break;
    }
    result.capped = kept > terms;
    kept = std::min(terms, std::max(min_terms, (kept + 3) / 4 * 4));
    result.terms = kept;
    result.coefficients = Aligned<double>::raw(result.moments.size() * kept);
    finish_all(interpolation, sums, a, known, terms, threads, result, [&](std::size_t v, const Sums& s, double* from) {
        double* to = result.coefficients.data() + v * kept;
        Truncation& truncation = result.truncation[v];
        if (nearly_constant(s, q.root[v])) make_constant(s, q.root[v], zero.mean_slope, parity, terms, from);
        const bool any_linear = parity == Parity::odd || (parity == Parity::none && kept > 1);
        const double linear = any_linear ? from[parity == Parity::odd ? 0 : 1] : 0.0;
        const Powers head(degree.data(), from, 0, kept);
        const Powers cut(degree.data(), from, kept, terms);
        result.moments[v] = moments_of(s, q, v, zero, head.square > 0 ? linear : 0.0);
        if (!(head.square > 0)) {
            std::fill(to, to + kept, 0.0);
            to[0] = 1.0;
            return;
        }
        Expander::rest(s, cut.square + head.square, cut.slope + head.slope, truncation.tail, truncation.slope_tail);
        truncation.tail += cut.square;
        truncation.slope_tail += cut.slope;
        // each coefficient is rounded by ε√E[σ²], and all of them count in the slope
        truncation.slope_tail += kEps * static_cast<double>(degree_of(parity, kept)) * std::sqrt(s.square * s.slope);
        truncation.tail /= s.square;
        truncation.slope_tail /= s.square;
        truncation.chi = s.constant ? 0.0 : s.slope / s.square;
        truncation.curvature = head.curvature / head.square;
        truncation.angle = std::numbers::pi * std::sqrt(truncation.tail);  // |ρ̂ − ρ| ≤ 2τ
        const double scale_to = 1.0 / std::sqrt(head.square);
        for (std::size_t t = 0; t < kept; ++t) to[t] = from[t] * scale_to;
    });
}

// On a lattice. The angle: |v̂ − v| ≤ ε w with v = 1 − ρ̂, w = 1 − ρ, and v ≥ (1 − ã_0²)w, so that arccos ρ̂ changes by
// ε w/√(2v − v²) at most.
void expand_sparsely(const Expandable& what, Interpolation& interpolation, std::optional<Expander>& expander,
                     const Variances& q, const Moments& zero, double tolerance, const SparseChoice& choice, int threads,
                     Expansion& result) {
    const Parity parity = expander->parity();
    const SparseSeries series(choice.lattice, parity, choice.known);
    const std::size_t parts = parity == Parity::none ? 2 : 1;
    const std::size_t known = series.known() * parts;
    const std::vector<std::size_t> rows(series.lattice().node.begin(),
                                        series.lattice().node.begin() + static_cast<std::ptrdiff_t>(series.known()));
    std::vector<Sums> sums;
    std::vector<double> a, share;
    for (std::size_t t = 0; t < known; ++t)
        share.push_back(series.lattice().weight[t / parts] * (series.degree(t) + 1));
    expander->run(known, sums, a, &rows);
    while (!interpolation.fits(share, sums, a)) {
        expander.emplace(what, interpolation.roots(), threads);
        expander->run(known, sums, a, &rows);
    }
    result.terms = series.terms();
    result.lattice = series.lattice();
    result.bend = series.bend();
    result.bend_rest = series.rest();
    result.coefficients = Aligned<double>::raw(result.moments.size() * result.terms);
    std::atomic<bool> capped{false};
    finish_all(interpolation, sums, a, q.root.size(), known, threads, result,
               [&](std::size_t v, const Sums& s, double* from) {
                   double* to = result.coefficients.data() + v * result.terms;
                   Truncation& truncation = result.truncation[v];
                   const bool constant = nearly_constant(s, q.root[v]);
                   if (constant) make_constant(s, q.root[v], zero.mean_slope, parity, known, from);
                   series.complete(from, to);
                   const double norm = series.square(to);
                   const double linear = parity == Parity::odd ? from[0] : parity == Parity::none ? from[1] : 0.0;
                   result.moments[v] = moments_of(s, q, v, zero, norm > 0 ? linear : 0.0);
                   if (!(norm > 0)) {
                       std::fill(to, to + result.terms, 0.0);
                       to[0] = 1.0;
                       return;
                   }
                   const double gamma = to[series.gamma()];
                   const double doubt = std::sqrt(s.square) * s.unresolved;
                   const SparseSeries::Gap lost = constant ? SparseSeries::Gap{0.0, 0.0} : series.gap(to, s);
                   const double noise = kEps * std::sqrt(s.square) * series.slope_noise(to);
                   truncation.tail = (4 * choice.value + 8 * kEps) + (2 * lost.square + 4 * doubt) / s.square;
                   truncation.slope_tail = (4 * choice.slope + 64 * kEps) * (s.slope / s.square) +
                                           (2 * lost.slope + noise) / s.square +
                                           4 * doubt / s.square * std::sqrt(s.slope / s.square);
                   if (choice.slope > 3 * tolerance || lost.slope > 3 * tolerance * s.slope ||
                       truncation.tail > 6 * tolerance) {
                       capped.store(true, std::memory_order_relaxed);
                   }
                   truncation.chi = s.constant ? 0.0 : s.slope / s.square;
                   // what is left of the even terms without those of γ|z|, whose slope changes with the angle
                   double regular = 0.0;
                   double mixed = 0.0;
                   for (std::size_t t = series.gamma(); t-- > 0;) {
                       const double k = series.degree(t);
                       const double kinked = gamma * series.root_bend(t);
                       regular += k * (k - 1) * (to[t] - kinked) * (to[t] - kinked);
                       mixed += k * (k - 1) * std::fabs(series.root_bend(t) * (to[t] - kinked));
                   }
                   // c_k c_k' − γγ'u_k = r r' + γ√u r' + γ'√u r, and 2γM' ≤ γ² + M'² with M = Σ k(k−1) √u |r|
                   truncation.curvature = (regular + gamma * gamma + mixed * mixed) / norm;
                   const double constant_part = parity == Parity::odd ? 0.0 : to[0] * to[0] / norm;
                   truncation.angle =
                       2 * (truncation.slope_tail + truncation.tail) / std::sqrt(std::fmax(1e-12, 1 - constant_part));
                   truncation.kink = 4 / std::numbers::pi * gamma * gamma / norm;
                   const double scale_to = 1.0 / std::sqrt(norm);
                   for (std::size_t t = 0; t <= series.gamma(); ++t) to[t] *= scale_to;
                   series.sum_levels(to);
               });
    result.capped = capped.load();
}

}  // namespace

std::shared_ptr<SingleExpansions> make_single_expansions() { return std::make_shared<SingleExpansions>(); }

namespace {

Expansion expand_anew(const Expandable& what, const Scaled* q, std::size_t n, double tolerance, std::size_t min_terms,
                      std::size_t max_terms, int threads, const Expansion& before) {
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
    Variances q_known;
    bool any_zero = false;
    for (const std::size_t i : order) {
        if (root[i] == 0.0) {
            any_zero = true;
            continue;
        }
        if (q_known.root.empty() || q_known.root.back() != root[i]) {
            q_known.root.push_back(root[i]);
            q_known.value.push_back(q[i]);
        }
        result.distinct[i] = static_cast<std::uint32_t>(q_known.root.size() - 1);
    }
    const std::size_t known = q_known.root.size();
    const Moments zero = at_zero(what);
    const std::size_t count = known + (any_zero ? 1 : 0);  // variance 0 comes last
    for (std::size_t i = 0; i < n; ++i) {
        if (root[i] == 0.0) result.distinct[i] = static_cast<std::uint32_t>(known);
    }
    result.moments.resize(count);
    result.truncation.resize(count);
    result.parity = before.parity;
    result.lattice = before.lattice;
    if (known > 0) {
        Interpolation interpolation(q_known.root, tolerance);
        std::optional<Expander> expander(std::in_place, what, interpolation.roots(), threads);
        const std::size_t points = interpolation.roots().size();
        result.parity = expander->parity();
        const std::size_t most = std::max<std::size_t>(
            1, std::min(max_terms, result.parity == Parity::none ? Expansion::kMaxDegree : Expansion::kMaxDegree / 2));
        min_terms = std::min(min_terms, most);
        const auto needed = [&](std::size_t limit) {  // terms, by the looks of a few variances
            std::size_t guess = 0;
            std::size_t last = points;
            for (const std::size_t i : {points - 1, points / 2, std::size_t{0}}) {
                if (i != last && guess < limit) guess = std::max(guess, expander->probe(i, tolerance, limit));
                last = i;
            }
            return guess;
        };
        std::optional<SparseChoice> choice;
        const bool sparse = expander->smooth_sides() && most > kSparseFrom;
        if (sparse && (before.lattice.used() || needed(kSparseFrom) > kSparseFrom)) {
            choice = choose_lattice(*expander, points, tolerance, min_terms, most, before.lattice, threads);
        }
        result.lattice = {};
        if (choice) {
            expand_sparsely(what, interpolation, expander, q_known, zero, tolerance, *choice, threads, result);
        } else {
            expand_densely(what, interpolation, expander, q_known, zero, tolerance, needed(most), min_terms, most,
                           threads, result);
        }
    } else {
        result.terms = std::max<std::size_t>(1, min_terms);
        result.coefficients = Aligned<double>::raw(count * result.terms);
        result.largest.assign(result.terms, 0.0);
        result.bend = before.bend;
        result.bend_rest = before.bend_rest;
    }
    if (any_zero) {
        const std::size_t terms = result.terms;
        double* const last = result.coefficients.data() + known * terms;
        std::fill_n(last, terms, 0.0);
        result.moments[known] = zero;
        // the limit of σ(√q z)/√E[σ²]: its constant, or its linear term
        const bool linear = result.parity == Parity::none && zero.square.zero() && terms > 1;
        last[linear ? 1 : 0] = 1.0;
        result.largest[linear ? 1 : 0] = 1.0;
        result.truncation[known].chi = result.parity == Parity::odd || linear ? 1.0 : 0.0;
    }
    return result;
}

}  // namespace

Expansion expand(const Expandable& what, const Scaled* q, std::size_t n, double tolerance, std::size_t min_terms,
                 std::size_t max_terms, int threads, const Expansion& before) {
    const auto anew = [&] { return expand_anew(what, q, n, tolerance, min_terms, max_terms, threads, before); };
    if (n != 1 || what.known == nullptr || before.lattice.used()) return anew();
    const SingleExpansions::Key key{q->hi, q->lo, tolerance, q->e, min_terms, max_terms};
    if (std::optional<Expansion> known = what.known->find(key)) return std::move(*known);
    Expansion result = anew();
    what.known->add(key, result);
    return result;
}

}  // namespace ntkcore
