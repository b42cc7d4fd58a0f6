// Kernel matrices and threads: the same bits for every count, many callers at once, and calls that are stopped.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "cases.hpp"
#include "kernels.hpp"
#include "ntkcore/gram.hpp"

namespace ntkcore {
namespace {

using testing::draw;
using testing::engine;
using testing::hard_rows;
using testing::same_bits;
using testing::uniform_network;

const Network kNetwork = uniform_network(3, testing::ab_relu(0.1, 1), 1.0, 0.1);

TEST_CASE_TEMPLATE("The same bits for every number of threads", T, float, double) {
    for (const std::size_t features : {3U, 40U}) {
        for (const std::size_t n : {1U, 17U, 300U}) {
            const auto x = draw(hard_rows<T>(features, 31), n, 1);
            const auto z = draw(hard_rows<T>(features, 32), 270, 2);
            std::vector<T> diagonal(n);
            gram_diagonal<T>(kNetwork, x.rows.view(), nullptr, diagonal.data(), 1);
            for (const Levels levels : {Levels::last, Levels::all}) {
                const auto symmetric = engine<T>(kNetwork, x.rows.view(), std::nullopt, levels, 1);
                const auto crossed = engine<T>(kNetwork, x.rows.view(), z.rows.view(), levels, 1);
                for (const int threads : {2, 7}) {
                    CAPTURE(features);
                    CAPTURE(n);
                    CAPTURE(threads);
                    CHECK(same_bits(engine<T>(kNetwork, x.rows.view(), std::nullopt, levels, threads), symmetric));
                    CHECK(same_bits(engine<T>(kNetwork, x.rows.view(), z.rows.view(), levels, threads), crossed));
                    std::vector<T> again(n);
                    gram_diagonal<T>(kNetwork, x.rows.view(), nullptr, again.data(), threads);
                    CHECK(same_bits(again, diagonal));
                }
            }
        }
        // tall strips, and results that are written past the cache
        const auto x = draw(hard_rows<T>(features, 31), 1025, 1);
        constexpr unsigned kTheta = 4;
        const auto alone = engine<T>(kNetwork, x.rows.view(), std::nullopt, Levels::last, 1, kTheta);
        for (const int threads : {2, 7}) {
            CAPTURE(threads);
            CHECK(same_bits(engine<T>(kNetwork, x.rows.view(), std::nullopt, Levels::last, threads, kTheta), alone));
        }
    }
}

TEST_CASE_TEMPLATE("Callers on several threads do not disturb each other", T, float, double) {
    for (const std::size_t features : {3U, 40U}) {
        const auto x = draw(hard_rows<T>(features, 33), 300, 1);
        const auto alone = engine<T>(kNetwork, x.rows.view(), std::nullopt, Levels::last, 1);
        std::atomic<int> equal{0};
        std::vector<std::thread> callers;
        for (int caller = 0; caller < 4; ++caller) {
            callers.emplace_back([&, caller] {
                for (int call = 0; call < 3; ++call) {
                    const int threads = 1 + caller % 3;
                    if (same_bits(engine<T>(kNetwork, x.rows.view(), std::nullopt, Levels::last, threads), alone))
                        ++equal;
                }
            });
        }
        for (std::thread& caller : callers) caller.join();
        CHECK(equal == 12);
    }
}

TEST_CASE("An exception of poll stops the computation and reaches the caller") {
    struct Interrupted : std::runtime_error {
        using std::runtime_error::runtime_error;
    };
    const auto x = draw(hard_rows<double>(40, 34), 2000, 1);
    const Network deep = uniform_network(50, testing::ab_relu(0, 1), 1.0, 0.1);
    for (const int threads : {1, 2}) {
        std::size_t done_at_stop = 0;
        std::size_t all = 0;
        const Poll poll = [&](std::size_t done, std::size_t total) {
            done_at_stop = done;
            all = total;
            throw Interrupted("now");
        };
        CHECK_THROWS_AS(engine<double>(deep, x.rows.view(), std::nullopt, Levels::last, threads, 4U, &poll),
                        Interrupted);
        CHECK(done_at_stop < all);
        CHECK(all > 8);
    }
    // and the next call is as good as any
    const auto few = draw(hard_rows<double>(40, 34), 50, 1);
    CHECK(same_bits(engine<double>(kNetwork, few.rows.view(), std::nullopt, Levels::last, 2),
                    engine<double>(kNetwork, few.rows.view(), std::nullopt, Levels::last, 1)));
}

TEST_CASE("Poll is told when all is done") {
    const auto x = draw(hard_rows<float>(3, 35), 600, 1);
    std::size_t last_done = 0;
    std::size_t last_total = 1;
    const Poll poll = [&](std::size_t done, std::size_t total) {
        CHECK(done >= last_done);
        last_done = done;
        last_total = total;
    };
    const auto result = engine<float>(kNetwork, x.rows.view(), std::nullopt, Levels::last, 2, 4U, &poll);
    CHECK(last_done == last_total);
    CHECK(last_total > 1);
    CHECK_FALSE(result.clipped);
}

}  // namespace
}  // namespace ntkcore
