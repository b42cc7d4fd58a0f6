// What src/layers/piecewise_linear.cpp and src/tile/piecewise_linear.hpp agree upon.
#pragma once

#include <cstddef>

namespace ntkcore::tile {

constexpr std::size_t kMostKinks = 8;
constexpr std::size_t kPiecewiseTerms = 160;    // coefficients ã_k at most
constexpr std::size_t kPiecewiseBuckets = 128;  // of |ρ|, each with its number of terms
// From this w = 1 − |ρ| down the pairs are taken by the expansion about |ρ| = 1, above it by the Hermite series.
constexpr double kPiecewiseNear = 0.2;
// Masses Φ(z') − Φ(z) are differences of Φ − ½ for |z| below this, and of the tails Φ(−|z|) beyond.
constexpr double kPiecewiseBulk = 0.7;

// Of an activation with `kinks` kinks the tables are
//   ã_k                          of the degrees of its parity, `terms` of them
//   h, Φ(h) − ½, Φ(−|h|), φ(h)  of each kink, h = b/√q
//   p/√E, s√q/√E                 of each of the kinks + 1 pieces p + s x
// and the constants its parity (as in expanded.hpp), the kinks, the terms, and of each bucket the terms it needs.
struct PiecewiseTables {
    std::size_t kinks, terms;
    [[nodiscard]] constexpr std::size_t edge(std::size_t b) const { return terms + 4 * b; }
    [[nodiscard]] constexpr std::size_t value(std::size_t piece) const { return terms + 4 * kinks + 2 * piece; }
    [[nodiscard]] constexpr std::size_t slope(std::size_t piece) const { return value(piece) + 1; }
    [[nodiscard]] constexpr std::size_t count() const { return terms + 6 * kinks + 2; }
};

}  // namespace ntkcore::tile
