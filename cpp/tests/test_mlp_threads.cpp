// Finite networks and threads: the same bits for every count, and calls that are stopped.
#include <doctest/doctest.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "mlp_cases.hpp"
#include "ntkcore/empirical_ntk.hpp"

namespace ntkcore {
namespace {

using testing::Case;
using testing::OwnParameters;

// All bits that two steps, a kernel and a product leave.
template <class T>
std::vector<T> everything(Case<T> c, int threads) {
    Mlp<T> mlp = c.engine(threads);
    OwnParameters<T> velocity(c.sizes, T(0));
    mlp.forward(c.n, c.points());
    mlp.step(c.direction.data(), T(0.01));
    mlp.forward(c.n, c.points());
    mlp.step(c.direction.data(), T(0.01), T(0.5), velocity.view);
    NtkCall<T> call;
    call.n = c.n;
    call.x = c.points();
    std::vector<T> all(c.n * c.n);
    call.out = all.data();
    empirical_ntk<T>(mlp, call, nullptr);
    std::vector<T> product(c.n * c.sizes.back());
    ntk_vector_product<T>(mlp, c.n, c.points(), c.direction.data(), product.data(), nullptr);
    all.insert(all.end(), product.begin(), product.end());
    for (const auto& part : c.weights) all.insert(all.end(), part.begin(), part.end());
    for (const auto& part : c.biases) all.insert(all.end(), part.begin(), part.end());
    for (const auto& part : velocity.parts) all.insert(all.end(), part.begin(), part.end());
    return all;
}

TEST_CASE_TEMPLATE("The same bits for every number of threads", T, float, double) {
    for (const std::size_t n : {3U, 6U, 70U, 140U}) {
        const Case<T> narrow({2, 50, 60, 2}, n, "gelu");
        const Case<T> wide({80, 200, 90, 1}, n, "tanh");
        for (const Case<T>* c : {&narrow, &wide}) {
            const auto alone = everything<T>(*c, 1);
            for (const int threads : {2, 7}) {
                CAPTURE(n);
                CAPTURE(threads);
                const auto found = everything<T>(*c, threads);
                CHECK(std::memcmp(found.data(), alone.data(), alone.size() * sizeof(T)) == 0);
            }
        }
    }
    for (const std::size_t n : {9U, 16U, 17U, 30U, 31U, 100U}) {
        const Case<T> streamed({70, 523, 1030, 3}, n, "ab_relu");
        const auto alone = everything<T>(streamed, 1);
        for (const int threads : {2, 7}) {
            CAPTURE(n);
            CAPTURE(threads);
            CHECK(std::memcmp(everything<T>(streamed, threads).data(), alone.data(), alone.size() * sizeof(T)) == 0);
        }
    }
    const Case<T> borrowed({90, 300, 256, 70, 1}, 257, "ab_relu");
    const auto alone = everything<T>(borrowed, 1);
    CHECK(std::memcmp(everything<T>(borrowed, 3).data(), alone.data(), alone.size() * sizeof(T)) == 0);
}

TEST_CASE("A pass that is stopped leaves nothing to step along") {
    Case<double> c({64, 300, 300, 1}, 100, "tanh");
    Mlp<double> mlp = c.engine(2);
    const Poll stop = [](std::size_t, std::size_t) { throw std::runtime_error("stop"); };
    CHECK_THROWS_AS(mlp.forward(c.n, c.points(), &stop), std::runtime_error);
    CHECK(mlp.points() == 0);
    NtkCall<double> call;
    call.n = c.n;
    call.x = c.points();
    std::vector<double> out(c.n * c.n);
    call.out = out.data();
    CHECK_THROWS_AS(empirical_ntk<double>(mlp, call, &stop), std::runtime_error);
}

}  // namespace
}  // namespace ntkcore
