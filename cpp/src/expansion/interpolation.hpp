// Coefficients at many variances from those at a few. As a function of log q every
//   a_k(q) = ∫ σ(x) h_k(x/√q) φ(x/√q) dx/√q
// is analytic where |Im log q| < π/2, whatever σ is; so are E[σ²] and q E[σ̇²]. Where many variances are close together,
// σ is integrated at Chebyshev points in log q, and the rest follows from the polynomials through these.
#pragma once

#include <cstddef>
#include <vector>

#include "expansion/sums.hpp"

namespace ntkcore {

class Interpolation {
   public:
    // Of all √q, increasing; coefficients are wanted to a small part of the tolerance.
    Interpolation(const std::vector<double>& roots, double tolerance);

    // √q where σ is to be integrated, increasing: points of the intervals, and all that lies in none.
    [[nodiscard]] const std::vector<double>& roots() const { return points_; }

    // Whether the sums and coefficients at roots() say those at all √q. If not there are more roots(), to start again
    // with. Errors δ count as √(Σ share δ²): the shares, one a term, are degree + 1, times its weight on a lattice.
    [[nodiscard]] bool fits(const std::vector<double>& share, const std::vector<Sums>& sums,
                            const std::vector<double>& a);

    // √q that are worked out together, [first, last); `from`: of an interval without polynomial, its place in roots().
    struct Piece {
        std::size_t interval, first, last, from;
        [[nodiscard]] std::size_t size() const { return last - first; }
    };
    [[nodiscard]] std::vector<Piece> pieces() const;
    // The sums and coefficients of a piece, terms × size() of them in `to`. What the polynomials may be wrong by goes
    // into to_sums.unresolved.
    void evaluate(const Piece& piece, std::size_t terms, const std::vector<Sums>& sums, const std::vector<double>& a,
                  Sums* to_sums, double* to) const;

   private:
    static constexpr std::size_t kFirst = 24;  // points of an interval at first
    static constexpr std::size_t kChecks = 2;  // √q of an interval where the polynomials are tested

    // roots_[first … last) by the polynomial through n points; n = 0: one by one.
    struct Interval {
        std::size_t first, last, n;
        std::vector<double> x;                    // the Chebyshev points in [−1, 1]
        std::vector<std::size_t> points, checks;  // where they are in points_
        std::vector<std::size_t> checked;         // the checks in roots_
    };
    // At the points of an interval: term t at point j at [t·n + j], then the sums.
    struct Values {
        std::vector<double> at;
        double unresolved = 0.0;
    };
    static constexpr std::size_t kSums = 4;  // E[σ²], q E[σ̇²], and what the odd part has of them

    void place();
    [[nodiscard]] bool accept(const Interval& of, const std::vector<double>& share, const std::vector<Sums>& sums,
                              const std::vector<double>& a, Values& values) const;
    void weights(const Interval& of, double root, double* to) const;

    const std::vector<double>& roots_;
    double tolerance_;
    std::vector<Interval> intervals_;
    std::vector<double> points_;
    std::vector<Values> values_;
};

}  // namespace ntkcore
