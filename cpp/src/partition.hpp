// How products are cut into tasks: by the shapes alone, never by the number of threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "ntkcore/parallel.hpp"

namespace ntkcore {

struct Range {
    std::size_t begin, end;

    [[nodiscard]] std::size_t size() const { return end - begin; }
};

// `total` things in parts of `part`, the last one smaller.
struct Parts {
    std::size_t total, part;

    [[nodiscard]] std::size_t count() const { return (total + part - 1) / part; }
    [[nodiscard]] Range operator[](std::size_t i) const { return {i * part, std::min(total, (i + 1) * part)}; }
};

// Parts of at most `most` things that are about equal.
[[nodiscard]] inline Parts even_parts(std::size_t total, std::size_t most) {
    const std::size_t count = std::max<std::size_t>(1, (total + most - 1) / most);
    return {total, std::max<std::size_t>(1, (total + count - 1) / count)};
}

// Whole units (cache lines), about `tasks` parts of at most `most` units.
[[nodiscard]] inline Parts unit_parts(std::size_t total, std::size_t unit, std::size_t tasks, std::size_t most) {
    const std::size_t units = (total + unit - 1) / unit;
    return {total, unit * std::clamp<std::size_t>(units / tasks, 1, most)};
}

// Waking other threads costs as much as this many multiplications.
constexpr std::size_t kSerial = 20000;

inline void run_tasks(std::size_t tasks, std::size_t multiplications, int threads, const Task& task,
                      const Poll* poll = nullptr) {
    parallel_for(tasks, multiplications < kSerial ? 1 : threads, task, poll);
}

}  // namespace ntkcore
