// Chooses the instruction set once, at the first use.
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "kernels.hpp"

#define NTKCORE_DECLARE_ISA(isa)          \
    namespace ntkcore::tile::isa {        \
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

namespace ntkcore::tile {
namespace {

const Isa kIsas[] = {
#if defined(NTKCORE_AVX512)
    {"avx512",
     [] {
         return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bw") != 0;
     },
     &avx512::kFloat, &avx512::kDouble},
#endif
#if defined(NTKCORE_AVX2)
    {"avx2", [] { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; }, &avx2::kFloat,
     &avx2::kDouble},
#endif
    {"baseline", [] { return true; }, &baseline::kFloat, &baseline::kDouble},
};

const Isa& choose() {
    const char* wanted = std::getenv("NTKCORE_SIMD");
    if (wanted != nullptr) {
        if (const Isa* found = find_isa(wanted)) return *found;
    }
    for (const Isa& candidate : kIsas) {
        if (candidate.supported()) return candidate;
    }
    return *(std::end(kIsas) - 1);
}

}  // namespace

const Isa* find_isa(const char* name) {
    for (const Isa& candidate : kIsas) {
        if (std::strcmp(candidate.name, name) == 0 && candidate.supported()) return &candidate;
    }
    return nullptr;
}

const Isa& isa() {
    static const Isa& chosen = choose();
    return chosen;
}

template <>
const Kernels<float>& kernels<float>() {
    return *isa().f32;
}
template <>
const Kernels<double>& kernels<double>() {
    return *isa().f64;
}

}  // namespace ntkcore::tile
