// Arrays that vectors can be loaded from without crossing cache lines.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ntkcore {

template <class T>
class Aligned {
   public:
    Aligned() = default;
    explicit Aligned(std::size_t size, T value = T()) : Aligned(size, Raw{}) {
        std::uninitialized_fill_n(data_.get(), size, value);
    }

    // Memory of numbers that are all written before they are read: the threads that fill it touch it first.
    static Aligned raw(std::size_t size) { return Aligned(size, Raw{}); }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T* data() { return data_.get(); }
    [[nodiscard]] const T* data() const { return data_.get(); }
    T& operator[](std::size_t i) { return data_.get()[i]; }
    const T& operator[](std::size_t i) const { return data_.get()[i]; }

   private:
    struct Raw {};
    static_assert(std::is_trivial_v<T>);
    Aligned(std::size_t size, Raw) : size_(size) {
        if (size == 0) return;
        const std::size_t bytes = size * sizeof(T);
        const bool large = bytes >= kHugePage;
        void* memory = ::operator new(large ? (bytes + kHugePage - 1) / kHugePage * kHugePage : bytes,
                                      std::align_val_t{large ? kHugePage : kLine});
        data_ = std::unique_ptr<T[], Free>(static_cast<T*>(memory), Free{large});
#if defined(__linux__)
        if (large) madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: 500 times fewer page faults
#endif
    }

    static constexpr std::size_t kLine = 64, kHugePage = std::size_t{1} << 21;
    struct Free {
        bool large = false;
        void operator()(T* p) const { ::operator delete(p, std::align_val_t{large ? kHugePage : kLine}); }
    };
    std::unique_ptr<T[], Free> data_;
    std::size_t size_ = 0;
};

}  // namespace ntkcore
