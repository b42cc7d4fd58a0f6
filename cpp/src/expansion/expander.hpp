// The coefficients of many variances at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "expansion/panels.hpp"
#include "expansion/sums.hpp"
#include "ntkcore/blas.hpp"
#include "ntkcore/parallel.hpp"

namespace ntkcore {

// Variances within a factor of two, in order; the same nodes serve them if σ has no breakpoint but 0.
struct Class {
    std::size_t first, last;
    double low, high;  // √q
    double reach = 0.0;
    std::vector<double> edges;
};

class Expander {
    static constexpr std::size_t kBlock = 256;  // variances evaluated together
    static constexpr std::size_t kMany = 256;   // are worth waking other threads
    static constexpr double kEps = std::numeric_limits<double>::epsilon();
    // The size of the last Legendre coefficients, relative to √E[σ²] and weighted with the density: above it a variance
    // gets panels of its own.
    static constexpr double kAccepted = 1e-13;

   public:
    Expander(const Expandable& what, std::vector<double> roots, int threads)
        : what_(what),
          roots_(std::move(roots)),
          threads_(threads),
          sigma_{what.function, parity_of(what.function, 8.0 * roots_.back())} {
        shared_ = std::all_of(what.breakpoints.begin(), what.breakpoints.end(), [](double b) { return b == 0.0; });
        for (std::size_t i = 0; i < roots_.size(); ++i) {
            if (classes_.empty() || roots_[i] > 1.4142135 * classes_.back().low) {
                classes_.push_back({i, i, roots_[i], roots_[i], 0.0, {}});
            }
            classes_.back().last = i + 1;
            classes_.back().high = roots_[i];
        }
        for (Class& c : classes_) {
            c.reach = radius(what.function, c.high);
            if (c.low < c.high) c.reach = std::fmax(c.reach, radius(what.function, c.low));
            std::vector<double> shrink = {1.0};
            if (shared_ && c.low < c.high) {
                for (int k = 1; k <= 4; ++k) shrink.push_back(std::pow(c.low / c.high, 0.25 * k));
            }
            c.edges =
                make_panels(sigma_, c.high, shared_ ? c.reach : c.reach * c.high / c.low, shrink, what.breakpoints);
        }
    }

    [[nodiscard]] Parity parity() const { return sigma_.parity; }

    // The terms that one variance needs, at most `most`.
    [[nodiscard]] std::size_t probe(std::size_t i, double tolerance, std::size_t most) const {
        std::vector<double> a;
        for (std::size_t terms = std::min<std::size_t>(48, most);; terms = std::min(2 * terms, most)) {
            Sums sums;
            a.assign(terms, 0.0);
            alone(i, 1, terms, &sums, a.data(), nullptr, false);
            const std::size_t need = needed(sums, a.data(), terms, tolerance);
            if (need <= terms) return need;
            if (terms == most) return most + 1;
        }
    }

    // σ is smooth but at 0.
    [[nodiscard]] bool smooth_sides() const { return shared_ && !what_.breakpoints.empty(); }

    // The sums and the first coefficients of one variance.
    void one(std::size_t i, std::size_t terms, Sums& sums, std::vector<double>& a) const {
        a.assign(terms, 0.0);
        alone(i, 1, terms, &sums, a.data());
    }

    // sums[i] and coefficients[i·terms …] of all variances; `rows`: of the degrees 2d and 2d + 1 for these d alone
    void run(std::size_t terms, std::vector<Sums>& sums, std::vector<double>& coefficients,
             const std::vector<std::size_t>* rows = nullptr) const {
        sums.resize(roots_.size());
        coefficients.assign(roots_.size() * terms, 0.0);
        struct Piece {
            const Class* of;
            std::size_t first, count, matrix;
        };
        std::vector<Piece> pieces;
        std::vector<Shared> matrices;
        for (const Class& c : classes_) {
            const bool together = shared_ && c.last - c.first >= 4;
            if (together) matrices.emplace_back(c.edges, sigma_.parity, terms, rows);
            const std::size_t step = together ? kBlock : 32;
            for (std::size_t i = c.first; i < c.last; i += step) {
                pieces.push_back({&c, i, std::min(step, c.last - i), together ? matrices.size() : 0});
            }
        }
        const int threads = roots_.size() < kMany ? 1 : threads_;
        parallel_for(pieces.size(), threads, [&](std::size_t p, int, Work&) {
            const Piece& piece = pieces[p];
            Sums* s = sums.data() + piece.first;
            double* a = coefficients.data() + piece.first * terms;
            if (piece.matrix == 0) return alone(piece.first, piece.count, terms, s, a, rows);
            together(matrices[piece.matrix - 1], piece.first, piece.count, terms, s, a);
            for (std::size_t i = 0; i < piece.count; ++i) {
                if (s[i].unresolved > kAccepted * std::sqrt(s[i].square))
                    alone(piece.first + i, 1, terms, s + i, a + i * terms, rows);
            }
        });
    }

