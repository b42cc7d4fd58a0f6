// Products of whole matrices on several threads, in tasks that own a block of the result.
#pragma once

#include <cstddef>
#include <functional>

#include "ntkcore/nonlinearity.hpp"
#include "ntkcore/parallel.hpp"
#include "partition.hpp"

namespace ntkcore {

// Called by the task that has finished these rows and columns of the result.
using Finish = std::function<void(Range rows, Range cols)>;

// C (m × n) = A (m × k) Bᵀ (n × k), or C += it
template <class T>
void multiply_nt(std::size_t m, std::size_t n, std::size_t k, Rows<const T> a, Rows<const T> b, Rows<T> c, bool add,
                 int threads, const Poll* poll, const Finish& finish);

// C (m × n) = β C + α A (m × k) B (k × n)
template <class T>
void multiply_nn(std::size_t m, std::size_t n, std::size_t k, T alpha, Rows<const T> a, Rows<const T> b, T beta,
                 Rows<T> c, int threads, const Poll* poll, const Finish& finish);

}  // namespace ntkcore
