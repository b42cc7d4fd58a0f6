#include "expansion/interpolation.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "ntkcore/blas.hpp"

namespace ntkcore {
namespace {

constexpr double kWidth = 2.0;       // of √q in an interval
constexpr std::size_t kLast = 4;     // Chebyshev coefficients that tell whether the series has ended
constexpr double kFinest = 3e-12;    // below this tolerance rounding errors would show
constexpr double kRounding = 1e-16;  // of a Chebyshev coefficient, a degree
constexpr std::size_t kBlock = 128;  // √q worked out together: their coefficients stay in the cache

// Chebyshev points of the second kind: both ends are among them.
double chebyshev(std::size_t j, std::size_t n) {
    return -std::cos(std::numbers::pi * static_cast<double>(j) / static_cast<double>(n - 1));
}

}  // namespace

Interpolation::Interpolation(const std::vector<double>& roots, double tolerance)
    : roots_(roots), tolerance_(tolerance) {
    for (std::size_t i = 0; i < roots.size();) {
        const auto end = std::upper_bound(roots.begin(), roots.end(), kWidth * roots[i]);
        const auto last = static_cast<std::size_t>(end - roots.begin());
        intervals_.push_back({i, last, tolerance < kFinest ? 0 : kFirst, {}, {}, {}, {}});
        i = last;
    }
    place();
}

// The points of all intervals.
void Interpolation::place() {
    points_.clear();
    for (Interval& of : intervals_) {
        of.points.clear();
        of.checks.clear();
        of.checked.clear();
        if (3 * of.n > of.last - of.first) of.n = 0;
        if (of.n == 0) {
            points_.insert(points_.end(), roots_.begin() + static_cast<std::ptrdiff_t>(of.first),
                           roots_.begin() + static_cast<std::ptrdiff_t>(of.last));
            continue;
        }
        const double low = roots_[of.first];
        const double high = roots_[of.last - 1];
        const double half = 0.5 * std::log(high / low);
        of.x.resize(of.n);
        std::vector<double> nodes(of.n);
        for (std::size_t j = 0; j < of.n; ++j) {
            of.x[j] = chebyshev(j, of.n);
            nodes[j] = low * std::exp(half * (1.0 + of.x[j]));
        }
        nodes.back() = high;
        // The checks: the √q next to the middle of some pairs of points.
        std::vector<std::pair<double, std::size_t>> all;  // and their number: of the points, then of the checks
        for (std::size_t j = 0; j < of.n; ++j) all.emplace_back(nodes[j], j);
        for (std::size_t c = 0; c < kChecks; ++c) {
            const std::size_t j = (c + 1) * of.n / (kChecks + 1);
            const auto next = std::lower_bound(roots_.begin() + static_cast<std::ptrdiff_t>(of.first),
                                               roots_.begin() + static_cast<std::ptrdiff_t>(of.last - 1),
                                               std::sqrt(nodes[j - 1] * nodes[j]));
            of.checked.push_back(static_cast<std::size_t>(next - roots_.begin()));
            all.emplace_back(*next, of.n + c);
        }
        std::sort(all.begin(), all.end());
        of.points.resize(of.n);
        of.checks.resize(kChecks);
        for (const auto& [root, number] : all) {
            (number < of.n ? of.points[number] : of.checks[number - of.n]) = points_.size();
            points_.push_back(root);
        }
    }
}

// Barycentric weights of the points for one √q: they add up to 1.
void Interpolation::weights(const Interval& of, double root, double* to) const {
    const double low = roots_[of.first];
    const double x = 2.0 * std::log(root / low) / std::log(roots_[of.last - 1] / low) - 1.0;
    double total = 0.0;
    for (std::size_t j = 0; j < of.n; ++j) {
        const double d = x - of.x[j];
        if (std::fabs(d) < 1e-15) {
            std::fill(to, to + of.n, 0.0);
            to[j] = 1.0;
            return;
        }
        to[j] = (j % 2 == 0 ? 1.0 : -1.0) * (j == 0 || j + 1 == of.n ? 0.5 : 1.0) / d;
        total += to[j];
    }
    total = 1.0 / total;
    for (std::size_t j = 0; j < of.n; ++j) to[j] *= total;
}

// Have the series ended, and do the polynomials meet the checks?
bool Interpolation::accept(const Interval& of, const std::vector<double>& share, const std::vector<Sums>& sums,
                           const std::vector<double>& a, Values& values) const {
    const std::size_t n = of.n;
    const std::size_t terms = share.size();
    const std::size_t rows = terms + kSums;
    double least_square = sums[of.points[0]].square;
    double least_slope = sums[of.points[0]].slope;
    values.unresolved = 0.0;
    values.at.resize(rows * n);
    for (std::size_t j = 0; j < n; ++j) {
        const Sums& s = sums[of.points[j]];
        if (s.constant || s.exponent != 0) return false;
        const double* from = a.data() + of.points[j] * terms;
        for (std::size_t t = 0; t < terms; ++t) values.at[t * n + j] = from[t];
        const double of_sums[kSums] = {s.square, s.slope, s.odd_square, s.odd_slope};
        for (std::size_t t = 0; t < kSums; ++t) values.at[(terms + t) * n + j] = of_sums[t];
        values.unresolved = std::fmax(values.unresolved, s.unresolved);
        least_square = std::fmin(least_square, s.square);
        least_slope = std::fmin(least_slope, s.slope);
    }
    if (!(least_square > 0) || !(least_slope > 0)) return false;

    // √(Σ share δ²) and the errors of the sums, as amplitudes: what Expander::rest expects of `unresolved`
    const auto amplitude = [&](auto error_of) {
        double sum = 0.0;
        for (std::size_t t = 0; t < terms; ++t) {
            const double error = error_of(t);
            sum += share[t] * (error * error);
        }
        const double squares = std::fmax(error_of(terms), error_of(terms + 2)) / std::sqrt(least_square);
        const double slopes = std::fmax(error_of(terms + 1), error_of(terms + 3)) / std::sqrt(least_slope);
        return std::fmax(std::sqrt(sum), std::fmax(squares, slopes));
    };
    double all = 0.0;
    for (const double s : share) all += s;
    const double rounding = 2 * kRounding * std::sqrt(all);
    const double allowed = (std::fmin(1e-13, 1e-3 * tolerance_) + rounding) * std::sqrt(least_square);

    std::vector<double> cosines(kLast * n);
    for (std::size_t k = 0; k < kLast; ++k) {
        const auto degree = static_cast<double>(n - kLast + k);
        for (std::size_t j = 0; j < n; ++j) {
            const double angle = std::numbers::pi * static_cast<double>(j) / static_cast<double>(n - 1);
            const double end = j == 0 || j + 1 == n ? 0.5 : 1.0;
            cosines[k * n + j] = 2.0 * end / static_cast<double>(n - 1) * std::cos(angle * degree);
        }
    }
    std::vector<double> series(rows * kLast);
    gemm_nt(rows, kLast, n, values.at.data(), n, cosines.data(), n, series.data(), kLast);
    double error = amplitude([&](std::size_t t) {
        double most = 0.0;
        for (std::size_t k = 0; k < kLast; ++k) most = std::fmax(most, std::fabs(series[t * kLast + k]));
        return most;
    });
    if (!(error <= allowed)) return false;

    std::vector<double> weight(n);
    std::vector<double> found(rows);
    for (std::size_t c = 0; c < kChecks; ++c) {
        weights(of, roots_[of.checked[c]], weight.data());
        gemm_nt(1, rows, n, weight.data(), n, values.at.data(), n, found.data(), rows);
        const Sums& s = sums[of.checks[c]];
        const double of_sums[kSums] = {s.square, s.slope, s.odd_square, s.odd_slope};
        const double* exact = a.data() + of.checks[c] * terms;
        error = std::fmax(error, amplitude([&](std::size_t t) {
                              return std::fabs(found[t] - (t < terms ? exact[t] : of_sums[t - terms]));
                          }));
    }
    values.unresolved += error;
    return error <= 4 * allowed;
}

bool Interpolation::fits(const std::vector<double>& share, const std::vector<Sums>& sums,
                         const std::vector<double>& a) {
    values_.resize(intervals_.size());
    bool good = true;
    for (std::size_t v = 0; v < intervals_.size(); ++v) {
        Interval& of = intervals_[v];
        if (of.n == 0 || accept(of, share, sums, a, values_[v])) continue;
        of.n *= 2;
        good = false;
    }
    if (!good) place();
    return good;
}

std::vector<Interpolation::Piece> Interpolation::pieces() const {
    std::vector<Piece> result;
    std::size_t at = 0;
    for (std::size_t v = 0; v < intervals_.size(); ++v) {
        const Interval& of = intervals_[v];
        for (std::size_t i = of.first; i < of.last; i += kBlock) {
            result.push_back({v, i, std::min(of.last, i + kBlock), at + (i - of.first)});
        }
        at += of.n == 0 ? of.last - of.first : of.n + kChecks;
    }
    return result;
}

void Interpolation::evaluate(const Piece& piece, std::size_t terms, const std::vector<Sums>& sums,
                             const std::vector<double>& a, Sums* to_sums, double* to) const {
    const auto [v, first, last, from] = piece;
    const Interval& of = intervals_[v];
    const std::size_t m = last - first;
    if (of.n == 0) {
        std::copy_n(sums.begin() + static_cast<std::ptrdiff_t>(from), m, to_sums);
        std::copy_n(a.begin() + static_cast<std::ptrdiff_t>(from * terms), m * terms, to);
        return;
    }
    std::vector<double> weight(m * of.n);
    for (std::size_t i = 0; i < m; ++i) weights(of, roots_[first + i], weight.data() + i * of.n);
    const double* at_points = values_[v].at.data();
    gemm_nt(m, terms, of.n, weight.data(), of.n, at_points, of.n, to, terms);
    std::vector<double> of_sums(m * kSums);
    gemm_nt(m, kSums, of.n, weight.data(), of.n, at_points + terms * of.n, of.n, of_sums.data(), kSums);
    for (std::size_t i = 0; i < m; ++i) {
        Sums& s = to_sums[i];
        s = Sums();
        s.square = of_sums[kSums * i];
        s.slope = of_sums[kSums * i + 1];
        s.odd_square = of_sums[kSums * i + 2];
        s.odd_slope = of_sums[kSums * i + 3];
        s.unresolved = values_[v].unresolved;
    }
}

}  // namespace ntkcore
