// The products of finite networks on every instruction set, against plain loops.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

#include "cases.hpp"
#include "dense/kernels.hpp"
#include "isas.hpp"

namespace ntkcore {
namespace {

using Real = long double;

struct Shape {
    std::size_t m, n, k;
};

// Tiles, panels and pieces, and one more or less than them.
const std::vector<Shape> kShapes = {
    {1, 1, 1},     {1, 16, 3},    {2, 7, 5},      {5, 8, 16},    {6, 15, 17},   {7, 16, 31},   {9, 17, 64},
    {11, 31, 33},  {12, 32, 159}, {13, 33, 160},  {16, 47, 161}, {24, 48, 319}, {25, 63, 320}, {30, 65, 321},
    {95, 64, 100}, {96, 127, 9},  {97, 128, 641}, {100, 129, 2}, {193, 20, 40}, {3, 300, 70},
};

// A matrix between numbers that are not any: nothing may be read from there, or written.
template <class T>
struct Matrix {
    std::size_t rows, cols, ld;
    std::vector<T> values;

    Matrix(std::size_t r, std::size_t c, testing::Random& random)
        : rows(r), cols(c), ld(c + 3), values(r * (c + 3) + 3, std::numeric_limits<T>::quiet_NaN()) {
        for (std::size_t i = 0; i < rows; ++i) {
            for (std::size_t j = 0; j < cols; ++j) at(i, j) = static_cast<T>(random.normal());
        }
    }
    T& at(std::size_t i, std::size_t j) { return values[i * ld + j]; }
    [[nodiscard]] const T& at(std::size_t i, std::size_t j) const { return values[i * ld + j]; }