    // The least K in terms with both relative tails below the tolerance; terms + 1 if there is none.
    [[nodiscard]] static std::size_t needed(Parity parity, const Sums& sums, const double* a, std::size_t terms,
                                            double tolerance) {
        if (sums.constant || !(sums.square > 0)) return 1;
        double tail = 0.0;
        double slope_tail = 0.0;
        rest(parity, sums, a, terms, tail, slope_tail);
        std::size_t t = terms;
        if (tail > tolerance * sums.square || slope_tail > tolerance * sums.slope) return terms + 1;
        while (t > 1) {
            const double square = a[t - 1] * a[t - 1];
            tail += square;
            slope_tail += static_cast<double>(degree_of(parity, t - 1)) * square;
            if (tail > tolerance * sums.square || slope_tail > tolerance * sums.slope) break;
            --t;
        }
        return t;
    }
    [[nodiscard]] std::size_t needed(const Sums& sums, const double* a, std::size_t terms, double tolerance) const {
        return needed(sigma_.parity, sums, a, terms, tolerance);
    }

    // What the terms leave of the sums, from above: rounding and quadrature errors included.
    static void rest(Parity parity, const Sums& sums, const double* a, std::size_t terms, double& tail,
                     double& slope_tail) {
        double square = 0.0;
        double slope = 0.0;
        for (std::size_t t = terms; t-- > 0;) {
            square += a[t] * a[t];
            slope += static_cast<double>(degree_of(parity, t)) * (a[t] * a[t]);
        }
        rest(sums, square, slope, tail, slope_tail);
    }
    // The same of their Σ a_k² and Σ k a_k².
    static void rest(const Sums& sums, double square, double slope, double& tail, double& slope_tail) {
        const double doubt = std::sqrt(sums.square) * sums.unresolved;
        tail = std::fmax(0.0, sums.square - square) + 8 * kEps * sums.square + 4 * doubt;
        slope_tail = std::fmax(0.0, sums.slope - slope) + 64 * kEps * sums.slope +
                     4 * doubt * std::sqrt(sums.slope / std::fmax(sums.square, 1e-300));
    }

   private:
    // Hermite functions at the nodes of a class, terms × nodes.
    struct Shared {
        Rule rule;
        std::vector<double> odd, even;
        std::size_t odd_terms = 0, even_terms = 0;
        Shared(const std::vector<double>& edges, Parity parity, std::size_t terms, const std::vector<std::size_t>* rows)
            : rule(edges, rows == nullptr ? degrees_of(parity, terms) : 2 * rows->back() + 2) {
            const std::size_t n = rule.nodes();
            odd_terms = parity == Parity::odd ? terms : parity == Parity::even ? 0 : terms / 2;
            even_terms = terms - odd_terms;
            odd.resize(odd_terms * n);
            even.resize(even_terms * n);
            std::size_t row = 0;
            const auto is_row = [&](std::size_t d) { return rows == nullptr || (*rows)[row] == d; };
            hermite(rule, rows == nullptr ? degrees_of(parity, terms) : 2 * rows->back() + 2,
                    [&](std::size_t k, const double* psi) {
                        if (!is_row(k / 2)) return;
                        if (k % 2 == 0 && row < even_terms) std::copy_n(psi, n, even.data() + row * n);
                        if (k % 2 == 1 && row < odd_terms) std::copy_n(psi, n, odd.data() + row * n);
                        if (k % 2 == 1) ++row;
                    });
        }
    };

