// Threads. The thread count is an argument of every call; no global OpenMP state is read or written.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>

namespace ntkcore {

// Threads that this process may use: OMP_NUM_THREADS if set, else the CPU affinity mask cut to the cgroup quota.
[[nodiscard]] int available_threads();

// The version date (yyyymm) of the OpenMP specification that the build uses, 0 without OpenMP.
[[nodiscard]] int openmp_version();

// Called from the thread that entered parallel_for, about every 50 ms; an exception stops the work.
using Poll = std::function<void(std::size_t done, std::size_t total)>;

class Work {
   public:
    Work(std::size_t total, const Poll* poll) : total_(total), poll_(poll) {}

    // Long tasks call this between rows. True: give up, the result is no longer wanted.
    [[nodiscard]] bool stopped(int worker) {
        if (worker == 0 && poll_ != nullptr && ++calls_ % 8 == 0) maybe_poll();
        return stop_.load(std::memory_order_relaxed);
    }
    void stop() { stop_.store(true, std::memory_order_relaxed); }
    void finished(std::size_t tasks = 1) { done_.fetch_add(tasks, std::memory_order_relaxed); }
    void poll_now();

   private:
    using Clock = std::chrono::steady_clock;
    void maybe_poll();

    std::size_t total_;
    const Poll* poll_;
    std::atomic<bool> stop_{false};
    std::atomic<std::size_t> done_{0};
    Clock::time_point last_ = Clock::now();
    unsigned calls_ = 0;  // of worker 0: reading the clock costs as much as a short row
};

using Task = std::function<void(std::size_t task, int worker, Work& work)>;

// Runs task(0) … task(n_tasks − 1) on `threads` threads, handed out one at a time. `worker` (0 … threads − 1) names
// the executing thread, 0 being the caller. The first exception of any task or of `poll` stops the rest and is
// rethrown.
void parallel_for(std::size_t n_tasks, int threads, const Task& task, const Poll* poll = nullptr);

}  // namespace ntkcore
