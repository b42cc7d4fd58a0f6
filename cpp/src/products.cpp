#include "products.hpp"

#include <algorithm>

#include "dense/kernels.hpp"
#include "mlp_work.hpp"

namespace ntkcore {

template <class T>
void multiply_nt(std::size_t m, std::size_t n, std::size_t k, Rows<const T> a, Rows<const T> b, Rows<T> c, bool add,
                 int threads, const Poll* poll, const Finish& finish) {
    constexpr std::size_t kLine = 64 / sizeof(T);
    const bool borrowed = use_blas(m, n, k);
    const bool panels = use_panels(m, n);
    const Parts rows = even_parts(m, borrowed || panels ? kBlasPoints : kPointBlock);
    const Parts cols = borrowed ? unit_parts(n, kLine, 16, 512 / kLine)
                       : panels ? tile_parts<T>(n)
                                : unit_parts(n, kLine, 16, 8);
    Scratch<T> scratch(threads);
    const auto task = [&](std::size_t index, int worker, Work&) {
        const Range j = cols[index / rows.count()];
        const Range i = rows[index % rows.count()];
        if (borrowed) {
            gemm_nt(i.size(), j.size(), k, a.at(i.begin, 0), a.stride, b.at(j.begin, 0), b.stride,
                    c.at(i.begin, j.begin), c.stride, add);
        } else if (panels && k > 0) {
            dense::kernels<T>().product({i.size(), j.size(), k, a.at(i.begin, 0), a.stride, 1, b.at(j.begin, 0), 1,
                                         b.stride, c.at(i.begin, j.begin), c.stride, T(1), add ? T(1) : T(0),
                                         scratch.of(worker)});
        } else {
            dense::kernels<T>().dot({i.size(), j.size(), k, a.at(i.begin, 0), a.stride, b.at(j.begin, 0), b.stride,
                                     c.at(i.begin, j.begin), c.stride, add});
        }
        if (finish) finish(i, j);
    };
    run_tasks(rows.count() * cols.count(), m * n * k, threads, task, poll);
}

template <class T>
void multiply_nn(std::size_t m, std::size_t n, std::size_t k, T alpha, Rows<const T> a, Rows<const T> b, T beta,
                 Rows<T> c, int threads, const Poll* poll, const Finish& finish) {
    constexpr std::size_t kBlasUnit = 256 / sizeof(T);
    const bool borrowed = use_blas(m, n, k);
    const bool panels = use_panels(m, n) && k > 0;
    const Parts rows = even_parts(m, borrowed || panels ? kBlasPoints : kPointBlock);
    const Parts cols = borrowed ? unit_parts(n, kBlasUnit, 16, 512 / kBlasUnit) : tile_parts<T>(n);
    const Parts terms{k, kFewRows};
    Scratch<T> scratch(threads);
    const auto task = [&](std::size_t index, int worker, Work&) {
        const Range j = cols[index / rows.count()];
        const Range i = rows[index % rows.count()];
        T* const out = c.at(i.begin, j.begin);
        if (borrowed) {
            gemm_nn(i.size(), j.size(), k, alpha, a.at(i.begin, 0), a.stride, b.at(0, j.begin), b.stride, beta, out,
                    c.stride);
        } else if (panels) {
            dense::kernels<T>().product({i.size(), j.size(), k, a.at(i.begin, 0), a.stride, 1, b.at(0, j.begin),
                                         b.stride, 1, out, c.stride, alpha, beta, scratch.of(worker)});
        } else {
            for (std::size_t t = 0; t < terms.count(); ++t) {
                const Range p = terms[t];
                dense::kernels<T>().outer({i.size(), j.size(), p.size(), a.at(i.begin, p.begin), a.stride, 1,
                                           b.at(p.begin, j.begin), b.stride, out, c.stride, alpha,
                                           t == 0 ? beta : T(1)});
            }
        }
        if (finish) finish(i, j);
    };
    run_tasks(rows.count() * cols.count(), m * n * k, threads, task, poll);
}

template void multiply_nt<float>(std::size_t, std::size_t, std::size_t, Rows<const float>, Rows<const float>,
                                 Rows<float>, bool, int, const Poll*, const Finish&);
template void multiply_nt<double>(std::size_t, std::size_t, std::size_t, Rows<const double>, Rows<const double>,
                                  Rows<double>, bool, int, const Poll*, const Finish&);
template void multiply_nn<float>(std::size_t, std::size_t, std::size_t, float, Rows<const float>, Rows<const float>,
                                 float, Rows<float>, int, const Poll*, const Finish&);
template void multiply_nn<double>(std::size_t, std::size_t, std::size_t, double, Rows<const double>, Rows<const double>,
                                  double, Rows<double>, int, const Poll*, const Finish&);

}  // namespace ntkcore
