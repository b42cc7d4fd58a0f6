#include "expansion/sparse.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "tile/expanded_tables.hpp"

namespace ntkcore {
namespace {

// 4^{−i} C(2i, i) = h_{2i}(0)²
double central(std::size_t i) {
    if (i >= 64) {  // Γ(i + ½)/(√π Γ(i + 1))
        const double x = 1.0 / static_cast<double>(i);
        const double series =
            1 + x * (-1.0 / 8 + x * (1.0 / 128 + x * (5.0 / 1024 + x * (-21.0 / 32768 + x * (-399.0 / 262144 +
                                                                                             x * (869.0 / 4194304))))));
        return series * std::sqrt(x / std::numbers::pi);
    }
    double product = 1.0;
    for (std::size_t k = 1; k <= i; ++k) product *= 1.0 - 0.5 / static_cast<double>(k);
    return product;
}

// E[|z| h_k(z)], k = 2d, and E[z|z| h_k(z)]/2, k = 2d + 1 > 1
double even_kink(std::size_t d) {
    const double scale = std::sqrt(2.0 / std::numbers::pi);
    if (d == 0) return scale;
    const auto k = static_cast<double>(2 * d);
    return (d % 2 == 1 ? scale : -scale) * std::sqrt(central(d - 1) / (k * (k - 1)));
}
double odd_kink(std::size_t d) {
    const auto k = static_cast<double>(2 * d + 1);
    return (d % 2 == 1 ? 1.0 : -1.0) * std::sqrt(2.0 / std::numbers::pi * central(d - 1) / (k * (k - 1) * (k - 2)));
}
double kink(bool odd, std::size_t d) { return odd ? odd_kink(d) : even_kink(d); }

// Lattices from coarse to fine, by where they stop to be dense.
constexpr std::size_t kDense[] = {32, 64, 128};
Lattice make_lattice(std::size_t dense, std::size_t top) {
    return Lattice::make(dense, top, dense == kDense[0] ? 10 : dense == kDense[1] ? 16 : 24);
}

}  // namespace

SparseSeries::SparseSeries(Lattice lattice, Parity parity, std::size_t known)
    : lattice_(std::move(lattice)), parity_(parity), parts_(parity == Parity::none ? 2 : 1) {
    const std::vector<std::size_t>& node = lattice_.node;
    while (known_ < node.size() && node[known_] < known) ++known_;
    for (const double w : lattice_.weight) root_.push_back(std::sqrt(w));
    for (std::size_t i = 0; i < kFit; ++i) {  // over the last factor of 6.6, spread evenly in log d
        const double wanted = 0.999 * static_cast<double>(known) *
                              std::pow(0.15, static_cast<double>(kFit - 1 - i) / static_cast<double>(kFit - 1));
        std::size_t m = known_ - 1;
        while (m > 0 && static_cast<double>(node[m]) > wanted) --m;
        fit_[i] = std::max(m, i == 0 ? 0 : fit_[i - 1] + 1);
    }
    const auto inverse = [&](std::size_t d) { return 1.0 / static_cast<double>(2 * d); };
    const auto factor = [&](std::size_t i, double x) {  // of the interpolation
        double product = 1.0;
        for (std::size_t n = 0; n < kFit; ++n) {
            if (n != i) product *= (x - inverse(node[fit_[n]])) / (inverse(node[fit_[i]]) - inverse(node[fit_[n]]));
        }
        return product;
    };
    for (std::size_t m = known_; m < node.size(); ++m) {
        for (std::size_t part = 0; part < parts_; ++part) {
            const bool odd = parity_ == Parity::odd || part == 1;
            for (std::size_t i = 0; i < kFit; ++i) {
                far_.push_back(factor(i, inverse(node[m])) * kink(odd, node[m]) / kink(odd, node[fit_[i]]));
            }
        }
    }
    for (std::size_t t = 0; t < gamma(); ++t) {
        const std::size_t odd = parity_ == Parity::odd ? 1 : t % parts_;
        degree_.push_back(static_cast<double>(2 * node[t / parts_] + odd));
    }
    bend_.assign(node.size(), 0.0);
    root_bend_.assign(gamma(), 0.0);
    if (parity_ == Parity::odd) return;
    double sum = 0.0;
    double slopes = 0.0;
    for (std::size_t m = node.size(); m-- > 0;) {
        const double j = even_kink(node[m]);
        bend_[m] = lattice_.weight[m] * j * j;
        root_bend_[m * parts_] = std::copysign(std::sqrt(bend_[m]), j);
        sum += bend_[m];
        slopes += 2.0 * static_cast<double>(node[m]) * bend_[m];
    }
    rest_ = 1.0 - sum;
    slope_rest_ = 1.0 - slopes;
    for (std::size_t i = 0; i < kFit; ++i) limit_[i] = factor(i, 0.0) / even_kink(node[fit_[i]]);
}

void SparseSeries::complete(const double* known, double* all) const {
    const std::size_t nodes = lattice_.node.size();
    double gamma = 0.0;
    for (std::size_t i = 0; i < kFit; ++i) gamma += limit_[i] * known[fit_[i] * parts_];
    const double* far = far_.data();
    for (std::size_t m = known_; m < nodes; ++m) {
        for (std::size_t part = 0; part < parts_; ++part, far += kFit) {
            double sum = 0.0;
            for (std::size_t i = 0; i < kFit; ++i) sum += far[i] * known[fit_[i] * parts_ + part];
            all[m * parts_ + part] = sum * root_[m];
        }
    }
    for (std::size_t m = 0; m < known_; ++m) {
        for (std::size_t part = 0; part < parts_; ++part) all[m * parts_ + part] = known[m * parts_ + part] * root_[m];
    }
    all[nodes * parts_] = gamma;
}

void SparseSeries::sum_levels(double* all) const {
    double sum = all[gamma()] * all[gamma()] * rest_;
    std::size_t t = gamma();
    for (std::size_t l = lattice_.start.size(); l-- > 1;) {
        while (t > parts_ * lattice_.start[l]) {
            --t;
            sum += all[t] * all[t];
        }
        all[gamma() + l] = sum;
    }
}

double SparseSeries::square(const double* all) const {
    const std::size_t last = gamma();
    double sum = all[last] * all[last] * rest_;
    for (std::size_t t = last; t-- > 0;) sum += all[t] * all[t];
    return sum;
}

SparseSeries::Gap SparseSeries::gap(const double* all, const Sums& sums) const {
    const std::size_t last = gamma();
    const double kinked = all[last] * all[last];
    double square[2] = {kinked * rest_ - (sums.square - sums.odd_square), -sums.odd_square};
    double slope[2] = {kinked * slope_rest_ - (sums.slope - sums.odd_slope), -sums.odd_slope};
    for (std::size_t t = last; t-- > 0;) {
        const std::size_t odd = parity_ == Parity::odd ? 1 : parity_ == Parity::none ? t % 2 : 0;
        square[odd] += all[t] * all[t];
        slope[odd] += degree(t) * (all[t] * all[t]);
    }
    return {std::fabs(square[0]) + std::fabs(square[1]), std::fabs(slope[0]) + std::fabs(slope[1])};
}

double SparseSeries::slope_noise(const double* all) const {
    double sum = 0.0;
    for (std::size_t t = 0; t < known_ * parts_; ++t) sum += degree(t) * root_[t / parts_] * std::fabs(all[t]);
    return 2 * sum;
}

std::optional<SparseChoice> choose_lattice(const Expander& expander, std::size_t variances, double tolerance,
                                           std::size_t least, std::size_t most, const Lattice& at_least, int threads) {
    const Parity parity = expander.parity();
    const std::size_t parts = parity == Parity::none ? 2 : 1;
    constexpr std::size_t kFar = std::size_t{1} << 15;
    // a few variances, all their coefficients, and what they are on a very fine lattice
    std::vector<std::size_t> which;
    for (std::size_t i = 0; i < 5; ++i) {
        const std::size_t v = i * (variances - 1) / 4;
        if (which.empty() || which.back() != v) which.push_back(v);
    }
    std::vector<Sums> sums(which.size());
    std::vector<std::vector<double>> known(which.size());
    parallel_for(which.size(), threads, [&](std::size_t v, int, Work&) {
        expander.one(which[v], parts * SparseSeries::kKnown, sums[v], known[v]);
    });
    double limit = 0.0;  // what the first terms alone would leave of the slope
    for (std::size_t v = 0; v < which.size(); ++v) {
        if (!(sums[v].slope > 0)) continue;
        double value = 0.0;
        double slope = 0.0;
        const std::size_t terms = std::min(most, known[v].size());
        Expander::rest(parity, sums[v], known[v].data(), terms, value, slope);
        limit = std::max(limit, slope / sums[v].slope);
    }
    const auto on = [&](const SparseSeries& series, std::size_t v) {
        std::vector<double> some(series.known() * parts), all(series.terms());
        for (std::size_t t = 0; t < some.size(); ++t) {
            some[t] = known[v][series.lattice().node[t / parts] * parts + t % parts];
        }
        series.complete(some.data(), all.data());
        return all;
    };
    // Σ a_k a_k' e^{−td} and Σ k a_k a_k' e^{−td}, of each part, at many t; γ and γ' do not show at these
    const auto products = [&](const SparseSeries& series) {
        std::vector<std::vector<double>> all;
        for (std::size_t v = 0; v < which.size(); ++v) all.push_back(on(series, v));
        std::vector<double> result;
        for (double t = 32.0 / kFar; t < 3.0; t *= 1.6) {
            std::vector<double> decay;
            for (const std::size_t d : series.lattice().node) decay.push_back(std::exp(-t * static_cast<double>(d)));
            for (std::size_t v = 0; v < which.size(); ++v) {
                for (std::size_t u = 0; u <= v; ++u) {
                    for (std::size_t part = 0; part < parts; ++part) {
                        double value = 0.0;
                        double slope = 0.0;
                        for (std::size_t k = part; k < series.gamma(); k += parts) {
                            const double c = all[v][k] * all[u][k] * decay[k / parts];
                            value += c;
                            slope += series.degree(k) * c;
                        }
                        const double scale = std::sqrt(sums[v].square) * std::sqrt(sums[u].square);
                        const double slopes = std::sqrt(sums[v].slope) * std::sqrt(sums[u].slope);
                        result.push_back(scale > 0 ? value / scale : 0.0);
                        result.push_back(slopes > 0 ? slope / slopes : 0.0);
                    }
                }
            }
        }
        return result;
    };
    const std::vector<double> exact = products(SparseSeries(Lattice::make(512, kFar, 64), parity));
    std::optional<SparseChoice> best;
    for (const std::size_t dense : kDense) {
        if (dense < at_least.dense()) continue;
        Lattice smallest = make_lattice(dense, 1 << 11);
        if (SparseSeries::terms(smallest, parts) > most) break;
        const std::vector<double> now = products(SparseSeries(make_lattice(dense, kFar), parity));
        best = SparseChoice{std::move(smallest)};
        for (std::size_t i = 0; i < now.size(); i += 2) {
            best->value = std::max(best->value, static_cast<double>(parts) * std::fabs(now[i] - exact[i]));
            best->slope = std::max(best->slope, static_cast<double>(parts) * std::fabs(now[i + 1] - exact[i + 1]));
        }
        if (best->value <= tolerance && best->slope <= tolerance) break;
    }
    if (!best) return std::nullopt;
    const std::size_t dense = best->lattice.dense();
    // as few integrals as do, and as high a top as is needed: what is missing beyond it falls like top^{−3/2}
    double lost = 0.0;
    const std::size_t highest = std::size_t{1} << (tile::kExpandedLevels - 4);
    for (const std::size_t integrals : {SparseSeries::kKnown / 4, SparseSeries::kKnown / 2, SparseSeries::kKnown}) {
        for (std::size_t top = std::max(at_least.top(), std::size_t{1} << 11);;) {
            Lattice lattice = make_lattice(dense, top);
            const std::size_t terms = SparseSeries::terms(lattice, parts);
            if (terms > most || lattice.start.size() > tile::kExpandedLevels) break;
            const SparseSeries series(lattice, parity, integrals);
            best->lattice = std::move(lattice);
            best->known = integrals;
            lost = 0.0;
            for (std::size_t v = 0; v < which.size(); ++v) {
                if (!(sums[v].slope > 0)) continue;
                const SparseSeries::Gap gap = series.gap(on(series, v).data(), sums[v]);
                lost = std::max({lost, gap.slope / sums[v].slope, gap.square / sums[v].square});
            }
            const double excess = lost / (tolerance / 2);
            if ((excess <= 1 && (terms > least || at_least.used())) || top >= highest) break;
            top = std::min(highest, top << (1 + static_cast<int>(std::log2(std::fmax(1.0, excess)) / 2)));
        }
        if (lost <= tolerance / 2) break;
    }
    if (at_least.used()) return best;
    if (SparseSeries::terms(best->lattice, parts) <= least || best->slope + lost > limit) return std::nullopt;
    return best;
}

}  // namespace ntkcore
