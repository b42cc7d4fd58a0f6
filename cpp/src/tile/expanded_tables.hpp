// What src/layers/expanded.hpp and src/tile/expanded.hpp agree upon.
#pragma once

#include <cstddef>

namespace ntkcore::tile {

constexpr std::size_t kExpandedBuckets = 128;  // of |ρ|, each with its number of terms
constexpr std::size_t kExpandedTerms = 2048;   // more are never asked for

}  // namespace ntkcore::tile
