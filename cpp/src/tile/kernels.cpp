// Compiled once for each instruction set (CMakeLists.txt); see simd.hpp. No function of the standard library here.
#include "kernels.hpp"

#include "ab_relu.hpp"
#include "angle_table.hpp"
#include "erf.hpp"
#include "expanded.hpp"
#include "exponential.hpp"
#include "gaussian.hpp"
#include "gelu.hpp"
#include "hermite.hpp"
#include "mehler.hpp"
#include "moves.hpp"
#include "piecewise_linear.hpp"
#include "product.hpp"
#include "rectified_monomial.hpp"
#include "rows.hpp"
#include "simd.hpp"
#include "sinusoid.hpp"
#include "smooth.hpp"
#include "start.hpp"
#include "step.hpp"

namespace ntkcore::tile::NTKCORE_ISA {
namespace {

template <class T>
constexpr Kernels<T> kTable = {
    {largest<T>, square_sum<T>, accumulate<T>, centred<T>},
    start_direct<T>,
    product<T>,
    start_product<T>,
    angle_table<T>,
    {ab_relu<T>, exponential<T>, exponential<T>, erf<T>, gelu<T>, mehler<T>, mehler<T>, sinusoid<T>,
     rectified_monomial<T>, step<T>, gaussian<T>, expanded<T>, piecewise_linear<T>},
    store_sigma<T>,
    store_theta<T>,
    transpose<T>,
    copy<T>,
    stream_fence,
    hermite,
    smooth<T>,
    start_smooth<T>};

}  // namespace

extern const Kernels<float> kFloat;
extern const Kernels<double> kDouble;
const Kernels<float> kFloat = kTable<float>;
const Kernels<double> kDouble = kTable<double>;

}  // namespace ntkcore::tile::NTKCORE_ISA
