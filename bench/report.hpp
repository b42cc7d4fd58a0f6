// The counters that every benchmark prints.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace ntkcore::bench {

// Repeats run() and reports, for the median, nanoseconds per entry and which share of that the floor is (seconds per
// entry at the very least): 1 is as fast as can be.
template <class Run>
void measure(benchmark::State& state, std::size_t entries, double floor, Run run) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> seconds;
    for (auto _ : state) {
        const auto start = Clock::now();
        run();
        benchmark::ClobberMemory();
        seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    const double per_entry = *middle / static_cast<double>(entries);
    state.counters["ns_per_entry"] = 1e9 * per_entry;
    state.counters["floor_ns"] = 1e9 * floor;
    state.counters["share_of_floor"] = floor / per_entry;
}

}  // namespace ntkcore::bench
