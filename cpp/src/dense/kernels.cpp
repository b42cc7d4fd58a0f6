// Compiled once for each instruction set (CMakeLists.txt); see ../tile/simd.hpp.
#include "kernels.hpp"

#include "fused.hpp"
#include "packed.hpp"
#include "panels.hpp"
#include "pointwise.hpp"
#include "products.hpp"

namespace ntkcore::dense::NTKCORE_ISA {
namespace {

template <class T>
constexpr Kernels<T> kTable = {
    dot<T>,
    outer<T>,
    product<T>,
    kScratch<T>,
    pack_rows<T>,
    pack_columns<T>,
    kPanel<T>,
    rows_by_panels<T>,
    pass_block<T>,
    fused<T>,
    affine<T>,
    add<T>,
    {value_of<T, AbRelu>, value_of<T, Exponential>, value_of<T, Gaussian>, value_of<T, Sinusoid>, value_of<T, Erf>,
     value_of<T, Gelu>, value_of<T, Polynomial>, value_of<T, Hermite>, value_of<T, Power>, value_of<T, Tanh>,
     value_of<T, Sigmoid>, value_of<T, Softplus>, value_of<T, Silu>, value_of<T, Mish>, value_of<T, GeluTanh>,
     value_of<T, Elu>, value_of<T, Clip>, value_of<T, Softsign>},
    {slope_of<T, AbRelu>, slope_of<T, Exponential>, slope_of<T, Gaussian>, slope_of<T, Sinusoid>, slope_of<T, Erf>,
     slope_of<T, Gelu>, slope_of<T, Polynomial>, slope_of<T, Hermite>, slope_of<T, Power>, slope_of<T, Tanh>,
     slope_of<T, Sigmoid>, slope_of<T, Softplus>, slope_of<T, Silu>, slope_of<T, Mish>, slope_of<T, GeluTanh>,
     slope_of<T, Elu>, slope_of<T, Clip>, slope_of<T, Softsign>}};

}  // namespace

extern const Kernels<float> kFloat;
extern const Kernels<double> kDouble;
const Kernels<float> kFloat = kTable<float>;
const Kernels<double> kDouble = kTable<double>;

}  // namespace ntkcore::dense::NTKCORE_ISA
