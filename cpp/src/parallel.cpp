#include "ntkcore/parallel.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace ntkcore {
namespace {

int affinity_count() {
#if defined(__linux__)
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// The cgroup-2 quota in whole CPUs, rounded up; a large number where there is none.
int cgroup_count() {
    std::ifstream file("/sys/fs/cgroup/cpu.max");
    std::string quota;
    double period = 0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0) return 1 << 20;
    const double cpus = std::strtod(quota.c_str(), nullptr) / period;
    return std::max(1, static_cast<int>(cpus + 0.999));
}

// GNU OpenMP's threads do not survive fork(); a child that opened a parallel region would wait for them for ever.
std::atomic<bool> forked{false};

void note_forks() {
#if defined(__linux__)
    static std::once_flag once;
    std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { forked.store(true); }); });
#endif
}

// run(0) … run(team − 1) side by side, run(0) on the calling thread. Plain threads (NTKCORE_THREADS=std) are for
// ThreadSanitizer, which cannot see how GNU OpenMP's threads wait for each other.
template <class Run>
void run_team(int team, const Run& run) {
#if defined(_OPENMP)
#pragma omp parallel num_threads(team)
    run(omp_get_thread_num());
#else
    std::vector<std::jthread> others;
    for (int worker = 1; worker < team; ++worker) others.emplace_back(run, worker);
    run(0);
#endif
}

}  // namespace

int available_threads() {
    if (const char* text = std::getenv("OMP_NUM_THREADS")) {
        const long wanted = std::strtol(text, nullptr, 10);  // of a list "4,2" the first number counts
        if (wanted > 0) return static_cast<int>(std::min(wanted, 4096L));
    }
    return std::min(affinity_count(), cgroup_count());
}

int openmp_version() {
#if defined(_OPENMP)
    return _OPENMP;
#else
    return 0;
#endif
}

void Work::poll_now() {
    if (poll_ == nullptr) return;
    last_ = Clock::now();
    (*poll_)(done_.load(std::memory_order_relaxed), total_);
}

void Work::maybe_poll() {
    if (!stop_.load(std::memory_order_relaxed) && Clock::now() - last_ > std::chrono::milliseconds(50)) poll_now();
}

void parallel_for(std::size_t n_tasks, int threads, const Task& task, const Poll* poll) {
    Work work(n_tasks, poll);
    std::exception_ptr error;
    std::mutex error_mutex;
    std::atomic<std::size_t> next{0};

    const auto run = [&](int worker) {
        try {
            while (!work.stopped(worker)) {
                const std::size_t i = next.fetch_add(1, std::memory_order_relaxed);
                if (i >= n_tasks) break;
                task(i, worker, work);
                work.finished();
            }
        } catch (...) {
            const std::scoped_lock lock(error_mutex);
            if (!error) error = std::current_exception();
            work.stop();
        }
    };

    note_forks();
    const auto wanted = static_cast<std::size_t>(std::max(1, threads));
    const int team = forked.load() ? 1 : static_cast<int>(std::min(wanted, std::max<std::size_t>(1, n_tasks)));
    if (team == 1) {
        run(0);
    } else {
        run_team(team, run);
    }
    if (error) std::rethrow_exception(error);
    work.poll_now();
}

}  // namespace ntkcore
