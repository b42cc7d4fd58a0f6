#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "ntkcore/aligned.hpp"

namespace ntkcore {

TEST_CASE_TEMPLATE("An aligned array starts on a cache line and is filled", T, char, float, double) {
    for (const std::size_t size : {1U, 2U, 63U, 64U, 65U, 1000U}) {
        const Aligned<T> array(size, T(3));
        REQUIRE(array.size() == size);
        CHECK(reinterpret_cast<std::uintptr_t>(array.data()) % 64 == 0);
        for (std::size_t i = 0; i < size; ++i) REQUIRE(array[i] == T(3));
    }
    const Aligned<T> zeros(5);
    for (std::size_t i = 0; i < 5; ++i) CHECK(zeros[i] == T(0));
}

TEST_CASE("An aligned array of no elements owns nothing") {
    CHECK(Aligned<float>().data() == nullptr);
    CHECK(Aligned<float>(0).data() == nullptr);
    CHECK(Aligned<float>(0).size() == 0);
}

TEST_CASE("Moving an aligned array keeps the memory") {
    Aligned<double> array(7, 1.5);
    const double* const before = array.data();
    const Aligned<double> moved = std::move(array);
    CHECK(moved.data() == before);
    CHECK(moved.size() == 7);
    CHECK(moved[6] == 1.5);
}

}  // namespace ntkcore