    void together(const Shared& matrix, std::size_t first, std::size_t m, std::size_t terms, Sums* sums,
                  double* a) const {
        const std::size_t n = matrix.rule.nodes();
        Split space;
        std::vector<double> work;
        space.points.resize(m * n);
        for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t k = 0; k < n; ++k) space.points[i * n + k] = roots_[first + i] * matrix.rule.z[k];
        }
        sigma_(m * n, space);
        scale(m, n, space, sums);
        const auto part = [&](std::vector<double>& y, const std::vector<double>& psi, std::size_t count,
                              std::size_t offset) {
            add_part(matrix.rule, m, y.data(), sums, work, offset == 1);
            if (sigma_.parity != Parity::none) {
                gemm_nt(m, count, n, y.data(), n, psi.data(), n, a, terms);
                return;
            }
            work.resize(m * count);
            gemm_nt(m, count, n, y.data(), n, psi.data(), n, work.data(), count);
            for (std::size_t i = 0; i < m; ++i) {
                for (std::size_t t = 0; t < count; ++t) a[i * terms + 2 * t + offset] = work[i * count + t];
            }
        };
        if (sigma_.odd() && matrix.odd_terms > 0) part(space.odd, matrix.odd, matrix.odd_terms, 1);
        if (sigma_.even() && matrix.even_terms > 0) part(space.even, matrix.even, matrix.even_terms, 0);
    }

    // Variances with nodes of their own; one by itself on panels of its own, where these do more than those of its
    // class.
    void alone(std::size_t first, std::size_t m, std::size_t terms, Sums* sums, double* a,
               const std::vector<std::size_t>* rows = nullptr, bool own = true) const {
        const std::size_t parts = sigma_.parity == Parity::none ? 2 : 1;
        const std::size_t computed = rows == nullptr ? terms : parts * (rows->back() + 1);
        std::vector<Rule> rules;
        Split space;
        std::vector<double> work;
        for (std::size_t i = first; i < first + m; ++i) {
            const auto of = std::find_if(classes_.begin(), classes_.end(), [i](const Class& c) { return i < c.last; });
            std::vector<double> edges;
            if (m > 1 || !shared_ || !own || of->low == of->high) {
                const double ratio = of->high / roots_[i];
                for (const double e : of->edges) {
                    if (e * ratio < of->reach) edges.push_back(e * ratio);
                }
                edges.push_back(of->reach);
            } else {
                edges = make_panels(sigma_, roots_[i], of->reach, {1.0}, what_.breakpoints);
            }
            rules.emplace_back(edges, degrees_of(sigma_.parity, computed));
            for (const double z : rules.back().z) space.points.push_back(roots_[i] * z);
        }
        sigma_(space.points.size(), space);
        std::size_t at = 0;
        Split one;
        for (std::size_t i = 0; i < m; ++i) {
            const Rule& rule = rules[i];
            const std::size_t n = rule.nodes();
            const auto cut = [&](const std::vector<double>& all, std::vector<double>& part) {
                if (!all.empty())
                    part.assign(all.begin() + static_cast<std::ptrdiff_t>(at),
                                all.begin() + static_cast<std::ptrdiff_t>(at + n));
            };
            cut(space.odd, one.odd);
            cut(space.even, one.even);
            at += n;
            scale(1, n, one, sums + i);
            if (!one.odd.empty()) add_part(rule, 1, one.odd.data(), sums + i, work, true);
            if (!one.even.empty()) add_part(rule, 1, one.even.data(), sums + i, work, false);
            const double* odd = one.odd.empty() ? nullptr : one.odd.data();
            const double* even = one.even.empty() ? nullptr : one.even.data();
            double* to = a + i * terms;
            if (rows == nullptr) {
                project(rule, sigma_.parity, terms, odd, even, to);
                continue;
            }
            work.resize(computed);
            project(rule, sigma_.parity, computed, odd, even, work.data());
            for (std::size_t t = 0; t < terms; ++t) to[t] = work[(*rows)[t / parts] * parts + t % parts];
        }
    }

    const Expandable& what_;
    std::vector<double> roots_;  // √q, increasing
    int threads_;
    Sigma sigma_;
    bool shared_ = false;
    std::vector<Class> classes_;
};

}  // namespace ntkcore
