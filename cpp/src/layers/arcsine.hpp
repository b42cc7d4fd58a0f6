// The tables that erf and gelu share; see tile/tables.hpp and tile/arcsine.hpp.
#pragma once

#include <cstddef>

#include "ntkcore/scaled.hpp"

namespace ntkcore {

// u = Q/(1+Q) = sin α, for Q within a range where no pair formula underflows in T.
struct ArcsineOf {
    double q, tau, u, cos, alpha;
};
template <class T>
[[nodiscard]] ArcsineOf arcsine_of(Scaled q);

// (α − u)/u³
[[nodiscard]] double arcsine_cubic(const ArcsineOf& of);

// Writes the tables of ArcsineTable to tables[t·stride], but for the extremes of a block of n samples, which
// write_extremes takes from the other tables.
template <class T>
void write_arcsine(const ArcsineOf& of, T* tables, std::size_t stride);
template <class T>
void write_extremes(T* tables, std::size_t n, std::size_t stride);

}  // namespace ntkcore
