// What src/layers/expanded.hpp and src/tile/expanded.hpp agree upon.
#pragma once

#include <cstddef>

namespace ntkcore::tile {

constexpr std::size_t kExpandedBuckets = 128;  // of |ρ|, each with its number of terms
constexpr std::size_t kExpandedTerms = 2048;   // more are never asked for
constexpr std::size_t kExpandedLevels = 28;    // of a lattice of degrees, likewise

enum : int { kOddDegrees = 0, kEvenDegrees = 1, kAllDegrees = 2 };

// The constants of an expansion are its parity; whether to take the accurate sums always; of each bucket the terms, or
// the nodes of the lattice, that it needs; and then, with a lattice, how many levels it has (else 0), where each
// starts, from which w on it does not matter, 1 − Σ u_m, and the u_m.

}  // namespace ntkcore::tile