    // Is all around the matrix as it was?
    [[nodiscard]] bool intact() const {
        for (std::size_t e = 0; e < values.size(); ++e) {
            if ((e >= rows * ld || e % ld >= cols) && !std::isnan(values[e])) return false;
        }
        return true;
    }
};

template <class T>
constexpr double kEps = std::is_same_v<T, float> ? 6e-8 : 1.1e-16;

// |found − (β old + α Σ a b)| against the rounding of so many terms.
template <class T, class A, class B>
double worst(const Shape& s, const Matrix<T>& found, const Matrix<T>& old, Real alpha, Real beta, const A& a,
             const B& b) {
    testing::Largest error;
    for (std::size_t i = 0; i < s.m; ++i) {
        for (std::size_t j = 0; j < s.n; ++j) {
            Real wanted = beta == 0 ? 0 : beta * static_cast<Real>(old.at(i, j));
            Real size = std::fabs(wanted);
            for (std::size_t p = 0; p < s.k; ++p) {
                const Real term = alpha * static_cast<Real>(a(i, p)) * static_cast<Real>(b(p, j));
                wanted += term;
                size += std::fabs(term);
            }
            const Real room = size * std::sqrt(static_cast<Real>(s.k + 4));
            error.add(static_cast<double>(std::fabs(static_cast<Real>(found.at(i, j)) - wanted) / room));
        }
    }
    return error.value() / kEps<T>;
}

TEST_CASE_TEMPLATE("Products by panels, of operands either way, are those of plain loops", T, float, double) {
    testing::on_each_dense_isa<T>([](const dense::Kernels<T>& kernels) {
        testing::Random random(3);
        std::vector<T> scratch(kernels.scratch, std::numeric_limits<T>::quiet_NaN());
        for (const Shape& s : kShapes) {
            CAPTURE(s.m);
            CAPTURE(s.n);
            CAPTURE(s.k);
            const Matrix<T> a(s.m, s.k, random), a_turned(s.k, s.m, random);
            const Matrix<T> b(s.k, s.n, random), b_turned(s.n, s.k, random);
            for (const bool turn_a : {false, true}) {
                for (const bool turn_b : {false, true}) {
                    for (const T beta : {T(0), T(1), T(-0.5)}) {
                        Matrix<T> c(s.m, s.n, random);
                        const Matrix<T> old = c;
                        if (beta == 0) std::fill(c.values.begin(), c.values.end(), std::numeric_limits<T>::quiet_NaN());
                        dense::Product<T> call{};
                        call.m = s.m, call.n = s.n, call.k = s.k;
                        call.a = turn_a ? a_turned.values.data() : a.values.data();
                        call.a_row = turn_a ? 1 : a.ld, call.a_term = turn_a ? a_turned.ld : 1;
                        call.b = turn_b ? b_turned.values.data() : b.values.data();
                        call.b_term = turn_b ? 1 : b.ld, call.b_col = turn_b ? b_turned.ld : 1;
                        call.c = c.values.data(), call.ldc = c.ld;
                        call.alpha = T(1.5), call.beta = beta, call.scratch = scratch.data();
                        kernels.product(call);
                        const auto left = [&](std::size_t i, std::size_t p) {
                            return turn_a ? a_turned.at(p, i) : a.at(i, p);
                        };
                        const auto right = [&](std::size_t p, std::size_t j) {
                            return turn_b ? b_turned.at(j, p) : b.at(p, j);
                        };
                        CHECK(worst(s, c, old, 1.5L, static_cast<Real>(beta), left, right) < 2);
                        CHECK(c.intact());
                        // asking for memory ahead changes nothing
                        Matrix<T> again = old;
                        if (beta == 0) again.values = c.values;
                        call.c = again.values.data(), call.ahead = 1;
                        kernels.product(call);
                        bool same = true;
                        for (std::size_t i = 0; i < s.m; ++i)
                            same = same && std::equal(&c.at(i, 0), &c.at(i, 0) + s.n, &again.at(i, 0));
                        CHECK(same);
                    }
                }
            }
        }
    });
}

TEST_CASE_TEMPLATE("Sums along rows, and multiples of rows, are those of plain loops", T, float, double) {
    testing::on_each_dense_isa<T>([](const dense::Kernels<T>& kernels) {
        testing::Random random(4);
        for (const Shape& s : kShapes) {
            CAPTURE(s.m);
            CAPTURE(s.n);
            CAPTURE(s.k);
            const Matrix<T> a(s.m, s.k, random), a_turned(s.k, s.m, random);
            const Matrix<T> b(s.k, s.n, random), b_turned(s.n, s.k, random);
            const Matrix<T> old(s.m, s.n, random);
            for (const bool add : {false, true}) {
                Matrix<T> c = old;
                kernels.dot({s.m, s.n, s.k, a.values.data(), a.ld, b_turned.values.data(), b_turned.ld, c.values.data(),
                             c.ld, add});
                const auto left = [&](std::size_t i, std::size_t p) { return a.at(i, p); };
                const auto right = [&](std::size_t p, std::size_t j) { return b_turned.at(j, p); };
                CHECK(worst(s, c, old, 1.0L, add ? 1.0L : 0.0L, left, right) < 2);
                CHECK(c.intact());
            }
            for (const T beta : {T(0), T(1), T(-0.5)}) {
                for (const bool turn : {false, true}) {
                    Matrix<T> c = old;
                    kernels.outer({s.m, s.n, s.k, turn ? a_turned.values.data() : a.values.data(), turn ? 1 : a.ld,
                                   turn ? a_turned.ld : 1, b.values.data(), b.ld, c.values.data(), c.ld, T(1.5), beta,
                                   std::size_t{turn}});
                    const auto left = [&](std::size_t i, std::size_t p) {
                        return turn ? a_turned.at(p, i) : a.at(i, p);
                    };
                    const auto right = [&](std::size_t p, std::size_t j) { return b.at(p, j); };
                    CHECK(worst(s, c, old, 1.5L, static_cast<Real>(beta), left, right) < 2);
                    CHECK(c.intact());
                }
            }
        }
    });
}

TEST_CASE_TEMPLATE("A row of W that is read once serves the sum and the step", T, float, double) {
    testing::on_each_dense_isa<T>([](const dense::Kernels<T>& kernels) {
        testing::Random random(5);
        for (std::size_t k = 1; k <= dense::kFusedPoints; ++k) {
            for (const std::size_t m : {1U, 2U, 3U, 5U, 12U, 33U}) {
                for (const std::size_t n : {1U, 7U, 16U, 70U}) {
                    CAPTURE(k);
                    CAPTURE(m);
                    CAPTURE(n);
                    const Matrix<T> d(k, m, random), a(k, n, random);
                    Matrix<T> w(m, n, random), e(k, n, random);
                    const Matrix<T> w_old = w, e_old = e;
                    kernels.fused({m, n, k, d.values.data(), d.ld, a.values.data(), a.ld, T(0.75), w.values.data(),
                                   w.ld, e.values.data(), e.ld});
                    const auto delta = [&](std::size_t i, std::size_t p) { return d.at(p, i); };
                    const auto alpha = [&](std::size_t p, std::size_t j) { return a.at(p, j); };
                    CHECK(worst<T>({m, n, k}, w, w_old, 0.75L, 1.0L, delta, alpha) < 2);
                    const auto back = [&](std::size_t p, std::size_t i) { return d.at(p, i); };
                    const auto old = [&](std::size_t i, std::size_t j) { return w_old.at(i, j); };
                    CHECK(worst<T>({k, n, m}, e, e_old, 1.0L, 1.0L, back, old) < 2);
                    CHECK(w.intact());
                    CHECK(e.intact());
                }
            }
        }
    });
}

TEST_CASE_TEMPLATE("Rows of a large matrix by panels that are made once", T, float, double) {
    testing::on_each_dense_isa<T>([](const dense::Kernels<T>& kernels) {
        testing::Random random(6);
        const std::vector<Shape> shapes = {{1, 9, 1},    {2, 16, 3},   {5, 17, 31},   {6, 30, 64},     {7, 31, 639},
                                           {13, 33, 65}, {24, 9, 640}, {25, 30, 641}, {100, 50, 1283}, {193, 64, 321}};
        for (const Shape& s : shapes) {
            CAPTURE(s.m);
            CAPTURE(s.n);
            CAPTURE(s.k);
            const Matrix<T> a(s.m, s.k, random), b_turned(s.n, s.k, random), old(s.m, s.n, random);
            const std::size_t width = (s.n + kernels.panel - 1) / kernels.panel * kernels.panel;
            std::vector<T> panels(width * s.k), sums(s.m * width, std::numeric_limits<T>::quiet_NaN());
            kernels.pack_columns(s.k, s.n, b_turned.values.data(), b_turned.ld, panels.data());
            kernels.rows_by_panels({s.m, s.n, s.k, a.values.data(), a.ld, panels.data(), sums.data(), width});
            Matrix<T> c = old;
            for (std::size_t i = 0; i < s.m; ++i) std::copy_n(&sums[i * width], s.n, &c.at(i, 0));
            const auto left = [&](std::size_t i, std::size_t p) { return a.at(i, p); };
            const auto right = [&](std::size_t p, std::size_t j) { return b_turned.at(j, p); };
            CHECK(worst(s, c, old, 1.0L, 0.0L, left, right) < 2);
        }
    });
}

TEST_CASE_TEMPLATE("A block of W serves the sums and is changed", T, float, double) {
    testing::on_each_dense_isa<T>([](const dense::Kernels<T>& kernels) {
        testing::Random random(7);
        std::vector<T> scratch(kernels.scratch, std::numeric_limits<T>::quiet_NaN());
        for (const std::size_t points : {9U, 16U, 17U, 30U, 31U, 100U}) {
            for (const std::size_t m : {1U, 5U, 12U, 96U}) {
                for (const std::size_t n : {9U, 16U, 61U, 64U, 125U, 300U}) {  // 61 + 3 and 125 + 3: few places
                    CAPTURE(points);
                    CAPTURE(m);
                    CAPTURE(n);
                    const Matrix<T> d(points, m, random), a(points, n, random);
                    const Matrix<T> w_old(m + 1, n, random), e_old(points, n, random);
                    std::vector<T> panels((n + kernels.panel) * points);
                    kernels.pack_rows(points, n, a.values.data(), a.ld, panels.data());
                    const auto back = [&](std::size_t p, std::size_t i) { return d.at(p, i); };
                    const auto old = [&](std::size_t i, std::size_t j) { return w_old.at(i, j); };
                    const auto delta = [&](std::size_t i, std::size_t p) { return d.at(p, i); };
                    const auto alpha = [&](std::size_t p, std::size_t j) { return a.at(p, j); };
                    for (const bool first : {false, true}) {
                        for (const T beta : {T(0), T(1), T(0.5)}) {
                            Matrix<T> w = w_old, e = e_old;
                            dense::PassBlock<T> call{};
                            call.m = m, call.n = n, call.points = points, call.w = w.values.data(), call.ldw = w.ld;
                            call.d = d.values.data(), call.ldd = d.ld, call.e = e.values.data(), call.lde = e.ld;
                            call.first = first, call.panels = panels.data(), call.c = w.values.data();
                            call.alpha = T(0.75), call.beta = beta, call.next_rows = first ? 1 : 0;
                            call.scratch = scratch.data();
                            kernels.pass_block(call);
                            CHECK(worst<T>({m, n, points}, w, w_old, 0.75L, static_cast<Real>(beta), delta, alpha) < 2);
                            CHECK(worst<T>({points, n, m}, e, e_old, 1.0L, first ? 0.0L : 1.0L, back, old) < 2);
                            CHECK(w.intact());
                            CHECK(e.intact());
                            CHECK(std::equal(&w.at(m, 0), &w.at(m, 0) + n, &w_old.at(m, 0)));  // the row below
                            // each part alone
                            Matrix<T> w_alone = w_old, e_alone = e_old;
                            call.c = nullptr, call.w = w_alone.values.data(), call.e = e_alone.values.data();
                            kernels.pass_block(call);
                            CHECK(std::equal(&e.at(0, 0), &e.at(0, 0) + n, &e_alone.at(0, 0)));
                            call.e = nullptr, call.c = w_alone.values.data();
                            kernels.pass_block(call);
                            CHECK(std::equal(&w.at(0, 0), &w.at(0, 0) + n, &w_alone.at(0, 0)));
                        }
                    }
                }
            }
        }
    });
}

}  // namespace
}  // namespace ntkcore
