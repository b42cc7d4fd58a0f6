#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "ntkcore/parallel.hpp"

namespace ntkcore {
namespace {

using Clock = std::chrono::steady_clock;

struct TaskError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

TEST_CASE("Every task runs once, whatever the number of threads") {
    for (const std::size_t tasks : {0U, 1U, 2U, 3U, 100U, 5000U}) {
        for (const int threads : {-1, 0, 1, 2, 7}) {
            CAPTURE(tasks);
            CAPTURE(threads);
            std::vector<int> runs(tasks, 0);  // each written by one thread: TSan would see a task handed out twice
            parallel_for(tasks, threads, [&](std::size_t task, int, Work&) { ++runs[task]; });
            for (const int count : runs) REQUIRE(count == 1);
        }
    }
}

TEST_CASE("Worker 0 is the caller, and a worker is one thread") {
    const std::thread::id caller = std::this_thread::get_id();
    for (const int threads : {1, 2, 7}) {
        CAPTURE(threads);
        std::vector<std::thread::id> of_worker(static_cast<std::size_t>(threads));
        std::atomic<int> wrong{0};
        parallel_for(2000, threads, [&](std::size_t, int worker, Work&) {
            if (worker < 0 || worker >= threads) {
                ++wrong;
                return;
            }
            std::thread::id& id = of_worker[static_cast<std::size_t>(worker)];
            if (id == std::thread::id{}) id = std::this_thread::get_id();
            if (id != std::this_thread::get_id()) ++wrong;
            if ((worker == 0) != (id == caller)) ++wrong;
        });
        CHECK(wrong == 0);
        if (of_worker[0] != std::thread::id{}) CHECK(of_worker[0] == caller);
    }
}

TEST_CASE("Two workers work at the same time") {
    std::atomic<int> arrived{0};
    const auto deadline = Clock::now() + std::chrono::seconds(30);
    parallel_for(2, 2, [&](std::size_t, int, Work&) {
        ++arrived;
        while (arrived < 2 && Clock::now() < deadline) std::this_thread::yield();
    });
    CHECK(Clock::now() < deadline);
}

TEST_CASE("What tasks wrote is there when the call returns") {
    std::vector<double> values(1000, 0.0);
    parallel_for(values.size(), 7, [&](std::size_t task, int, Work&) { values[task] = static_cast<double>(task); });
    double sum = 0;
    for (const double value : values) sum += value;
    CHECK(sum == 999.0 * 500.0);
}

TEST_CASE("The exception of a task stops the others and is rethrown, the first one of many") {
    for (const int threads : {1, 2, 7}) {
        CAPTURE(threads);
        std::atomic<int> started{0};
        const auto one = [&](std::size_t task, int, Work&) {
            ++started;
            if (task == 5) throw TaskError("task 5");
            if (task > 5) std::this_thread::sleep_for(std::chrono::microseconds(100));
        };
        CHECK_THROWS_WITH_AS(parallel_for(100000, threads, one), "task 5", TaskError);
        CHECK(started < 100000);
        const auto all = [](std::size_t task, int, Work&) { throw TaskError(std::to_string(task)); };
        CHECK_THROWS_AS(parallel_for(100, threads, all), TaskError);
        int done = 0;
        parallel_for(10, 1, [&](std::size_t, int, Work&) { ++done; });
        CHECK(done == 10);  // nothing of it is left behind
    }
}

TEST_CASE("The exception of poll stops the work and is rethrown") {
    for (const int threads : {1, 2, 7}) {
        CAPTURE(threads);
        std::atomic<std::size_t> finished{0};
        const auto task = [&](std::size_t, int, Work&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            ++finished;
        };
        const Poll poll = [](std::size_t, std::size_t) { throw TaskError("poll"); };
        CHECK_THROWS_WITH_AS(parallel_for(100000, threads, task, &poll), "poll", TaskError);
        CHECK(finished > 0);
        CHECK(finished < 100000);
    }
}

TEST_CASE("Poll is called from the calling thread, often, and at the end") {
    for (const int threads : {1, 2}) {
        CAPTURE(threads);
        int calls = 0;
        std::size_t last = 0;
        const auto caller = std::this_thread::get_id();
        const auto start = Clock::now();
        const Poll poll = [&](std::size_t done, std::size_t total) {
            ++calls;
            CHECK(std::this_thread::get_id() == caller);
            CHECK(total == 400);
            CHECK(done >= last);
            CHECK(done <= total);
            last = done;
        };
        const auto task = [](std::size_t, int, Work&) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
        parallel_for(400, threads, task, &poll);
        const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
        CHECK(last == 400);
        CHECK(calls >= 2);
        CHECK(calls <= elapsed / 50 + 2);
    }
    int calls = 0;
    const Poll poll = [&](std::size_t done, std::size_t total) { calls += done == 0 && total == 0 ? 1 : 100; };
    parallel_for(0, 2, [](std::size_t, int, Work&) {}, &poll);
    CHECK(calls == 1);
}

TEST_CASE("A long task sees within its own loop that it should stop") {
    for (const int threads : {1, 2}) {
        CAPTURE(threads);
        std::atomic<int> gave_up{0};
        const auto deadline = Clock::now() + std::chrono::seconds(30);
        const auto task = [&](std::size_t, int worker, Work& work) {
            while (!work.stopped(worker)) {
                if (Clock::now() > deadline) return;
            }
            ++gave_up;
        };
        const Poll poll = [](std::size_t, std::size_t) { throw TaskError("enough"); };
        CHECK_THROWS_AS(parallel_for(static_cast<std::size_t>(threads), threads, task, &poll), TaskError);
        CHECK(Clock::now() < deadline);
        CHECK(gave_up == threads - 1);  // worker 0 leaves by the exception
    }
}

TEST_CASE("Several callers at once") {
    std::atomic<std::size_t> total{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller) {
        callers.emplace_back([&] {
            for (int call = 0; call < 20; ++call) parallel_for(50, 3, [&](std::size_t, int, Work&) { ++total; });
        });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(total == 4 * 20 * 50);
}

#if defined(__linux__)
TEST_CASE("The child of a fork computes, though OpenMP's threads are not there any more") {
    std::atomic<int> before{0};
    parallel_for(100, 3, [&](std::size_t, int, Work&) { ++before; });
    REQUIRE(before == 100);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(30);  // a child that waits for ever is killed
        int sum = 0;
        parallel_for(100, 3, [&](std::size_t, int worker, Work&) { sum += worker == 0 ? 1 : 1000; });
        _exit(sum == 100 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("OMP_NUM_THREADS is honoured, and nonsense in it is not") {
    const char* const text = std::getenv("OMP_NUM_THREADS");
    const std::string before = text == nullptr ? "" : text;
    unsetenv("OMP_NUM_THREADS");
    const int usable = available_threads();
    CHECK(usable >= 1);
    for (const char* nonsense : {"", "0", "-3", "many"}) {
        setenv("OMP_NUM_THREADS", nonsense, 1);
        CHECK(available_threads() == usable);
    }
    setenv("OMP_NUM_THREADS", "3", 1);
    CHECK(available_threads() == 3);
    setenv("OMP_NUM_THREADS", "5,2", 1);
    CHECK(available_threads() == 5);
    setenv("OMP_NUM_THREADS", "99999999999", 1);
    CHECK(available_threads() == 4096);
    if (text == nullptr) {
        unsetenv("OMP_NUM_THREADS");
    } else {
        setenv("OMP_NUM_THREADS", before.c_str(), 1);
    }
}
#endif

}  // namespace
}  // namespace ntkcore
