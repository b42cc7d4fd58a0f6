// The inner loops of the instruction set that tile::isa() has chosen.
#include <cstring>

#include "../tile/kernels.hpp"
#include "kernels.hpp"

#define NTKCORE_DECLARE_ISA(isa)          \
    namespace ntkcore::dense::isa {       \
    extern const Kernels<float> kFloat;   \
    extern const Kernels<double> kDouble; \
    }

NTKCORE_DECLARE_ISA(baseline)
#if defined(NTKCORE_AVX2)
NTKCORE_DECLARE_ISA(avx2)
#endif
#if defined(NTKCORE_AVX512)
NTKCORE_DECLARE_ISA(avx512)
#endif

namespace ntkcore::dense {
namespace {

struct Tables {
    const Kernels<float>* f32;
    const Kernels<double>* f64;
};

Tables tables_of(const char* isa) {
#if defined(NTKCORE_AVX512)
    if (std::strcmp(isa, "avx512") == 0) return {&avx512::kFloat, &avx512::kDouble};
#endif
#if defined(NTKCORE_AVX2)
    if (std::strcmp(isa, "avx2") == 0) return {&avx2::kFloat, &avx2::kDouble};
#endif
    (void)isa;
    return {&baseline::kFloat, &baseline::kDouble};
}

const Tables& tables() {
    static const Tables chosen = tables_of(tile::isa().name);
    return chosen;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
    return *tables().f32;
}
template <>
const Kernels<double>& kernels<double>() {
    return *tables().f64;
}

template <>
const Kernels<float>& kernels_of<float>(const char* isa) {
    return *tables_of(isa).f32;
}
template <>
const Kernels<double>& kernels_of<double>(const char* isa) {
    return *tables_of(isa).f64;
}

}  // namespace ntkcore::dense
