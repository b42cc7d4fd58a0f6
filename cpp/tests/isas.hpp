// Runs a test on every instruction set of this build that this CPU has.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

#include "dense/kernels.hpp"
#include "tile/kernels.hpp"

namespace ntkcore::testing {

template <class T>
const tile::Kernels<T>& kernels_of(const tile::Isa& isa) {
    if constexpr (std::is_same_v<T, float>) {
        return *isa.f32;
    } else {
        return *isa.f64;
    }
}

// test(kernels)
template <class T, class Test>
void on_each_isa(Test test) {
    for (const char* name : {"avx512", "avx2", "baseline"}) {
        const tile::Isa* const isa = tile::find_isa(name);
        if (isa == nullptr) continue;
        INFO("instruction set " << std::string(name));
        test(kernels_of<T>(*isa));
    }
}

// test(kernels of finite networks)
template <class T, class Test>
void on_each_dense_isa(Test test) {
    for (const char* name : {"avx512", "avx2", "baseline"}) {
        if (tile::find_isa(name) == nullptr) continue;
        INFO("instruction set " << std::string(name));
        test(dense::kernels_of<T>(name));
    }
}

}  // namespace ntkcore::testing
