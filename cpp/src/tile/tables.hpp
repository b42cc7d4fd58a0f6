// The order of the numbers per sample that src/layers writes and src/tile reads; the meanings are in src/layers.
#pragma once

#include <cstddef>

namespace ntkcore::tile {

// exp(−½(Q_i² + Q_j²) + Q_i Q_j ρ): Q, and in float32 what the rounding of Q lost.
enum ExponentialTable : std::size_t { kExponentialQ, kExponentialLow };

// Of u = sin α = Q/(1 + Q), for erf and gelu, which add theirs behind. The last ones are of a whole block of samples:
// what all its pairs have in common is decided once a row.
enum ArcsineTable : std::size_t {
    kRootU,        // √u
    kSinHalf,      // sin α/2
    kCosHalf,      // cos α/2
    kSinHalfBeta,  // sin β/2, β = π/2 − α
    kCosHalfBeta,  // cos β/2
    kLeastU,       // the least u of the block
    kMostSinHalf,  // sin α/2 and cos α/2 of its largest α
    kMostCosHalf,
    kArcsineTables
};
enum ErfTable : std::size_t {
    kHalfRoot = kArcsineTables,  // ½√α
    kInverseRoot,                // √2/√α
    kLinear,                     // √(u/α), the weight of the linear part
    kRest,                       // √(1 − u/α)
    kInverseCubic,               // √(u³/(α − u))
    kOdd,                        // √(E₀/E), E₀ = E − c²
    kConstant,                   // |c|/√E
    kErfTables
};
enum GeluTable : std::size_t {
    kTau = kArcsineTables,  // τ = 1 − u = 1/(1 + Q)
    kHalfAlpha,             // ½α
    kEven,                  // F_e
    kRootF,                 // (√F − √(π/2))/√2
    kInverseRootF,          // 1/√F
    kSlope,                 // √u·τ/√(2 cos α)
    kRootCos,               // √cos α
    kInverseRootCos,        // 1/√cos α
    kGeluTables
};

enum SinusoidTable : std::size_t {
    kSinQ,          // Q = |b|√q
    kSinQLow,       // what its rounding lost
    kSinQ2,         // Q², at least the smallest useful number
    kFaded,         // A = e^{−Q²}
    kFade,          // ½(1 − A)
    kOddHalfRoot,   // f_o/√2, f_o = √(½(1 − e^{−2Q²}))
    kOddInverse,    // 1/f_o
    kOddSlope,      // R_o·Q/f_o
    kUnitQ,         // min(Q, 1)
    kSinLinear,     // 1/√S, S = sinh(Q²)/Q² of min(Q², 1)
    kSinRest,       // √(1 − 1/S)
    kSinCubic,      // 1/√((S − 1)/Q⁴)
    kEvenHalfRoot,  // f_e/√2, f_e = √(½(1 + e^{−2Q²}))
    kEvenInverse,   // 1/f_e
    kEvenSlope,     // R_e·Q/f_e
    kOddPart,       // R_o, the root of the odd part's share of E[σ²]
    kEvenPart,      // R_e
    kLeastOdd,      // the least and the largest f_o/√2 of the block
    kMostOdd,
    kSinusoidTables
};

enum GaussianTable : std::size_t {
    kHalfE,        // e/2, e = −4bq
    kHalfOneE,     // ½(1 + e)
    kRootE,        // (√(1 + e) − 1)/√2
    kQuarterRoot,  // (1 + e)^¼
    kGaussianTables
};

}  // namespace ntkcore::tile
