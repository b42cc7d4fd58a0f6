// What the parts of Samples have in common.
#pragma once

#include <cstddef>

namespace ntkcore {

constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Waking other threads, and waiting for one that the machine is slow to wake, costs as much as 10⁵ numbers.
inline int team(std::size_t numbers, int threads) { return numbers < std::size_t{1} << 18 ? 1 : threads; }

}  // namespace ntkcore
