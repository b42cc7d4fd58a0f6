#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "cases.hpp"
#include "ntkcore/samples.hpp"
#include "ntkcore/scaled.hpp"
#include "reference.hpp"

namespace ntkcore {
namespace {

using reference::Real;

// In the reference's type, whose own precision bounds what can be checked.
Real exact(Scaled x) {
    Real value = Real(x.hi) + Real(x.lo);
    for (std::int32_t e = x.e; e > 0; --e) value *= 2;
    for (std::int32_t e = x.e; e < 0; ++e) value /= 2;
    return value;
}

double relative_error(Scaled got, Real want) {
    const Real gap = exact(got) - want;
    return static_cast<double>((gap < 0 ? -gap : gap) / (want < 0 ? -want : want));
}

constexpr double kTwice = 0x1p-100;  // a double has 2^-53; operations on two of them lose a few bits of 2^-106
const double kPrecision = std::fmax(kTwice, static_cast<double>(8 * std::numeric_limits<Real>::epsilon()));

void check_normalised(Scaled x) {
    CHECK(x.hi >= 0.5);
    CHECK(x.hi <= 1.0);
    CHECK(std::fabs(x.lo) <= 0x1p-53);
}

const std::vector<double> kNumbers = {1.0, 0.1, 3.0, 0.7071, 1e-300, 1e300, 5e-324, 1.7e308, 0x1p-1022, 12345.678};

TEST_CASE("A double is kept exactly, also a denormal one") {
    for (const double x : kNumbers) {
        const Scaled scaled(x);
        CHECK(scaled.value() == x);
        CHECK_FALSE(scaled.zero());
        check_normalised(scaled);
    }
    CHECK(Scaled(0.0).zero());
    CHECK(Scaled(0.0).value() == 0.0);
    CHECK(Scaled().zero());
    CHECK(Scaled(1.5, 10).value() == 1536.0);
}

TEST_CASE("Products, sums, quotients and roots have twice the digits of a double") {
    for (const double x : kNumbers) {
        for (const double y : kNumbers) {
            CAPTURE(x);
            CAPTURE(y);
            const Scaled a = square(x) * Scaled(1.0 / 3.0);
            const Scaled b = Scaled(y) * Scaled(0.1);
            for (const Scaled result : {a, b, a * b, a + b, sqrt(a), quotient(a, b)}) check_normalised(result);
            CHECK(relative_error(a * b, exact(a) * exact(b)) < kPrecision);
            CHECK(relative_error(a + b, exact(a) + exact(b)) < kPrecision);
            CHECK(relative_error(b + a, exact(a) + exact(b)) < kPrecision);
            CHECK(relative_error(quotient(a, b), exact(a) / exact(b)) < kPrecision);
            CHECK(relative_error(sqrt(a), reference::sqrt(exact(a))) < kPrecision);
            CHECK(relative_error(0.3 * b, Real(0.3) * exact(b)) < kPrecision);
        }
    }
}

TEST_CASE("Zero behaves as zero") {
    const Scaled x(3.0);
    CHECK((Scaled() * x).zero());
    CHECK((x * Scaled()).zero());
    CHECK((Scaled() + x).value() == 3.0);
    CHECK((x + Scaled()).value() == 3.0);
    CHECK(sqrt(Scaled()).zero());
    CHECK(ratio(Scaled(), x) == 0.0);
    CHECK(square(0.0).zero());
}

TEST_CASE("Far outside the range of a double nothing is lost") {
    Scaled large(1.0);
    Scaled small(1.0);
    for (int k = 0; k < 5000; ++k) {
        large = 10.0 * large;
        small = Scaled(0.1) * small;
    }
    CHECK(std::isinf(large.value()));
    CHECK(small.value() == 0.0);
    CHECK(large.value() > 0);
    // 10^5000 · (0.1 rounded)^5000 = (1 + 2^-54·…)^5000
    const double step = static_cast<double>(Real(10) * Real(0.1) - 1);
    CHECK((large * small).value() == doctest::Approx(1 + 5000 * step).epsilon(1e-15));
    CHECK(ratio(large, large) == 1.0);
    CHECK(sqrt(large * large).value() == large.value());
    CHECK(ratio(sqrt(large * large), large) == 1.0);
    CHECK((large + small).e == large.e);
}

TEST_CASE("A constant factor a thousand times over costs no digit of a double") {
    const double factor = 0.7 * 0.7;
    Scaled product(1.0);
    Real want = 1;
    for (int k = 0; k < 1000; ++k) {
        product = factor * product;
        want *= Real(factor);
    }
    CHECK(product.value() == static_cast<double>(want));
}

TEST_CASE_TEMPLATE("Rounding to a dtype stops at its largest number", T, float, double) {
    constexpr T kLargest = std::numeric_limits<T>::max();
    constexpr auto kLimit = static_cast<double>(kLargest);
    CHECK(saturate<T>(Scaled(1.5)) == T(1.5));
    CHECK(saturate<T>(Scaled(0.0)) == T(0));
    CHECK(saturate<T>(Scaled(kLimit)) == kLargest);
    CHECK(saturate<T>(Scaled(kLimit) * Scaled(2.0)) == kLargest);
    CHECK(saturate<T>(Scaled(-1.0) * (Scaled(kLimit) * Scaled(2.0))) == -kLargest);
    CHECK(saturate<T>(Scaled(1.0, 100000)) == kLargest);
    CHECK(saturate<T>(Scaled(1.0, -100000)) == T(0));
}

}  // namespace
}  // namespace ntkcore
