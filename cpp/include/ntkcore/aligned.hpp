// Arrays that vectors can be loaded from without crossing cache lines.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace ntkcore {

template <class T>
class Aligned {
   public:
    Aligned() = default;
    explicit Aligned(std::size_t size, T value = T()) : size_(size) {
        if (size == 0) return;
        data_.reset(static_cast<T*>(::operator new(size * sizeof(T), kAlignment)));
        std::uninitialized_fill_n(data_.get(), size, value);
    }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T* data() { return data_.get(); }
    [[nodiscard]] const T* data() const { return data_.get(); }
    T& operator[](std::size_t i) { return data_.get()[i]; }
    const T& operator[](std::size_t i) const { return data_.get()[i]; }

   private:
    static constexpr std::align_val_t kAlignment{64};
    struct Free {
        void operator()(T* p) const { ::operator delete(p, kAlignment); }
    };
    std::unique_ptr<T[], Free> data_;
    std::size_t size_ = 0;
};

}  // namespace ntkcore
